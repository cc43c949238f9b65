/* Convolutions of each channel by itself, and their gradients by what they read.
 *
 * A block has up to eight vectors of channels side by side and their weights in shared memory, as
 * fp32; a thread keeps its vector and makes several neighbouring pixels of a row at once, so that
 * what it loads is used by all of them. With stride 1 the gradient is a convolution with the
 * weights turned around. Kernels of other sizes than those that networks have take one pixel at a
 * time. Taps are added up in their order, each with one rounding. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.h"

#define COLS 8      /* vectors of a block, at most */
#define EACH 4      /* strips of a thread, at most */
#define BLOCKS 1024 /* about what runs at once: only beyond that do threads take several strips */

struct work {
    int rows;
    int h, w;   /* what is read */
    int oh, ow; /* what is written */
    int kernel, stride, pad;
    int stored;
    unsigned vectors, cols, groups, lanes;
    unsigned strips; /* of a row */
    unsigned each;   /* strips of a thread */
    size_t items;    /* strips of a model */
    size_t weights_stride;
    bool turned, add;
};

/* ---- a thread's share ---- */

struct seat {
    unsigned vector;
    bool real;
    size_t first; /* item */
};

static __device__ __forceinline__ struct seat seat_of(const struct work &k)
{
    const unsigned lane = threadIdx.x / k.cols, part = blockIdx.x / k.groups;
    struct seat s;

    s.vector = blockIdx.x % k.groups * k.cols + threadIdx.x - lane * k.cols;
    s.real = lane < k.lanes && s.vector < k.vectors;
    s.first = (size_t)part * k.each * k.lanes + lane;
    return s;
}

struct place {
    size_t n;
    int y, x; /* of the strip's first pixel */
};

static __device__ __forceinline__ struct place place_of(const struct work &k, size_t item,
                                                        int pixels)
{
    const size_t row = item / k.strips, n = row / (unsigned)k.oh;

    return {n, (int)(row - n * (unsigned)k.oh), (int)(item - row * k.strips) * pixels};
}

/* Of the block's channels, tap by tap. */
template <int N, int K> struct alignas(16) weights {
    float at[K * K][COLS * N];
};

template <typename T, int K>
static __device__ __forceinline__ void share_weights(const struct work &k, const T *w,
                                                     struct weights<cu_vec<T>::n, K> *to)
{
    constexpr int taps = K * K;
    const int channels = (int)k.cols * cu_vec<T>::n;
    const int first = (int)(blockIdx.x % k.groups) * channels;
    const int count = min(channels, k.stored - first) * taps;

    w += blockIdx.y * k.weights_stride + (size_t)first * taps;
    for (int i = (int)threadIdx.x; i < count; i += CU_THREADS) {
        const int c = i / taps, tap = i - c * taps;

        to->at[k.turned ? taps - 1 - tap : tap][c] = cu_float(w[i]);
    }
}

template <int N> static __device__ __forceinline__ void take(const float *weight, float (&ret)[N])
{
#pragma unroll
    for (int c = 0; c < N; c += 4) {
        const float4 v = *reinterpret_cast<const float4 *>(weight + c);

        ret[c] = v.x;
        ret[c + 1] = v.y;
        ret[c + 2] = v.z;
        ret[c + 3] = v.w;
    }
}

template <int N>
static __device__ __forceinline__ void multiply_add(const float (&v)[N], const float (&w)[N],
                                                    float (&sum)[N])
{
#pragma unroll
    for (int c = 0; c < N; c++)
        sum[c] = fmaf(v[c], w[c], sum[c]);
}

/* The first `there` pixels of a strip. */
template <typename T, int R>
static __device__ __forceinline__ void put_strip(const struct work &k, T *y, int there,
                                                 float (&sum)[R][cu_vec<T>::n])
{
#pragma unroll
    for (int r = 0; r < R; r++, y += k.stored) {
        float was[cu_vec<T>::n];

        if (r >= there)
            return;
        cu_load_if(k.add, y, was);
#pragma unroll
        for (int c = 0; c < cu_vec<T>::n; c++)
            sum[r][c] += was[c];
        cu_store(y, sum[r]);
    }
}

/* ---- kernels ---- */

