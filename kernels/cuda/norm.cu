/* Batch norm forward (Ioffe and Szegedy 2015), in PyTorch's conventions, with the sum and the ReLU
 * that follow it.
 *
 * Layers of small networks last as long as their launches, so there are as few as can be: one,
 * where a block has all rows of its channels in its registers; two up to 16 MiB, the second of
 * which begins with the partial sums' sum in each of its blocks; three beyond that. The statistics
 * are the same bits whichever block adds them up, and the first of each channel writes them down.
 *
 * Deviations are taken from the channel's first row, or its first row of a thread, and means of
 * parts are combined before squares around them are (Chan, Golub and LeVeque 1983): nothing
 * cancels, however far the mean is from 0. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/norm.h"

#define AHEAD 4 /* rows whose loads a thread waits for together */

/* What y = relu?((x - mean) * scale + shift + res) needs of each of a block's channels. */
struct alignas(16) factors {
    float mean[CU_TILE_COLS * 8], scale[CU_TILE_COLS * 8], shift[CU_TILE_COLS * 8];
};

/* From the channel's mean, which is origin + mean, and its squares' sum: what is saved. */
static __device__ void finish(const struct cu_step *step, const struct cu_norm &n,
                              const struct cu_slot &slot, float origin, float mean, float squares,
                              size_t rows, bool write, struct factors *ret)
{
    const size_t weight = (size_t)blockIdx.y * n.weights_stride + slot.channel;
    const size_t buffer = (size_t)blockIdx.y * n.buffers_stride + slot.channel;
    /* Knuth's sum of two numbers and its error. */
    const float high = origin + mean, part = high - origin;
    const float low = (origin - (high - part)) + (mean - part);
    const float istd = 1.0f / sqrtf(squares / (float)rows + n.eps);
    const float scale = n.weight[weight] * istd;

    ret->mean[slot.in_block] = high;
    ret->scale[slot.in_block] = scale;
    ret->shift[slot.in_block] = n.bias[weight] - low * scale;
    if (!write)
        return;
    const float momentum = n.estimate ? 1.0f / (float)step[blockIdx.y].estimate : n.momentum;

    cu_saved_row(n, CU_MEAN)[slot.channel] = high;
    cu_saved_row(n, CU_LOW)[slot.channel] = low;
    cu_saved_row(n, CU_ISTD)[slot.channel] = istd;
    cu_saved_row(n, CU_SCALE)[slot.channel] = scale;
    n.running_mean[buffer] = (1.0f - momentum) * n.running_mean[buffer] + momentum * high;
    n.running_var[buffer] =
        (1.0f - momentum) * n.running_var[buffer] + momentum * (squares / ((float)rows - 1.0f));
}

/* ---- partial sums ---- */

/* Sum and sum of squares of the thread's rows, around the first of them. */
template <typename T>
static __device__ __forceinline__ void
deviations(const struct cu_seat &seat, const T *x, float (&first)[cu_vec<T>::n],
           float (&sum)[cu_vec<T>::n], float (&squares)[cu_vec<T>::n])
{
    constexpr int N = cu_vec<T>::n;

#pragma unroll
    for (int k = 0; k < N; k++)
        sum[k] = squares[k] = 0;
    cu_unpack<T>(cu_fetch(seat.n > 0, x + seat.at), first);
    x += seat.at;
    for (int i = 0; i < seat.n; i += AHEAD, x += (size_t)AHEAD * seat.step) {
        cu_bits bits[AHEAD];

#pragma unroll
        for (int u = 0; u < AHEAD; u++)
            bits[u] = cu_fetch(i + u < seat.n, x + (size_t)u * seat.step);
#pragma unroll
        for (int u = 0; u < AHEAD; u++) {
            float v[N];

            if (i + u >= seat.n)
                break;
            cu_unpack<T>(bits[u], v);
#pragma unroll
            for (int k = 0; k < N; k++) {
                const float d = v[k] - first[k];

                sum[k] += d;
                squares[k] = __fmaf_rn(d, d, squares[k]);
            }
        }
    }
}

