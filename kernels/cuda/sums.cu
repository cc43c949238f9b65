/* What is kept from step to step beside weights and optimizer: sums of micro-batches' gradients,
 * moving averages. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/flat.h"
#include "kernels/cuda/grid.h"

/* At the last micro-batch the gradients become the sum, before that the sum grows. */
template <int N>
__global__ void __launch_bounds__(CU_THREADS)
    accumulate_kernel(const struct cu_step *step, float *g, float *sum, size_t n)
{
    const size_t i = ((size_t)blockIdx.x * CU_THREADS + threadIdx.x) * N, model = blockIdx.y;
    const size_t at = model * n + i;
    float v[N], s[N];

    if (i >= n || cu_sits_out(step, (int)model) || step[model].micros < 2)
        return;
    cu_get(g + at, v);
    if (step[model].micro > 0) {
        cu_get(sum + at, s);
#pragma unroll
        for (int k = 0; k < N; k++)
            v[k] += s[k];
    }
    cu_put(cu_waits(step, (int)model) ? sum + at : g + at, v);
}

template <int N>
__global__ void __launch_bounds__(CU_THREADS)
    average_kernel(const struct cu_step *step, const float *now, float *average, size_t n)
{
    const size_t i = ((size_t)blockIdx.x * CU_THREADS + threadIdx.x) * N, model = blockIdx.y;
    const size_t at = model * n + i;
    float v[N], a[N];

    if (i >= n || cu_waits(step, (int)model) || step[model].average >= 1.0f)
        return;
    cu_get(now + at, v);
    cu_get(average + at, a);
#pragma unroll
    for (int k = 0; k < N; k++)
        a[k] = kn_average(a[k], v[k], step[model].average);
    cu_put(average + at, a);
}

template <typename T, int N>
__global__ void __launch_bounds__(CU_THREADS)
    adopt_kernel(const struct cu_step *step, const float *average, float *now, T *copy, size_t n)
{
    const size_t i = ((size_t)blockIdx.x * CU_THREADS + threadIdx.x) * N, model = blockIdx.y;
    const size_t at = model * n + i;
    float v[N];

    if (i >= n || cu_waits(step, (int)model) || !step[model].adopt)
        return;
    cu_get(average + at, v);
    cu_put(now + at, v);
    if (copy)
        cu_put(copy + at, v);
}

int cu_accumulate(const struct cu_array *a, float *g, float *sum, size_t n, struct hpo_err *err)
{
    cudaError_t e = cudaSuccess;

    if (n && cu_fours(g, n) && cu_fours(sum, n))
        e = CU_LAUNCH(accumulate_kernel<4>, cu_grid(n / 4, CU_THREADS, a->models), CU_THREADS,
                      a->stream, a->step, g, sum, n);
    else if (n)
        e = CU_LAUNCH(accumulate_kernel<1>, cu_grid(n, CU_THREADS, a->models), CU_THREADS,
                      a->stream, a->step, g, sum, n);
    return cu_check(e, "adding up gradients", err);
}

int cu_moving_average(const struct cu_array *a, const float *now, float *average, size_t n,
                      struct hpo_err *err)
{
    cudaError_t e = cudaSuccess;

    if (n && cu_fours(now, n) && cu_fours(average, n))
        e = CU_LAUNCH(average_kernel<4>, cu_grid(n / 4, CU_THREADS, a->models), CU_THREADS,
                      a->stream, a->step, now, average, n);
    else if (n)
        e = CU_LAUNCH(average_kernel<1>, cu_grid(n, CU_THREADS, a->models), CU_THREADS, a->stream,
                      a->step, now, average, n);
    return cu_check(e, "moving averages", err);
}

template <typename T>
static cudaError_t adopt(const struct cu_array *a, const float *average, float *now, T *copy,
                         size_t n)
{
    if (cu_fours(average, n) && cu_fours(now, n) && cu_fours(copy, n))
        return CU_LAUNCH((adopt_kernel<T, 4>), cu_grid(n / 4, CU_THREADS, a->models), CU_THREADS,
                         a->stream, a->step, average, now, copy, n);
    return CU_LAUNCH((adopt_kernel<T, 1>), cu_grid(n, CU_THREADS, a->models), CU_THREADS, a->stream,
                     a->step, average, now, copy, n);
}

int cu_adopt(const struct cu_array *a, const float *average, float *now, void *copy, size_t n,
             struct hpo_err *err)
{
    cudaError_t e = cudaSuccess;

    if (n)
        CU_FOR_TYPE(a->type, T, e = adopt(a, average, now, (T *)copy, n));
    return cu_check(e, "adopting averages", err);
}
