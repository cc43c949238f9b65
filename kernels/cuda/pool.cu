/* Max pooling and the mean over pixels, with their gradients. A thread has one vector of channels;
 * sums go over a fixed order of pixels. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/grid.h"

struct pool {
    unsigned h, w, oh, ow;
    unsigned vectors; /* of a pixel */
    int stored;
    int kernel, stride, pad;
    size_t work; /* threads a model */
    int rows;
};

/* The larger of two, the first when equal, NaN when either is. */
static __device__ __forceinline__ float larger(float a, float b)
{
    return b > a || b != b ? b : a;
}

/* ---- max pooling ---- */

/* K: the kernel's size where it is known to the compiler, which then loads all of a window at once;
 * or 0. PAD: windows may stick out. */
template <typename T, int K, bool PAD>
__global__ void __launch_bounds__(CU_THREADS)
    pool_kernel(const struct cu_step *step, struct pool p, const T *x, T *y)
{
    const size_t i = (size_t)blockIdx.x * CU_THREADS + threadIdx.x, model = blockIdx.y;
    const int size = K ? K : p.kernel;
    float m[cu_vec<T>::n], b[cu_vec<T>::n];

    if (cu_sits_out(step, (int)model) || i >= p.work)
        return;
    const struct cu_spot s = cu_spot_at(i, p.oh, p.ow, p.vectors);
    const int wy = (int)s.y * p.stride - p.pad, wx = (int)s.x * p.stride - p.pad;

    x += ((int64_t)((model * p.rows + s.n) * p.h) + wy) * p.w * p.stored +
         (int64_t)wx * p.stored + s.v * cu_vec<T>::n;
#pragma unroll
    for (int k = 0; k < cu_vec<T>::n; k++)
        m[k] = -INFINITY;
#pragma unroll
    for (int ky = 0; ky < size; ky++)
#pragma unroll
        for (int kx = 0; kx < size; kx++) {
            const bool there =
                !PAD || ((unsigned)(wy + ky) < p.h && (unsigned)(wx + kx) < p.w);

            cu_load_if(there, x + ((size_t)ky * p.w + kx) * p.stored, b);
#pragma unroll
            for (int k = 0; k < cu_vec<T>::n; k++)
                m[k] = there ? larger(m[k], b[k]) : m[k];
        }
    cu_store(y + (model * p.work + i) * cu_vec<T>::n, m);
}

/* A thread for each of h x w places. */
static struct pool pool_of(const struct cu_array *a, const struct cu_pool *d, int h, int w)
{
    unsigned vectors = cu_vectors(a, d->in.stored);

    return {.h = (unsigned)d->in.h,
            .w = (unsigned)d->in.w,
            .oh = (unsigned)d->out.h,
            .ow = (unsigned)d->out.w,
            .vectors = vectors,
            .stored = d->in.stored,
            .kernel = d->kernel,
            .stride = d->stride,
            .pad = d->pad,
            .work = (size_t)a->rows * h * w * vectors,
            .rows = a->rows};
}

int cu_pool(const struct cu_array *a, const struct cu_pool *d, const void *x, void *y,
            struct hpo_err *err)
{
    const struct pool p = pool_of(a, d, d->out.h, d->out.w);
    const dim3 grid = cu_grid(p.work, CU_THREADS, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, {
        void (*f)(const struct cu_step *, struct pool, const T *, T *) =
            d->kernel == 2 && !d->pad   ? pool_kernel<T, 2, false>
            : d->kernel == 3 && !d->pad ? pool_kernel<T, 3, false>
            : d->kernel == 3            ? pool_kernel<T, 3, true>
                                        : pool_kernel<T, 0, true>;

        e = CU_LAUNCH(f, grid, CU_THREADS, a->stream, a->step, p, (const T *)x, (T *)y);
    });
    return cu_check(e, "max pooling", err);
}

/* Windows of 2 x 2 that do not overlap: a thread has one, or what an odd size leaves over at the
 * edge. y is the largest of x again, and not read. */