/* The mean, around the first row of all, and the sum of squares around it, of each part. */
template <typename T>
static __global__ void __launch_bounds__(CU_TILE_THREADS, 2)
    sums_kernel(const struct cu_step *step, struct cu_tile t, struct cu_norm n, const T *x)
{
    constexpr int N = cu_vec<T>::n;
    __shared__ struct cu_sums<N, 1> sums;
    float first[N], sum[N], v[1][N];

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    const struct cu_seat seat = cu_seat_of<N>(t);
    const struct cu_slot slot = cu_slot_of<N>(t);
    const int part = cu_tile_part(t);
    const float rows = cu_part_rows(t, part), mine = (float)seat.n;
    const float inverse = seat.n ? 1.0f / mine : 0.0f;
    float squares[N], origin[N], total[N], mean;

    deviations(seat, x, first, sum, squares);
    cu_unpack<T>(cu_fetch(seat.n > 0, x + seat.first), origin);
#pragma unroll
    for (int k = 0; k < N; k++) {
        const float inside = squares[k] - sum[k] * sum[k] * inverse;

        squares[k] = inside < 0.0f ? 0.0f : inside; /* by rounding; NaN stays */
        v[0][k] = mine * (first[k] - origin[k]) + sum[k];
        sum[k] = v[0][k] * inverse; /* from here on the mean of the thread's rows */
    }
    cu_add_lanes(t, slot, v, &sums);
    cu_share(seat, sums.total[0], total);
    mean = slot.first ? sums.total[0][slot.in_block] / rows : 0.0f;
#pragma unroll
    for (int k = 0; k < N; k++) {
        const float off = sum[k] - total[k] / rows;

        v[0][k] = squares[k] + mine * off * off;
    }
    cu_add_lanes(t, slot, v, &sums);
    if (slot.first) {
        cu_partial_row(n, t, part, 0)[slot.channel] = mean;
        cu_partial_row(n, t, part, 1)[slot.channel] = sums.total[0][slot.in_block];
    }
}

/* All parts of the block's channels. Every thread calls it; the first of a channel gets them. */
template <int N>
static __device__ __forceinline__ void
combine(const struct cu_norm &n, const struct cu_tile &t, const struct cu_slot &slot,
        struct cu_sums<N, 1> *sums, float *ret_mean, float *ret_squares)
{
    float sum[1] = {0}, squares[1] = {0}, mean;

    if (slot.real)
#pragma unroll 4
        for (int p = slot.slice; p < t.parts; p += slot.slices) {
            sum[0] += cu_part_rows(t, p) * cu_partial_row(n, t, p, 0)[slot.channel];
            squares[0] += cu_partial_row(n, t, p, 1)[slot.channel];
        }
    cu_add_slices(slot, t.cols * N, sum, sums);
    mean = sums->total[0][slot.in_block] / (float)t.rows;
    if (slot.real)
#pragma unroll 4
        for (int p = slot.slice; p < t.parts; p += slot.slices) {
            const float off = cu_partial_row(n, t, p, 0)[slot.channel] - mean;

            squares[0] += cu_part_rows(t, p) * off * off;
        }
    cu_add_slices(slot, t.cols * N, squares, sums);
    *ret_mean = mean;
    *ret_squares = sums->total[0][slot.in_block];
}

/* t: of the sums; the grid has its groups. */
template <typename T>
static __device__ __forceinline__ void
statistics(const struct cu_step *step, const struct cu_norm &n, const struct cu_tile &t,
           const T *x, bool write, struct cu_sums<cu_vec<T>::n, 1> *sums, struct factors *ret)
{
    const struct cu_slot slot = cu_slot_of<cu_vec<T>::n>(t);
    float mean, squares;

    combine<cu_vec<T>::n>(n, t, slot, sums, &mean, &squares);
    if (slot.first) {
        const float origin = cu_float(x[(size_t)blockIdx.y * t.rows * n.s.stored + slot.channel]);

        finish(step, n, slot, origin, mean, squares, t.rows, write, ret);
    }
}

template <typename T>
static __global__ void __launch_bounds__(CU_TILE_THREADS)
    finish_kernel(const struct cu_step *step, struct cu_tile t, struct cu_norm n, const T *x)
{
    __shared__ struct cu_sums<cu_vec<T>::n, 1> sums;
    __shared__ struct factors ignored;

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    statistics(step, n, t, x, true, &sums, &ignored);
}

/* ---- what is done to every row ---- */

enum source { OF_PARTS, OF_SAVED, OF_RUNNING };

template <typename T>
static __device__ __forceinline__ void apply_to(const cu_bits &bits, const cu_bits &res, bool add,
                                                bool relu, const float (&mean)[cu_vec<T>::n],
                                                const float (&scale)[cu_vec<T>::n],
                                                const float (&shift)[cu_vec<T>::n], T *y)
{
    constexpr int N = cu_vec<T>::n;
    float v[N], r[N];

    cu_unpack<T>(bits, v);
    cu_unpack<T>(res, r);
#pragma unroll
    for (int k = 0; k < N; k++) {
        v[k] = __fmaf_rn(v[k] - mean[k], scale[k], shift[k]);
        if (add)
            v[k] += r[k];
        if (relu)
            v[k] = cu_positive(v[k]);
    }
    cu_put_bits(y, cu_pack<T>(v));
}

