/* Dropout: the mask is hashed anew from (seed, fold, layer, step, place), forward and backward. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/grid.h"
#include "kernels/math/dropout.h"

#define EACH 2 /* vectors a thread: the second is loaded while the first is hashed */

/* x may be y. */
template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    dropout_kernel(const struct cu_step *step, const struct cu_hyper *hyper, int layer, size_t work,
                   unsigned vectors, unsigned quads, const T *x, T *y, bool add)
{
    constexpr int n = cu_vec<T>::n;
    const size_t first = (size_t)blockIdx.x * (EACH * CU_THREADS) + threadIdx.x;
    const size_t model = blockIdx.y;
    const struct cu_hyper *own = &hyper[model];
    float v[EACH][n], b[EACH][n];

    if (cu_sits_out(step, (int)model))
        return;
    const float rate = own->rates[layer], scale = 1.0f / (1.0f - rate);
    const uint32_t threshold = kn_dropout_threshold(rate), now = step[model].step;

    x += model * work * n;
    y += model * work * n;
#pragma unroll
    for (int j = 0; j < EACH; j++) {
        const size_t i = first + j * CU_THREADS;

        cu_load_if(i < work, x + i * n, v[j]);
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
            const struct kn_u4 h = kn_dropout_words(own->seed, own->fold, layer, now,
                                                    (uint32_t)pixel * quads + at + q);

            b[j][4 * q + 0] += h.x < threshold ? 0.0f : v[j][4 * q + 0] * scale;
            b[j][4 * q + 1] += h.y < threshold ? 0.0f : v[j][4 * q + 1] * scale;
            b[j][4 * q + 2] += h.z < threshold ? 0.0f : v[j][4 * q + 2] * scale;
            b[j][4 * q + 3] += h.w < threshold ? 0.0f : v[j][4 * q + 3] * scale;
        }
        cu_store(y + i * n, b[j]);
    }
}

int cu_dropout(const struct cu_array *a, struct cu_shape s, int layer, const void *x, void *y,
               bool add, struct hpo_err *err)
{
    const unsigned vectors = cu_vectors(a, s.stored), quads = ((unsigned)s.c + 3) / 4;
    const size_t work = (size_t)a->rows * s.h * s.w * vectors;
    const dim3 grid = cu_grid(work, EACH * CU_THREADS, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(dropout_kernel<T>, grid, CU_THREADS, a->stream, a->step, a->hyper,
                              layer, work, vectors, quads, (const T *)x, (T *)y, add));
    return cu_check(e, "dropout", err);
}
