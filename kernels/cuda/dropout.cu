/* Dropout: the mask is hashed anew from (seed, fold, layer, step, place), forward and backward. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/grid.h"
#include "kernels/math/dropout.h"

#define EACH 2 /* vectors a thread: the second is loaded while the first is hashed */

/* work: vectors of a model's y, of which `row` are a row. `samples` rows of y in succession have
 * the same row of x; where that is one, x may be y. */
template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    dropout_kernel(const struct cu_step *step, const struct cu_hyper *hyper, struct cu_drop d,
                   size_t work, size_t row, unsigned vectors, unsigned quads, const T *x, T *y,
                   bool add)
{
    constexpr int n = cu_vec<T>::n;
    const size_t first = (size_t)blockIdx.x * (EACH * CU_THREADS) + threadIdx.x;
    const size_t model = blockIdx.y;
    const struct cu_hyper *own = &hyper[model];
    float v[EACH][n], b[EACH][n];

    if (cu_sits_out(step, (int)model))
        return;
    const float rate = own->rates[d.rate], scale = 1.0f / (1.0f - rate);
    const uint32_t threshold = kn_dropout_threshold(rate), now = step[model].step;

    x += (d.samples > 1 ? model * work / d.samples : model * work) * n;
    y += model * work * n;
#pragma unroll
    for (int j = 0; j < EACH; j++) {
        const size_t i = first + j * CU_THREADS, y_row = d.samples > 1 ? i / row : 0;
        const size_t from = i - (y_row - y_row / d.samples) * row;

        cu_load_if(i < work, x + from * n, v[j]);
        cu_load_if(add && i < work, y + i * n, b[j]);
    }
#pragma unroll
    for (int j = 0; j < EACH; j++) {
        const size_t i = first + j * CU_THREADS, pixel = i / vectors;
        const uint32_t at = (uint32_t)(i - pixel * vectors) * (n / 4);

        if (i >= work)
            return;
#pragma unroll
        for (int q = 0; q < n / 4; q++) {
            const struct kn_u4 h = kn_dropout_words(own->seed, own->fold, d.layer, now,
                                                    (uint32_t)pixel * quads + at + q);

            b[j][4 * q + 0] += h.x < threshold ? 0.0f : v[j][4 * q + 0] * scale;
            b[j][4 * q + 1] += h.y < threshold ? 0.0f : v[j][4 * q + 1] * scale;
            b[j][4 * q + 2] += h.z < threshold ? 0.0f : v[j][4 * q + 2] * scale;
            b[j][4 * q + 3] += h.w < threshold ? 0.0f : v[j][4 * q + 3] * scale;
        }
        cu_store(y + i * n, b[j]);
    }
}

/* The gradient of several samples: their sum, in order. work: vectors of a model's dx. */
template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    samples_kernel(const struct cu_step *step, const struct cu_hyper *hyper, struct cu_drop d,
                   size_t work, size_t row, unsigned vectors, unsigned quads, const T *dy, T *dx,
                   bool add)
{
    constexpr int n = cu_vec<T>::n;
    const size_t i = (size_t)blockIdx.x * CU_THREADS + threadIdx.x, model = blockIdx.y;
    const struct cu_hyper *own = &hyper[model];
    float sum[n] = {0}, v[n];

    if (cu_sits_out(step, (int)model) || i >= work)
        return;
    const float rate = own->rates[d.rate], scale = 1.0f / (1.0f - rate);
    const uint32_t threshold = kn_dropout_threshold(rate), now = step[model].step;
    const size_t first = i / row * d.samples * row + i % row;

    dy += model * work * d.samples * n;
    dx += (model * work + i) * n;
    for (int s = 0; s < d.samples; s++) {
        const size_t at = first + s * row, pixel = at / vectors;
        const uint32_t quad = (uint32_t)pixel * quads + (uint32_t)(at - pixel * vectors) * (n / 4);

        cu_load(dy + at * n, v);
#pragma unroll
        for (int q = 0; q < n / 4; q++) {
            const struct kn_u4 h =
                kn_dropout_words(own->seed, own->fold, d.layer, now, quad + (uint32_t)q);

            sum[4 * q + 0] += h.x < threshold ? 0.0f : v[4 * q + 0] * scale;
            sum[4 * q + 1] += h.y < threshold ? 0.0f : v[4 * q + 1] * scale;
            sum[4 * q + 2] += h.z < threshold ? 0.0f : v[4 * q + 2] * scale;
            sum[4 * q + 3] += h.w < threshold ? 0.0f : v[4 * q + 3] * scale;
        }
    }
    cu_load_if(add, dx, v);
#pragma unroll
    for (int k = 0; k < n; k++)
        sum[k] += v[k];
    cu_store(dx, sum);
}

int cu_dropout(const struct cu_array *a, struct cu_shape s, const struct cu_drop *d, const void *x,
               void *y, bool add, struct hpo_err *err)
{
    const unsigned vectors = cu_vectors(a, s.stored), quads = ((unsigned)s.c + 3) / 4;
    const size_t row = (size_t)s.h * s.w * vectors, work = (size_t)a->rows * d->samples * row;
    const dim3 grid = cu_grid(work, EACH * CU_THREADS, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(dropout_kernel<T>, grid, CU_THREADS, a->stream, a->step, a->hyper, *d,
                              work, row, vectors, quads, (const T *)x, (T *)y, add));
    return cu_check(e, "dropout", err);
}

int cu_dropout_backward(const struct cu_array *a, struct cu_shape s, const struct cu_drop *d,
                        const void *dy, void *dx, bool add, struct hpo_err *err)
{
    const unsigned vectors = cu_vectors(a, s.stored), quads = ((unsigned)s.c + 3) / 4;
    const size_t row = (size_t)s.h * s.w * vectors, work = (size_t)a->rows * row;
    cudaError_t e = cudaErrorInvalidValue;

    if (d->samples == 1)
        return cu_dropout(a, s, d, dy, dx, add, err);
    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(samples_kernel<T>, cu_grid(work, CU_THREADS, a->models), CU_THREADS,
                              a->stream, a->step, a->hyper, *d, work, row, vectors, quads,
                              (const T *)dy, (T *)dx, add));
    return cu_check(e, "the gradient of dropout", err);
}