/* The factors of the block's channels, from where they were written down. */
template <int N, enum source FROM>
static __device__ __forceinline__ void recall(const struct cu_norm &n, const struct cu_slot &slot,
                                              struct factors *ret)
{
    const size_t weight = (size_t)blockIdx.y * n.weights_stride + slot.channel;
    const size_t buffer = (size_t)blockIdx.y * n.buffers_stride + slot.channel;
    float mean, low = 0, scale;

    if (!slot.first)
        return;
    if (FROM == OF_SAVED) {
        mean = cu_saved_row(n, CU_MEAN)[slot.channel];
        low = cu_saved_row(n, CU_LOW)[slot.channel];
        scale = cu_saved_row(n, CU_SCALE)[slot.channel];
    } else {
        mean = n.running_mean[buffer];
        scale = n.weight[weight] * (1.0f / sqrtf(n.running_var[buffer] + n.eps));
    }
    ret->mean[slot.in_block] = mean;
    ret->scale[slot.in_block] = scale;
    ret->shift[slot.in_block] = n.bias[weight] - low * scale;
}

/* t: of the rows; parts: the tile of the sums. */
template <typename T, enum source FROM, bool RES>
static __global__ void __launch_bounds__(CU_TILE_THREADS, RES ? 1 : 2)
    apply_kernel(const struct cu_step *step, struct cu_tile t, struct cu_tile parts,
                 struct cu_norm n, const T *x, const T *res, T *y)
{
    constexpr int N = cu_vec<T>::n;
    __shared__ struct factors f;
    float mean[N], scale[N], shift[N];

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    const struct cu_seat seat = cu_seat_of<N>(t);

    if (FROM == OF_PARTS) {
        __shared__ struct cu_sums<N, 1> sums;

        statistics(step, n, parts, x, cu_tile_part(t) == 0, &sums, &f);
    } else {
        recall<N, FROM>(n, cu_slot_of<N>(t), &f);
    }
    __syncthreads();
    cu_share(seat, f.mean, mean);
    cu_share(seat, f.scale, scale);
    cu_share(seat, f.shift, shift);
    x += seat.at;
    y += seat.at;
    if (RES)
        res += seat.at;
    for (int i = 0; i < seat.n; i += AHEAD) {
        cu_bits bits[AHEAD], add[AHEAD];

#pragma unroll
        for (int u = 0; u < AHEAD; u++) {
            bits[u] = cu_fetch(i + u < seat.n, x + (size_t)(i + u) * seat.step);
            add[u] = cu_fetch(RES && i + u < seat.n, (RES ? res : x) + (size_t)(i + u) * seat.step);
        }
#pragma unroll
        for (int u = 0; u < AHEAD; u++)
            if (i + u < seat.n)
                apply_to(bits[u], add[u], RES, n.relu, mean, scale, shift,
                         y + (size_t)(i + u) * seat.step);
    }
}

/* ---- all in one ---- */

/* Of the deviations from origin + mean, or of their squares. */
template <typename T, bool SQUARES>
static __device__ __forceinline__ void
sum_held(cu_bits (&bits)[CU_TILE_HELD], int n, const float (&origin)[cu_vec<T>::n],
         const float (&mean)[cu_vec<T>::n], float (&ret)[cu_vec<T>::n])
{
    constexpr int N = cu_vec<T>::n;

#pragma unroll
    for (int k = 0; k < N; k++)
        ret[k] = 0;
#pragma unroll
    for (int i = 0; i < CU_TILE_HELD; i++) {
        float in[N];

        cu_forget(bits[i]);
        cu_unpack<T>(bits[i], in);
#pragma unroll
        for (int k = 0; k < N; k++) {
            const float d = i < n ? (in[k] - origin[k]) - mean[k] : 0.0f;

            ret[k] = SQUARES ? __fmaf_rn(d, d, ret[k]) : ret[k] + d;
        }
    }
}

