/* Mixup and CutMix of a batch with its own mirror image, on what was gathered. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/grid.h"

/* A thread has 16 bytes of a pixel of row n and of row rows - 1 - n: nobody else reads them. */
template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    mix_kernel(const struct cu_step *step, size_t work, int rows, struct cu_shape s,
               unsigned vectors, T *x)
{
    constexpr int N = cu_vec<T>::n;
    const size_t i = (size_t)blockIdx.x * CU_THREADS + threadIdx.x;
    const int model = (int)blockIdx.y;
    float u[N], v[N];

    if (i >= work || cu_sits_out(step, model) || step[model].mix.kind == KN_MIX_NONE)
        return;
    const struct kn_mix mix = step[model].mix;
    const struct cu_spot at = cu_spot_at(i, (unsigned)s.h, (unsigned)s.w, vectors);
    const int py = (int)at.y, px = (int)at.x;

    if (mix.kind == KN_CUTMIX && (py < mix.y0 || py >= mix.y1 || px < mix.x0 || px >= mix.x1))
        return;
    const size_t row = (size_t)s.h * s.w * s.stored, from = (size_t)model * rows;
    const size_t inside = ((size_t)at.y * s.w + at.x) * s.stored + at.v * N;
    T *a = x + (from + at.n) * row + inside, *b = x + (from + rows - 1 - at.n) * row + inside;

    cu_load(a, u);
    cu_load(b, v);
    if (mix.kind == KN_MIXUP) {
        const float l = mix.lambda;

#pragma unroll
        for (int k = 0; k < N; k++) {
            const float mine = u[k];

            u[k] = l * v[k] + (1.0f - l) * mine;
            v[k] = l * mine + (1.0f - l) * v[k];
        }
    }
    cu_store(a, v);
    cu_store(b, u);
}

int cu_mix(const struct cu_array *a, struct cu_shape s, void *x, struct hpo_err *err)
{
    const unsigned vectors = cu_vectors(a, s.stored);
    const size_t work = (size_t)(a->rows / 2) * s.h * s.w * vectors;
    cudaError_t e = cudaSuccess;

    if (work)
        CU_FOR_TYPE(a->type, T,
                    e = CU_LAUNCH(mix_kernel<T>, cu_grid(work, CU_THREADS, a->models), CU_THREADS,
                                  a->stream, a->step, work, a->rows, s, vectors, (T *)x));
    return cu_check(e, "mixing a batch", err);
}