/* R neighbouring pixels read SPAN of each row of the window. */
template <typename T, int K, int S>
static __global__ void __launch_bounds__(CU_THREADS)
    strip_kernel(const struct cu_step *step, struct work k, const T *x, const T *w, T *y)
{
    constexpr int N = cu_vec<T>::n, R = S == 1 ? 4 : 2, SPAN = (R - 1) * S + K, WIDE = COLS * N;
    __shared__ struct weights<N, K> weights;

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    share_weights<T, K>(k, w, &weights);
    __syncthreads();
    const struct seat s = seat_of(k);
    const float *own = weights.at[0] + threadIdx.x % k.cols * N;

    if (!s.real)
        return;
    x += ((size_t)blockIdx.y * k.rows * k.h * k.w * k.vectors + s.vector) * N;
    y += ((size_t)blockIdx.y * k.rows * k.oh * k.ow * k.vectors + s.vector) * N;
    for (unsigned u = 0; u < k.each; u++) {
        const size_t item = s.first + (size_t)u * k.lanes;
        const struct place p = place_of(k, item, R);
        float sum[R][N] = {{0}};

        if (item >= k.items)
            return;
#pragma unroll
        for (int ky = 0; ky < K; ky++) {
            const int iy = p.y * S + ky - k.pad, ix = p.x * S - k.pad;
            const T *from = x + (((int64_t)p.n * k.h + iy) * k.w + ix) * k.stored;
            float each[K][N];
            cu_bits bits[SPAN];

            if ((unsigned)iy >= (unsigned)k.h)
                continue;
#pragma unroll
            for (int j = 0; j < SPAN; j++)
                bits[j] =
                    cu_fetch((unsigned)(ix + j) < (unsigned)k.w, from + (int64_t)j * k.stored);
#pragma unroll
            for (int kx = 0; kx < K; kx++)
                take(own + (ky * K + kx) * WIDE, each[kx]);
#pragma unroll
            for (int j = 0; j < SPAN; j++) {
                float v[N];

                cu_unpack<T>(bits[j], v);
#pragma unroll
                for (int r = 0; r < R; r++)
                    if (j - r * S >= 0 && j - r * S < K)
                        multiply_add(v, each[j - r * S], sum[r]);
            }
        }
        put_strip<T, R>(k, y + (((size_t)p.n * k.oh + p.y) * k.ow + p.x) * k.stored, k.ow - p.x,
                        sum);
    }
}

/* The gradient with stride 2: a pixel asks the windows that it lies in, every other one of each
 * row. Strips begin at even pixels, so that all threads ask for the same taps. */
template <typename T, int K>
static __global__ void __launch_bounds__(CU_THREADS)
    spread_kernel(const struct cu_step *step, struct work k, const T *dy, const T *w, T *dx)
{
    constexpr int N = cu_vec<T>::n, R = 4, WIDE = COLS * N;
    __shared__ struct weights<N, K> weights;

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    share_weights<T, K>(k, w, &weights);
    __syncthreads();
    const struct seat s = seat_of(k);
    const float *own = weights.at[0] + threadIdx.x % k.cols * N;

    if (!s.real)
        return;
    dy += ((size_t)blockIdx.y * k.rows * k.h * k.w * k.vectors + s.vector) * N;
    dx += ((size_t)blockIdx.y * k.rows * k.oh * k.ow * k.vectors + s.vector) * N;
    for (unsigned u = 0; u < k.each; u++) {
        const size_t item = s.first + (size_t)u * k.lanes;
        const struct place p = place_of(k, item, R);
        float sum[R][N] = {{0}};

        if (item >= k.items)
            return;
#pragma unroll
        for (int ky = 0; ky < K; ky++) {
            const int ty = p.y + k.pad - ky;
            const T *from = dy + ((int64_t)p.n * k.h + ty / 2) * k.w * k.stored;

            if (ty < 0 || ty % 2 || ty / 2 >= k.h)
                continue;
#pragma unroll
            for (int kx = 0; kx < K; kx++) {
                float each[N], v[N];

                take(own + (ky * K + kx) * WIDE, each);
#pragma unroll
                for (int r = 0; r < R; r++) {
                    const int tx = p.x + r + k.pad - kx;

                    if (tx % 2)
                        continue;
                    cu_load_if(tx >= 0 && tx / 2 < k.w, from + (int64_t)(tx / 2) * k.stored, v);
                    multiply_add(v, each, sum[r]);
                }
            }
        }
        put_strip<T, R>(k, dx + (((size_t)p.n * k.oh + p.y) * k.ow + p.x) * k.stored, k.ow - p.x,
                        sum);
    }
}

/* Any kernel, any stride. BACK: the gradient. */
template <typename T, bool BACK>
static __global__ void __launch_bounds__(CU_THREADS)
    plain_kernel(const struct cu_step *step, struct work k, const T *x, const T *w, T *y)
{
    constexpr int N = cu_vec<T>::n;
    const size_t taps = (size_t)k.kernel * k.kernel;
    const struct seat s = seat_of(k);

    if (cu_sits_out(step, (int)blockIdx.y) || !s.real)
        return;
    x += ((size_t)blockIdx.y * k.rows * k.h * k.w * k.vectors + s.vector) * N;
    y += ((size_t)blockIdx.y * k.rows * k.oh * k.ow * k.vectors + s.vector) * N;
    w += blockIdx.y * k.weights_stride + s.vector * N * taps;
    for (unsigned u = 0; u < k.each; u++) {
        const size_t item = s.first + (size_t)u * k.lanes;
        const struct place p = place_of(k, item, 1);
        float sum[1][N] = {{0}};

        if (item >= k.items)
            return;
        for (int tap = 0; tap < (int)taps; tap++) {
            const int ky = tap / k.kernel, kx = tap - ky * k.kernel;
            const int ty = BACK ? p.y + k.pad - ky : p.y * k.stride + ky - k.pad;
            const int tx = BACK ? p.x + k.pad - kx : p.x * k.stride + kx - k.pad;
            const int iy = BACK ? ty / k.stride : ty, ix = BACK ? tx / k.stride : tx;
            float each[N], v[N];

            if (ty < 0 || tx < 0 || iy >= k.h || ix >= k.w ||
                (BACK && (iy * k.stride != ty || ix * k.stride != tx)))
                continue;
            cu_load(x + (((size_t)p.n * k.h + iy) * k.w + ix) * k.stored, v);
#pragma unroll
            for (int c = 0; c < N; c++)
                each[c] = cu_float(w[c * taps + tap]);
            multiply_add(v, each, sum[0]);
        }
        put_strip<T, 1>(k, y + (((size_t)p.n * k.oh + p.y) * k.ow + p.x) * k.stored, 1, sum);
    }
}

