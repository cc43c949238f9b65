/* The gradient of a depthwise convolution by its weights: for each channel and tap the sum over all
 * pixels. A block has some output rows, the taps of one row of the window (of other sizes than 3
 * and 5: one tap), and of a tile's columns (reduce.h) the channels; its sums are a fixed tree, and
 * those of all blocks are added up in order. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.h"

#define PARTS 64   /* blocks whose sums are then added up, at most */
#define BLOCKS 512 /* wanted in all */

struct filter {
    struct cu_tile t; /* its rows: of all images, each of ow pixels */
    int h, w, oh, ow;
    int kernel, stride, pad;
    int images, stored;
    size_t stride_w; /* of the gradients, from model to model */
};

/* Sums of part p go to ret + p * taps * stored, a tap after the other; with one part they are the
 * gradients, in whose array the taps of a channel lie together. */
template <typename T, int KX>
static __global__ void __launch_bounds__(CU_TILE_THREADS)
    filter_kernel(const struct cu_step *step, struct filter f, const T *x, const T *dy, float *ret)
{
    constexpr int N = cu_vec<T>::n;
    __shared__ struct cu_sums<N, 1> sums;
    const struct cu_tile &t = f.t;
    const int part = cu_tile_part(t) % t.parts, first = cu_tile_part(t) / t.parts * KX;
    const int ky = first / f.kernel, kx = first - ky * f.kernel, taps = f.kernel * f.kernel;
    const int lane = (int)threadIdx.x / t.cols;
    const int vector =
        (int)(blockIdx.x % (unsigned)t.groups) * t.cols + (int)threadIdx.x - lane * t.cols;
    const size_t end = min((size_t)(part + 1) * t.chunk, t.rows);
    float sum[KX][1][N] = {{{0}}};

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    const struct cu_slot slot = cu_slot_of<N>(t);

    x += ((size_t)blockIdx.y * f.images * f.h * f.w * t.vectors + vector) * N;
    dy += ((size_t)blockIdx.y * t.rows * f.ow * t.vectors + vector) * N;
    if (lane < t.lanes && vector < t.vectors)
        for (size_t row = (size_t)part * t.chunk + lane; row < end; row += t.lanes) {
            const size_t n = row / (unsigned)f.oh;
            const int iy = (int)(row - n * f.oh) * f.stride + ky - f.pad;
            const T *from = x + ((int64_t)n * f.h + iy) * f.w * f.stored;
            const T *of = dy + row * f.ow * f.stored;

            if ((unsigned)iy >= (unsigned)f.h)
                continue;
#pragma unroll 2
            for (int ox = 0; ox < f.ow; ox++) {
                const int ix = ox * f.stride + kx - f.pad;
                cu_bits bits[KX];
                float d[N], v[N];

                cu_load(of + (size_t)ox * f.stored, d);
#pragma unroll
                for (int k = 0; k < KX; k++)
                    bits[k] = cu_fetch((unsigned)(ix + k) < (unsigned)f.w,
                                       from + (int64_t)(ix + k) * f.stored);
#pragma unroll
                for (int k = 0; k < KX; k++) {
                    cu_unpack<T>(bits[k], v);
#pragma unroll
                    for (int c = 0; c < N; c++)
                        sum[k][0][c] = fmaf(v[c], d[c], sum[k][0][c]);
                }
            }
        }
    ret += blockIdx.y * f.stride_w;
#pragma unroll
    for (int k = 0; k < KX; k++) {
        const size_t tap = (size_t)(first + k);

        cu_add_lanes(t, slot, sum[k], &sums);
        if (slot.first)
            ret[t.parts > 1 ? ((size_t)part * taps + tap) * f.stored + slot.channel
                            : (size_t)slot.channel * taps + tap] = sums.total[0][slot.in_block];
    }
}

