/* Channels times a factor of their own (squeeze-and-excite), and the gradients of both. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.h"

#define COLS 8 /* neighbouring vectors of a block, at most */

template <typename T>
static __global__ void __launch_bounds__(CU_THREADS)
    scale_kernel(const struct cu_step *step, size_t work, size_t pixels, unsigned vectors,
                 const T *x, const T *s, T *y)
{
    constexpr int N = cu_vec<T>::n;
    const size_t i = (size_t)blockIdx.x * CU_THREADS + threadIdx.x, model = blockIdx.y;
    float v[N], f[N];

    if (cu_sits_out(step, (int)model) || i >= work)
        return;
    const size_t pixel = i / vectors, image = pixel / pixels, images = work / vectors / pixels;

    cu_load(x + (model * work + i) * N, v);
    cu_load(s + ((model * images + image) * vectors + (i - pixel * vectors)) * N, f);
#pragma unroll
    for (int k = 0; k < N; k++)
        v[k] *= f[k];
    cu_store(y + (model * work + i) * N, v);
}

/* A block has `images` images, of each `wide` neighbouring vectors, and for each of these `parts`
 * threads, which take every parts-th pixel. All are powers of two. */
struct share {
    int rows;
    size_t pixels;
    unsigned vectors, wide, parts, images;
    unsigned across; /* blocks for the vectors of a pixel */
};

/* One way through x and dy for both gradients. dx, ds NULL: not wanted; dx may be dy. */
template <typename T>
static __global__ void __launch_bounds__(CU_THREADS)
    back_kernel(const struct cu_step *step, struct share a, const T *x, const T *s, const T *dy,
                T *dx, bool dx_add, T *ds, bool ds_add)
{
    constexpr int N = cu_vec<T>::n;
    __shared__ float part[CU_THREADS][N + 1];
    const unsigned t = threadIdx.x, from = t / a.wide % a.parts;
    const unsigned v = blockIdx.x % a.across * a.wide + t % a.wide;
    const size_t image = (size_t)(blockIdx.x / a.across) * a.images + t / a.wide / a.parts;
    const bool mine = v < a.vectors && image < (size_t)a.rows;
    const size_t at = (size_t)blockIdx.y * a.rows + image;
    float f[N], sum[N] = {0};

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    cu_load_if(mine, s + (at * a.vectors + v) * N, f);
    if (mine)
#pragma unroll 2
        for (size_t i = from; i < a.pixels; i += a.parts) {
            const size_t here = ((at * a.pixels + i) * a.vectors + v) * N;
            float d[N], b[N];

            cu_load(dy + here, d);
            cu_load_if(ds, x + here, b);
#pragma unroll
            for (int k = 0; k < N; k++)
                sum[k] += b[k] * d[k];
            if (!dx)
                continue;
            cu_load_if(dx_add, dx + here, b);
#pragma unroll
            for (int k = 0; k < N; k++)
                b[k] += d[k] * f[k];
            cu_store(dx + here, b);
        }
#pragma unroll
    for (int k = 0; k < N; k++)
        part[t][k] = sum[k];
    for (unsigned half = a.parts / 2; half; half /= 2) {
        __syncthreads();
        if (from < half)
#pragma unroll
            for (int k = 0; k < N; k++) {
                sum[k] += part[t + half * a.wide][k];
                part[t][k] = sum[k];
            }
    }
    if (!mine || from || !ds)
        return;
    ds += (at * a.vectors + v) * N;
    cu_load_if(ds_add, ds, f);
#pragma unroll
    for (int k = 0; k < N; k++)
        sum[k] += f[k];
    cu_store(ds, sum);
}

int cu_scale(const struct cu_array *a, struct cu_shape in, const void *x, const void *s, void *y,
             struct hpo_err *err)
{
    const unsigned vectors = cu_vectors(a, in.stored);
    const size_t pixels = (size_t)in.h * in.w, work = (size_t)a->rows * pixels * vectors;
    const dim3 grid = cu_grid(work, CU_THREADS, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(scale_kernel<T>, grid, CU_THREADS, a->stream, a->step, work, pixels,
                              vectors, (const T *)x, (const T *)s, (T *)y));
    return cu_check(e, "channels times a factor", err);
}

int cu_scale_backward(const struct cu_array *a, struct cu_shape in, const void *x, const void *s,
                      const void *dy, void *dx, bool dx_add, void *ds, bool ds_add,
                      struct hpo_err *err)
{
    cudaError_t e = cudaErrorInvalidValue;
    struct share k = {};
    dim3 grid;

    k.rows = a->rows;
    k.pixels = (size_t)in.h * in.w;
    k.vectors = cu_vectors(a, in.stored);
    k.wide = cu_power(k.vectors, COLS);
    k.parts = cu_power(k.pixels, CU_THREADS / k.wide);
    k.images = CU_THREADS / k.wide / k.parts;
    k.across = (k.vectors + k.wide - 1) / k.wide;
    grid =
        dim3((unsigned)cu_quotient_up((size_t)a->rows, k.images) * k.across, (unsigned)a->models);
    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(back_kernel<T>, grid, CU_THREADS, a->stream, a->step, k, (const T *)x,
                              (const T *)s, (const T *)dy, (T *)dx, dx_add, (T *)ds, ds_add));
    return cu_check(e, "the gradient of channels times a factor", err);
}