/* ---- launches ---- */

static struct work work_of(const struct cu_array *a, const struct cu_depthwise *d, bool back)
{
    const struct cu_shape *from = back ? &d->out : &d->in, *to = back ? &d->in : &d->out;
    struct work k = {};

    k.rows = a->rows;
    k.h = from->h;
    k.w = from->w;
    k.oh = to->h;
    k.ow = to->w;
    k.kernel = d->kernel;
    k.stride = d->stride;
    k.pad = d->pad;
    k.stored = to->stored;
    k.weights_stride = d->weights_stride;
    k.vectors = cu_vectors(a, to->stored);
    k.groups = (k.vectors + COLS - 1) / COLS;
    k.cols = (k.vectors + k.groups - 1) / k.groups;
    k.lanes = CU_THREADS / k.cols;
    if (back && d->stride == 1) {
        k.turned = true;
        k.pad = d->kernel - 1 - d->pad;
    }
    return k;
}

/* pixels: of a strip. */
static dim3 grid_of(const struct cu_array *a, struct work *k, int pixels)
{
    size_t blocks;

    k->strips = (unsigned)(k->ow + pixels - 1) / (unsigned)pixels;
    k->items = (size_t)a->rows * k->oh * k->strips;
    blocks = cu_quotient_up(k->items, k->lanes) * k->groups;
    k->each = 1;
    while (k->each < EACH && blocks / k->each > 2 * BLOCKS)
        k->each *= 2;
    return dim3((unsigned)cu_quotient_up(k->items, (size_t)k->lanes * k->each) * k->groups,
                (unsigned)a->models);
}

template <typename T, int K>
static cudaError_t launch_sized(const struct cu_array *a, const struct cu_depthwise *d, bool back,
                                struct work *k, const T *x, const T *w, T *y)
{
    if (d->stride == 1) {
        const dim3 grid = grid_of(a, k, 4);

        return CU_LAUNCH((strip_kernel<T, K, 1>), grid, CU_THREADS, a->stream, a->step, *k, x, w,
                         y);
    }
    if (back) {
        const dim3 grid = grid_of(a, k, 4);

        return CU_LAUNCH((spread_kernel<T, K>), grid, CU_THREADS, a->stream, a->step, *k, x, w, y);
    }
    const dim3 grid = grid_of(a, k, 2);

    return CU_LAUNCH((strip_kernel<T, K, 2>), grid, CU_THREADS, a->stream, a->step, *k, x, w, y);
}

template <typename T>
static cudaError_t launch(const struct cu_array *a, const struct cu_depthwise *d, bool back,
                          bool add, const T *x, const T *w, T *y)
{
    struct work k = work_of(a, d, back);

    k.add = add;
    if (d->kernel == 3 && d->stride <= 2)
        return launch_sized<T, 3>(a, d, back, &k, x, w, y);
    if (d->kernel == 5 && d->stride <= 2)
        return launch_sized<T, 5>(a, d, back, &k, x, w, y);
    k.turned = false;
    k.pad = d->pad;
    const dim3 grid = grid_of(a, &k, 1);

    return back ? CU_LAUNCH((plain_kernel<T, true>), grid, CU_THREADS, a->stream, a->step, k, x, w,
                            y)
                : CU_LAUNCH((plain_kernel<T, false>), grid, CU_THREADS, a->stream, a->step, k, x, w,
                            y);
}

int cu_depthwise(const struct cu_array *a, const struct cu_depthwise *d, const void *x,
                 const void *w, void *y, struct hpo_err *err)
{
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, e = launch<T>(a, d, false, false, (const T *)x, (const T *)w, (T *)y));
    return cu_check(e, "a depthwise convolution", err);
}

int cu_depthwise_data(const struct cu_array *a, const struct cu_depthwise *d, const void *dy,
                      const void *w, void *dx, bool add, struct hpo_err *err)
{
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, e = launch<T>(a, d, true, add, (const T *)dy, (const T *)w, (T *)dx));
    return cu_check(e, "the gradient of a depthwise convolution", err);
}