/* work: taps x channels as stored. */
static __global__ void __launch_bounds__(CU_THREADS)
    finish_kernel(const struct cu_step *step, int parts, unsigned work, unsigned stored,
                  const float *partial, float *dw, size_t stride)
{
    const unsigned i = blockIdx.x * CU_THREADS + threadIdx.x;
    const unsigned tap = i / stored, c = i - tap * stored, taps = work / stored;
    float sum = 0;

    if (cu_sits_out(step, (int)blockIdx.y) || i >= work)
        return;
    partial += (size_t)blockIdx.y * parts * work + i;
#pragma unroll 8
    for (int p = 0; p < parts; p++)
        sum += partial[(size_t)p * work];
    dw[blockIdx.y * stride + (size_t)c * taps + tap] = sum;
}

/* Taps of a thread: those of a row of the window where the compiler knows how many. */
static int taps_at_once(int kernel)
{
    return kernel == 3 || kernel == 5 ? kernel : 1;
}

static struct cu_tile tile_of(const struct cu_array *a, const struct cu_depthwise *d)
{
    const size_t rows = (size_t)a->rows * d->out.h;
    const size_t passes = (size_t)d->kernel * d->kernel / taps_at_once(d->kernel);
    const struct cu_tile t = cu_tile_columns(rows, (int)cu_vectors(a, d->in.stored), CU_TILE_COLS);
    size_t parts = BLOCKS / ((size_t)t.groups * passes);

    parts = parts < 1 ? 1 : parts > PARTS ? PARTS : parts;
    return cu_tile_deep(t, cu_quotient_up(cu_quotient_up(rows, (size_t)t.lanes), parts));
}

static size_t work_of(const struct cu_depthwise *d)
{
    return (size_t)d->kernel * d->kernel * d->in.stored;
}

size_t cu_depthwise_scratch(const struct cu_array *a, const struct cu_depthwise *d)
{
    const struct cu_tile t = tile_of(a, d);

    return t.parts > 1 ? sizeof(float) * t.parts * work_of(d) * a->models : 0;
}

template <typename T>
static cudaError_t launch(const struct cu_array *a, const struct cu_depthwise *d, const T *x,
                          const T *dy, float *dw, float *partial)
{
    const int at_once = taps_at_once(d->kernel);
    const unsigned passes = (unsigned)(d->kernel * d->kernel / at_once), work = work_of(d);
    struct filter f = {.t = tile_of(a, d),
                       .h = d->in.h,
                       .w = d->in.w,
                       .oh = d->out.h,
                       .ow = d->out.w,
                       .kernel = d->kernel,
                       .stride = d->stride,
                       .pad = d->pad,
                       .images = a->rows,
                       .stored = d->in.stored,
                       .stride_w = d->weights_stride};
    const dim3 grid((unsigned)f.t.groups * (unsigned)f.t.parts * passes, (unsigned)a->models);
    void (*kernel)(const struct cu_step *, struct filter, const T *, const T *, float *) =
        at_once == 5   ? filter_kernel<T, 5>
        : at_once == 3 ? filter_kernel<T, 3>
                       : filter_kernel<T, 1>;
    cudaError_t e;

    if (f.t.parts == 1)
        return CU_LAUNCH(kernel, grid, CU_TILE_THREADS, a->stream, a->step, f, x, dy, dw);
    f.stride_w = (size_t)f.t.parts * work;
    e = CU_LAUNCH(kernel, grid, CU_TILE_THREADS, a->stream, a->step, f, x, dy, partial);
    if (e)
        return e;
    return CU_LAUNCH(finish_kernel, cu_grid(work, CU_THREADS, a->models), CU_THREADS, a->stream,
                     a->step, f.t.parts, work, (unsigned)d->in.stored, partial, dw,
                     d->weights_stride);
}

int cu_depthwise_filter(const struct cu_array *a, const struct cu_depthwise *d, const void *x,
                        const void *dy, float *dw, void *partial, struct hpo_err *err)
{
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, e = launch<T>(a, d, (const T *)x, (const T *)dy, dw, (float *)partial));
    return cu_check(e, "the gradient of a depthwise convolution's weights", err);
}
