/* Numbers of type T <-> fp32, in flat arrays. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/flat.h"
#include "kernels/cuda/grid.h"

template <typename From, typename To, int N>
__global__ void __launch_bounds__(CU_THREADS)
    cast_kernel(const struct cu_step *step, const From *from, size_t from_stride, To *to,
                size_t to_stride, size_t count)
{
    const size_t i = ((size_t)blockIdx.x * CU_THREADS + threadIdx.x) * N, model = blockIdx.y;
    float v[N];

    if (cu_sits_out(step, (int)model) || i >= count)
        return;
    cu_get(from + model * from_stride + i, v);
    cu_put(to + model * to_stride + i, v);
}

template <typename From, typename To>
static cudaError_t cast(const struct cu_array *a, const From *from, size_t from_stride, To *to,
                        size_t to_stride, size_t count)
{
    const bool fours = cu_fours(from, count | from_stride) && cu_fours(to, to_stride);

    if (count == 0)
        return cudaSuccess;
    if (fours)
        return CU_LAUNCH((cast_kernel<From, To, 4>), cu_grid(count / 4, CU_THREADS, a->models),
                         CU_THREADS, a->stream, a->step, from, from_stride, to, to_stride, count);
    return CU_LAUNCH((cast_kernel<From, To, 1>), cu_grid(count, CU_THREADS, a->models), CU_THREADS,
                     a->stream, a->step, from, from_stride, to, to_stride, count);
}

int cu_widen(const struct cu_array *a, const void *from, size_t from_stride, float *to,
             size_t to_stride, size_t count, struct hpo_err *err)
{
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, e = cast(a, (const T *)from, from_stride, to, to_stride, count));
    return cu_check(e, "widening gradients", err);
}

int cu_narrow(const struct cu_array *a, const float *from, void *to, size_t n, struct hpo_err *err)
{
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, e = cast(a, from, n, (T *)to, n, n));
    return cu_check(e, "narrowing weights", err);
}