template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    unpool2_kernel(const struct cu_step *step, struct pool p, const T *x, const T *dy, T *dx,
                   bool add)
{
    constexpr int n = cu_vec<T>::n;
    const size_t i = (size_t)blockIdx.x * CU_THREADS + threadIdx.x, model = blockIdx.y;
    float v[4][n], d[n], g[n];
    unsigned done = 0;

    if (cu_sits_out(step, (int)model) || i >= p.work)
        return;
    const struct cu_spot s = cu_spot_at(i, (p.h + 1) / 2, (p.w + 1) / 2, p.vectors);
    const size_t image = model * p.rows + s.n;
    const size_t at = ((image * p.h + 2 * s.y) * p.w + 2 * s.x) * p.stored + s.v * n;
    const bool whole = s.y < p.oh && s.x < p.ow;

    if (!whole && add)
        return;
#pragma unroll
    for (int q = 0; q < 4; q++)
        cu_load_if(whole, x + at + ((q / 2) * (size_t)p.w + q % 2) * p.stored, v[q]);
    cu_load_if(whole, dy + ((image * p.oh + s.y) * p.ow + s.x) * p.stored + s.v * n, d);
#pragma unroll
    for (int q = 0; q < 4; q++) {
        const unsigned py = 2 * s.y + q / 2, px = 2 * s.x + q % 2;
        T *to = dx + at + ((q / 2) * (size_t)p.w + q % 2) * p.stored;

        if (py >= p.h || px >= p.w)
            continue;
        cu_load_if(add, to, g);
#pragma unroll
        for (int k = 0; k < n; k++) {
            const float m = larger(larger(v[0][k], v[1][k]), larger(v[2][k], v[3][k]));
            const bool here = v[q][k] == m && !(done >> k & 1);

            done |= (unsigned)here << k;
            g[k] += here ? d[k] : 0.0f;
        }
        cu_store(to, g);
    }
}

/* Bit k: channel k of the window at (wy, wx) has its largest value m first at (iy, ix), whose values
 * are v. x: of the image. */
template <typename T>
static __device__ __forceinline__ unsigned first_at(const struct pool &p, const T *x, int wy,
                                                    int wx, int iy, int ix,
                                                    const float (&v)[cu_vec<T>::n],
                                                    const float (&m)[cu_vec<T>::n])
{
    const int x0 = max(wx, 0), x1 = min(wx + p.kernel, (int)p.w);
    float b[cu_vec<T>::n];
    unsigned first = 0;

#pragma unroll
    for (int k = 0; k < cu_vec<T>::n; k++)
        first |= (unsigned)(v[k] == m[k]) << k;
    for (int py = max(wy, 0); py <= iy; py++)
        for (int px = x0; px < (py < iy ? x1 : ix) && first; px++) {
            cu_load(x + ((size_t)py * p.w + px) * p.stored, b);
#pragma unroll
            for (int k = 0; k < cu_vec<T>::n; k++)
                first &= ~((unsigned)(b[k] == m[k]) << k);
        }
    return first;
}

/* Any other: a thread has a vector of dx, and asks each window that it lies in. */
template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    unpool_kernel(const struct cu_step *step, struct pool p, const T *x, const T *y, const T *dy,
                  T *dx, bool add)
{
    constexpr int n = cu_vec<T>::n;
    const size_t i = (size_t)blockIdx.x * CU_THREADS + threadIdx.x, model = blockIdx.y;
    float v[n], m[n], d[n], sum[n];

    if (cu_sits_out(step, (int)model) || i >= p.work)
        return;
    const struct cu_spot s = cu_spot_at(i, p.h, p.w, p.vectors);
    const size_t image = model * p.rows + s.n;
    const int iy = (int)s.y, ix = (int)s.x;
    const int ty = iy + p.pad, tx = ix + p.pad; /* from the first window's corner */
    const int y0 = ty < p.kernel ? 0 : (ty - p.kernel) / p.stride + 1;
    const int x0 = tx < p.kernel ? 0 : (tx - p.kernel) / p.stride + 1;
    const int y1 = min(ty / p.stride + 1, (int)p.oh), x1 = min(tx / p.stride + 1, (int)p.ow);

    x += image * p.h * p.w * p.stored + s.v * n;
    y += image * p.oh * p.ow * p.stored + s.v * n;
    dy += image * p.oh * p.ow * p.stored + s.v * n;
    dx += (model * p.work + i) * n;
    cu_load(x + ((size_t)iy * p.w + ix) * p.stored, v);
#pragma unroll
    for (int k = 0; k < n; k++)
        sum[k] = 0;
    for (int oy = y0; oy < y1; oy++)
        for (int ox = x0; ox < x1; ox++) {
            const size_t o = ((size_t)oy * p.ow + ox) * p.stored;
            unsigned first;

            cu_load(y + o, m);
            cu_load(dy + o, d);
            first = first_at(p, x, oy * p.stride - p.pad, ox * p.stride - p.pad, iy, ix, v, m);
#pragma unroll
            for (int k = 0; k < n; k++)
                sum[k] += first >> k & 1 ? d[k] : 0.0f;
        }
    cu_load_if(add, dx, d);
#pragma unroll
    for (int k = 0; k < n; k++)
        sum[k] += d[k];
    cu_store(dx, sum);
}