template <typename T>
static __global__ void __launch_bounds__(CU_TILE_THREADS)
    whole_kernel(const struct cu_step *step, struct cu_tile t, struct cu_norm n, const T *x,
                 const T *res, T *y)
{
    constexpr int N = cu_vec<T>::n;
    __shared__ struct cu_sums<N, 1> sums;
    __shared__ struct factors f;
    cu_bits bits[CU_TILE_HELD];
    float origin[N], mean[N] = {0}, scale[N], v[1][N], center;

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    const struct cu_seat seat = cu_seat_of<N>(t);
    const struct cu_slot slot = cu_slot_of<N>(t);

    cu_unpack<T>(cu_fetch(seat.n > 0, x + seat.first), origin);
#pragma unroll
    for (int i = 0; i < CU_TILE_HELD; i++)
        bits[i] = cu_fetch(i < seat.n, x + seat.at + (size_t)i * seat.step);
    sum_held<T, false>(bits, seat.n, origin, mean, v[0]);
    cu_add_lanes(t, slot, v, &sums);
    cu_share(seat, sums.total[0], mean);
    center = slot.first ? sums.total[0][slot.in_block] / (float)t.rows : 0.0f;
#pragma unroll
    for (int k = 0; k < N; k++)
        mean[k] /= (float)t.rows;
    sum_held<T, true>(bits, seat.n, origin, mean, v[0]);
    cu_add_lanes(t, slot, v, &sums);
    if (slot.first)
        finish(step, n, slot, cu_float(x[(size_t)blockIdx.y * t.rows * n.s.stored + slot.channel]),
               center, sums.total[0][slot.in_block], t.rows, true, &f);
    __syncthreads();
    cu_share(seat, f.mean, mean);
    cu_share(seat, f.scale, scale);
    cu_share(seat, f.shift, v[0]);
#pragma unroll
    for (int i = 0; i < CU_TILE_HELD; i++)
        if (i < seat.n) {
            const size_t at = seat.at + (size_t)i * seat.step;

            cu_forget(bits[i]);
            apply_to(bits[i], cu_fetch(res != NULL, (res ? res : x) + at), res != NULL, n.relu,
                     mean, scale, v[0], y + at);
        }
}

/* ---- launches ---- */

size_t cu_norm_scratch(const struct cu_array *a, const struct cu_shape *s)
{
    const struct cu_tile t = cu_tile_sums(cu_rows_of(a, s), (int)cu_vectors(a, s->stored));

    return sizeof(float) * 2 * (size_t)a->models * (size_t)t.parts * (size_t)s->stored;
}

template <typename T, enum source FROM>
static cudaError_t apply(const struct cu_array *a, const struct cu_tile *parts,
                         const struct cu_norm *n, const T *x, const T *res, T *y)
{
    const struct cu_tile t = cu_tile_rows(parts->rows, parts->vectors);
    const dim3 grid = cu_tile_grid(&t, a->models);

    if (res)
        return CU_LAUNCH((apply_kernel<T, FROM, true>), grid, CU_TILE_THREADS, a->stream, a->step,
                         t, *parts, *n, x, res, y);
    return CU_LAUNCH((apply_kernel<T, FROM, false>), grid, CU_TILE_THREADS, a->stream, a->step, t,
                     *parts, *n, x, res, y);
}

template <typename T>
static cudaError_t train(const struct cu_array *a, const struct cu_norm *n, const T *x,
                         const T *res, T *y)
{
    const size_t rows = cu_rows_of(a, &n->s);
    const int vectors = (int)cu_vectors(a, n->s.stored);
    struct cu_tile t;
    cudaError_t e;

    if (cu_tile_whole(rows, vectors, &t))
        return CU_LAUNCH(whole_kernel<T>, cu_tile_grid(&t, a->models), CU_TILE_THREADS, a->stream,
                         a->step, t, *n, x, res, y);
    t = cu_tile_sums(rows, vectors);
    e = CU_LAUNCH(sums_kernel<T>, cu_tile_grid(&t, a->models), CU_TILE_THREADS, a->stream, a->step,
                  t, *n, x);
    if (e)
        return e;
    if (cu_tile_small(&t))
        return apply<T, OF_PARTS>(a, &t, n, x, res, y);
    e = CU_LAUNCH(finish_kernel<T>, dim3((unsigned)t.groups, (unsigned)a->models), CU_TILE_THREADS,
                  a->stream, a->step, t, *n, x);
    return e ? e : apply<T, OF_SAVED>(a, &t, n, x, res, y);
}

int cu_norm_train(const struct cu_array *a, const struct cu_norm *n, const void *x, const void *res,
                  void *y, struct hpo_err *err)
{
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, e = train(a, n, (const T *)x, (const T *)res, (T *)y));
    return cu_check(e, "batch norm", err);
}

int cu_norm_eval(const struct cu_array *a, const struct cu_norm *n, const void *x, const void *res,
                 void *y, struct hpo_err *err)
{
    const struct cu_tile t = cu_tile_rows(cu_rows_of(a, &n->s), (int)cu_vectors(a, n->s.stored));
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T,
                { e = apply<T, OF_RUNNING>(a, &t, n, (const T *)x, (const T *)res, (T *)y); });
    return cu_check(e, "batch norm", err);
}
