/* (h, w, c) -> (c, h, w) and back: tiles of up to 64 pixels x 64 channels go through shared memory,
 * so that both sides are read and written along what lies together. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/grid.h"

#define TILE 64

struct flat {
    int rows, pixels, c, stored;
    int row;     /* elements of a flattened image as stored */
    int along_p; /* tiles over the pixels */
    int tiles;   /* of an image */
};

struct tile {
    size_t x, y; /* where its image begins */
    int p0, np;  /* pixels */
    int c0, nc;  /* channels */
    bool last;   /* it has the last channels, and the first pixels */
};

static __device__ __forceinline__ struct tile tile_of(const struct flat &f)
{
    struct tile t;
    int i = (int)(blockIdx.x % (unsigned)f.tiles);
    size_t image = (size_t)blockIdx.y * f.rows + blockIdx.x / (unsigned)f.tiles;

    t.x = image * f.pixels * f.stored;
    t.y = image * f.row;
    t.p0 = i % f.along_p * TILE;
    t.c0 = i / f.along_p * TILE;
    t.np = min(TILE, f.pixels - t.p0);
    t.nc = min(TILE, f.c - t.c0);
    t.last = i == f.tiles - f.along_p;
    return t;
}

template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    flatten_kernel(const struct cu_step *step, struct flat f, const T *x, T *y)
{
    constexpr int n = cu_vec<T>::n, across = TILE / n;
    __shared__ float value[TILE][TILE + 1];
    const struct tile t = tile_of(f);
    float v[n];

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    x += t.x;
    y += t.y;
    for (int i = (int)threadIdx.x; i < t.np * across; i += CU_THREADS) {
        const int p = i / across, c = i % across * n;

        if (t.c0 + c >= f.stored)
            continue;
        cu_load(x + (size_t)(t.p0 + p) * f.stored + t.c0 + c, v);
#pragma unroll
        for (int k = 0; k < n; k++)
            value[p][c + k] = v[k];
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < t.np * t.nc; i += CU_THREADS) {
        const int c = i / t.np, p = i - c * t.np;

        y[(size_t)(t.c0 + c) * f.pixels + t.p0 + p] = cu_round<T>(value[p][c]);
    }
    for (int i = f.c * f.pixels + (int)threadIdx.x; t.last && i < f.row; i += CU_THREADS)
        y[i] = cu_round<T>(0.0f);
}

template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    unflatten_kernel(const struct cu_step *step, struct flat f, const T *dy, T *dx, bool add)
{
    constexpr int n = cu_vec<T>::n, across = TILE / n;
    __shared__ float value[TILE][TILE + 1];
    const struct tile t = tile_of(f);
    float v[n];

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    dx += t.x;
    dy += t.y;
    for (int i = (int)threadIdx.x; i < t.np * t.nc; i += CU_THREADS) {
        const int c = i / t.np, p = i - c * t.np;

        value[p][c] = cu_float(dy[(size_t)(t.c0 + c) * f.pixels + t.p0 + p]);
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < t.np * across; i += CU_THREADS) {
        const int p = i / across, c = i % across * n;
        T *to = dx + (size_t)(t.p0 + p) * f.stored + t.c0 + c;

        if (t.c0 + c >= f.stored)
            continue;
        cu_load_if(add, to, v);
#pragma unroll
        for (int k = 0; k < n; k++)
            v[k] += c + k < t.nc ? value[p][c + k] : 0.0f;
        cu_store(to, v);
    }
}

static struct flat flat_of(const struct cu_array *a, const struct cu_shape *in)
{
    const int along_p = (in->h * in->w + TILE - 1) / TILE;

    return {.rows = a->rows,
            .pixels = in->h * in->w,
            .c = in->c,
            .stored = in->stored,
            .row = cu_stored(a, in->c * in->h * in->w),
            .along_p = along_p,
            .tiles = along_p * ((in->c + TILE - 1) / TILE)};
}

/* One pixel: there is nothing to turn. */
static bool flat_already(const struct flat *f)
{
    return f->pixels == 1 && f->stored == f->row;
}

int cu_flatten(const struct cu_array *a, struct cu_shape in, const void *x, void *y,
               struct hpo_err *err)
{
    const struct flat f = flat_of(a, &in);
    const dim3 grid = cu_grid((size_t)a->rows * f.tiles, 1, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    if (flat_already(&f))
        return cu_pass(a, x, x, y, false, false, (size_t)a->rows * f.row, err);
    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(flatten_kernel<T>, grid, CU_THREADS, a->stream, a->step, f,
                              (const T *)x, (T *)y));
    return cu_check(e, "flattening", err);
}

int cu_flatten_backward(const struct cu_array *a, struct cu_shape in, const void *dy, void *dx,
                        bool add, struct hpo_err *err)
{
    const struct flat f = flat_of(a, &in);
    const dim3 grid = cu_grid((size_t)a->rows * f.tiles, 1, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    if (flat_already(&f))
        return cu_pass(a, dy, dy, dx, false, add, (size_t)a->rows * f.row, err);
    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(unflatten_kernel<T>, grid, CU_THREADS, a->stream, a->step, f,
                              (const T *)dy, (T *)dx, add));
    return cu_check(e, "flattening", err);
}