int cu_pool_backward(const struct cu_array *a, const struct cu_pool *d, const void *x,
                     const void *y, const void *dy, void *dx, bool add, struct hpo_err *err)
{
    const bool two = d->kernel == 2 && d->stride == 2 && !d->pad;
    const int h = two ? (d->in.h + 1) / 2 : d->in.h, w = two ? (d->in.w + 1) / 2 : d->in.w;
    const struct pool p = pool_of(a, d, h, w);
    const dim3 grid = cu_grid(p.work, CU_THREADS, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, {
        if (two)
            e = CU_LAUNCH(unpool2_kernel<T>, grid, CU_THREADS, a->stream, a->step, p, (const T *)x,
                          (const T *)dy, (T *)dx, add);
        else
            e = CU_LAUNCH(unpool_kernel<T>, grid, CU_THREADS, a->stream, a->step, p, (const T *)x,
                          (const T *)y, (const T *)dy, (T *)dx, add);
    });
    return cu_check(e, "max pooling", err);
}

/* ---- the mean over pixels ---- */

/* A block has `images` images, of each `wide` neighbouring vectors, and for each of these `parts`
 * threads, which take every parts-th pixel. All are powers of two. */
struct mean {
    int rows;
    size_t pixels;
    unsigned vectors, wide, parts, images;
    unsigned across; /* blocks for the vectors of a pixel */
};

template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    average_kernel(const struct cu_step *step, struct mean a, const T *x, T *y)
{
    constexpr int n = cu_vec<T>::n;
    __shared__ float part[CU_THREADS][n + 1];
    const unsigned t = threadIdx.x, from = t / a.wide % a.parts;
    const size_t model = blockIdx.y;
    const unsigned v = blockIdx.x % a.across * a.wide + t % a.wide;
    const size_t image = (size_t)(blockIdx.x / a.across) * a.images + t / a.wide / a.parts;
    const bool mine = v < a.vectors && image < (size_t)a.rows;
    const size_t at = model * a.rows + image;
    float b[n], sum[n] = {0};

    if (cu_sits_out(step, (int)model))
        return;
    if (mine)
#pragma unroll 4
        for (size_t i = from; i < a.pixels; i += a.parts) {
            cu_load(x + ((at * a.pixels + i) * a.vectors + v) * n, b);
#pragma unroll
            for (int k = 0; k < n; k++)
                sum[k] += b[k];
        }
#pragma unroll
    for (int k = 0; k < n; k++)
        part[t][k] = sum[k];
    for (unsigned half = a.parts / 2; half; half /= 2) {
        __syncthreads();
        if (from < half)
#pragma unroll
            for (int k = 0; k < n; k++) {
                sum[k] += part[t + half * a.wide][k];
                part[t][k] = sum[k];
            }
    }
    if (!mine || from)
        return;
#pragma unroll
    for (int k = 0; k < n; k++)
        sum[k] /= (float)a.pixels;
    cu_store(y + (at * a.vectors + v) * n, sum);
}

int cu_average(const struct cu_array *a, struct cu_shape in, const void *x, void *y,
               struct hpo_err *err)
{
    cudaError_t e = cudaErrorInvalidValue;
    struct mean m = {};
    dim3 grid;

    m.rows = a->rows;
    m.pixels = (size_t)in.h * in.w;
    m.vectors = cu_vectors(a, in.stored);
    m.wide = cu_power(m.vectors, CU_WARP);
    m.parts = cu_power(m.pixels, CU_THREADS / m.wide);
    m.images = CU_THREADS / m.wide / m.parts;
    m.across = (m.vectors + m.wide - 1) / m.wide;
    grid = dim3((unsigned)(((size_t)a->rows + m.images - 1) / m.images) * m.across,
                (unsigned)a->models);
    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(average_kernel<T>, grid, CU_THREADS, a->stream, a->step, m,
                              (const T *)x, (T *)y));
    return cu_check(e, "the mean over pixels", err);
}

template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    spread_kernel(const struct cu_step *step, size_t work, size_t pixels, unsigned vectors,
                  const T *dy, T *dx, bool add)
{
    constexpr int n = cu_vec<T>::n;
    const size_t i = (size_t)blockIdx.x * CU_THREADS + threadIdx.x, model = blockIdx.y;
    float d[n], g[n];

    if (cu_sits_out(step, (int)model) || i >= work)
        return;
    const size_t pixel = i / vectors, image = pixel / pixels, images = work / vectors / pixels;

    dx += (model * work + i) * n;
    cu_load(dy + ((model * images + image) * vectors + (i - pixel * vectors)) * n, d);
    cu_load_if(add, dx, g);
#pragma unroll
    for (int k = 0; k < n; k++)
        g[k] += d[k] / (float)pixels;
    cu_store(dx, g);
}

int cu_average_backward(const struct cu_array *a, struct cu_shape in, const void *dy, void *dx,
                        bool add, struct hpo_err *err)
{
    const unsigned vectors = cu_vectors(a, in.stored);
    const size_t pixels = (size_t)in.h * in.w, work = (size_t)a->rows * pixels * vectors;
    const dim3 grid = cu_grid(work, CU_THREADS, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(spread_kernel<T>, grid, CU_THREADS, a->stream, a->step, work, pixels,
                              vectors, (const T *)dy, (T *)dx, add));
    return cu_check(e, "the mean over pixels", err);
}
