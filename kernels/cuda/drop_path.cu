/* Stochastic depth: the factor of a row is hashed anew, forward and backward. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/grid.h"
#include "kernels/math/dropout.h"

/* work: vectors of a model, `row` of them in each image. y = or += x times its row's factor; x may
 * be y. What is dropped is nothing, whatever was in it. */
template <typename T>
static __global__ void __launch_bounds__(CU_THREADS)
    drop_path_kernel(const struct cu_step *step, const struct cu_hyper *hyper, struct cu_drop d,
                     size_t work, size_t row, const T *x, T *y, bool add)
{
    constexpr int N = cu_vec<T>::n;
    const size_t i = (size_t)blockIdx.x * CU_THREADS + threadIdx.x, model = blockIdx.y;
    const struct cu_hyper *own = &hyper[model];
    float v[N], was[N];

    if (cu_sits_out(step, (int)model) || i >= work)
        return;
    x += (model * work + i) * N;
    y += (model * work + i) * N;
    cu_load(x, v);
    cu_load_if(add, y, was);
    const float f = kn_drop_path_factor(own->seed, own->fold, d.layer, step[model].step,
                                        (uint32_t)(i / row), own->rates[d.rate] * d.fraction);

#pragma unroll
    for (int k = 0; k < N; k++)
        v[k] = (f == 0.0f ? 0.0f : v[k] * f) + was[k];
    cu_store(y, v);
}

int cu_drop_path(const struct cu_array *a, struct cu_shape s, const struct cu_drop *d,
                 const void *x, void *y, bool add, struct hpo_err *err)
{
    const size_t row = (size_t)s.h * s.w * cu_vectors(a, s.stored), work = (size_t)a->rows * row;
    const dim3 grid = cu_grid(work, CU_THREADS, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(drop_path_kernel<T>, grid, CU_THREADS, a->stream, a->step, a->hyper,
                              *d, work, row, (const T *)x, (T *)y, add));
    return cu_check(e, "stochastic depth", err);
}
