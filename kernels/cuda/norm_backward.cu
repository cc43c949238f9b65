/* Batch norm backward. With g the gradient of the output, cut where ReLU was:
 *
 *   dbias = sum g, dweight = istd * sum g (x - mean),
 *   dx = weight * istd * (g - dbias / rows - (x - mean) * istd * dweight / rows).
 *
 * One, two or three launches as forward: see norm.cu. dx may lie where dy lies: a thread reads what
 * it needs of an element before it writes it, and nobody else reads it in that launch. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/norm.h"

#define AHEAD 2 /* rows whose loads a thread waits for together */

/* What the kernels are given. dx, dres NULL: not wanted. */
template <typename T> struct back {
    const T *x, *y, *dy; /* y: read with relu alone */
    T *dx, *dres;
    bool dx_add, dres_add;
    bool through; /* dx is dres as well: what of it is the residual's is added */
    float *dweight, *dbias;
};

/* dx = g * own + ((x - mean) * of_x + constant) for each of a block's channels. */
struct alignas(16) back_factors {
    float mean[CU_TILE_COLS * 8], own[CU_TILE_COLS * 8], of_x[CU_TILE_COLS * 8],
        constant[CU_TILE_COLS * 8];
};

template <int N> struct back_coefs {
    float mean[N], own[N], of_x[N], constant[N];
};

static __device__ void factors_of(const struct cu_norm &n, const struct cu_slot &slot, float dbias,
                                  float dweight, size_t rows, struct back_factors *ret)
{
    const float scale = cu_saved_row(n, CU_SCALE)[slot.channel];
    const float istd = cu_saved_row(n, CU_ISTD)[slot.channel];
    const float of_x = -(scale * istd) * (dweight / (float)rows);

    ret->mean[slot.in_block] = cu_saved_row(n, CU_MEAN)[slot.channel];
    ret->own[slot.in_block] = scale;
    ret->of_x[slot.in_block] = of_x;
    ret->constant[slot.in_block] =
        -scale * (dbias / (float)rows) - of_x * cu_saved_row(n, CU_LOW)[slot.channel];
}

/* From sum g and sum g (x - mean's nearest float). */
template <typename T>
static __device__ void finish(const struct cu_norm &n, const struct back<T> &b,
                              const struct cu_slot &slot,
                              const float (*sum)[CU_TILE_COLS * cu_vec<T>::n], size_t rows,
                              bool write, struct back_factors *ret)
{
    const size_t weight = (size_t)blockIdx.y * n.weights_stride + slot.channel;
    const float dbias = sum[0][slot.in_block];
    const float low = cu_saved_row(n, CU_LOW)[slot.channel];
    const float dweight =
        cu_saved_row(n, CU_ISTD)[slot.channel] * (sum[1][slot.in_block] - low * dbias);

    factors_of(n, slot, dbias, dweight, rows, ret);
    if (write) {
        b.dweight[weight] = dweight;
        b.dbias[weight] = dbias;
    }
}

template <typename T>
static __device__ __forceinline__ void gradient(const cu_bits &dy, const cu_bits &y, bool relu,
                                                float (&ret)[cu_vec<T>::n])
{
    constexpr int N = cu_vec<T>::n;
    float out[N];

    cu_unpack<T>(dy, ret);
    cu_unpack<T>(y, out);
#pragma unroll
    for (int k = 0; k < N; k++)
        if (relu)
            ret[k] = cu_cut(out[k], ret[k]);
}

/* mean: of the thread's channels. */
template <int N>
static __device__ __forceinline__ void recall_mean(const struct cu_norm &n, const struct cu_tile &t,
                                                   const struct cu_seat &seat, float (&ret)[N])
{
    const int group = (int)(blockIdx.x % (unsigned)t.groups);
    const float *mean = cu_saved_row(n, CU_MEAN) + group * t.cols * N;

#pragma unroll
    for (int k = 0; k < N; k++)
        ret[k] = 0;
    if (seat.n)
        cu_share(seat, mean, ret);
}

/* ---- partial sums ---- */

template <typename T>
static __global__ void __launch_bounds__(CU_TILE_THREADS, 2)
    sums_kernel(const struct cu_step *step, struct cu_tile t, struct cu_norm n, struct back<T> b)
{
    constexpr int N = cu_vec<T>::n;
    __shared__ struct cu_sums<N, 2> sums;
    float mean[N], sum[2][N] = {{0}};

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    const struct cu_seat seat = cu_seat_of<N>(t);

    recall_mean(n, t, seat, mean);
    for (int i = 0; i < seat.n; i += AHEAD) {
        cu_bits x[AHEAD], y[AHEAD], dy[AHEAD];

#pragma unroll
        for (int u = 0; u < AHEAD; u++) {
            const size_t at = seat.at + (size_t)(i + u) * seat.step;

            dy[u] = cu_fetch(i + u < seat.n, b.dy + at);
            x[u] = cu_fetch(i + u < seat.n, b.x + at);
            y[u] = cu_fetch(n.relu && i + u < seat.n, b.y + at);
        }
#pragma unroll
        for (int u = 0; u < AHEAD; u++) {
            float g[N], in[N];

            if (i + u >= seat.n)
                break;
            gradient<T>(dy[u], y[u], n.relu, g);
            cu_unpack<T>(x[u], in);
#pragma unroll
            for (int k = 0; k < N; k++) {
                sum[0][k] += g[k];
                sum[1][k] = __fmaf_rn(g[k], in[k] - mean[k], sum[1][k]);
            }
        }
    }
    const struct cu_slot slot = cu_slot_of<N>(t);
    const int part = cu_tile_part(t);

    cu_add_lanes(t, slot, sum, &sums);
    if (slot.first) {
        cu_partial_row(n, t, part, 0)[slot.channel] = sums.total[0][slot.in_block];
        cu_partial_row(n, t, part, 1)[slot.channel] = sums.total[1][slot.in_block];
    }
}

/* All parts of the block's channels; the grid has the groups of t. */
template <typename T>
static __device__ __forceinline__ void
combine(const struct cu_norm &n, const struct cu_tile &t, const struct back<T> &b, bool write,
        struct cu_sums<cu_vec<T>::n, 2> *sums, struct back_factors *ret)
{
    const struct cu_slot slot = cu_slot_of<cu_vec<T>::n>(t);
    float sum[2] = {0};

    if (slot.real)
#pragma unroll 4
        for (int p = slot.slice; p < t.parts; p += slot.slices) {
            sum[0] += cu_partial_row(n, t, p, 0)[slot.channel];
            sum[1] += cu_partial_row(n, t, p, 1)[slot.channel];
        }
    cu_add_slices(slot, t.cols * cu_vec<T>::n, sum, sums);
    if (slot.first)
        finish(n, b, slot, sums->total, t.rows, write, ret);
}

template <typename T>
static __global__ void __launch_bounds__(CU_TILE_THREADS)
    finish_kernel(const struct cu_step *step, struct cu_tile t, struct cu_norm n, struct back<T> b)
{
    __shared__ struct cu_sums<cu_vec<T>::n, 2> sums;
    __shared__ struct back_factors ignored;

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    combine(n, t, b, true, &sums, &ignored);
}

/* ---- the gradients of every row ---- */

template <int N>
static __device__ __forceinline__ void
share_all(const struct cu_seat &seat, const struct back_factors *f, struct back_coefs<N> *ret)
{
    cu_share(seat, f->mean, ret->mean);
    cu_share(seat, f->own, ret->own);
    cu_share(seat, f->of_x, ret->of_x);
    cu_share(seat, f->constant, ret->constant);
}

/* g and x of the vector at `at`. */
template <typename T>
static __device__ __forceinline__ void
put(const struct back<T> &b, const struct back_coefs<cu_vec<T>::n> &c, const cu_bits &bits,
    const float (&g)[cu_vec<T>::n], size_t at)
{
    constexpr int N = cu_vec<T>::n;
    float v[N], was[N];

    if (b.dres) {
        cu_unpack<T>(cu_fetch(b.dres_add, b.dres + at), was);
#pragma unroll
        for (int k = 0; k < N; k++)
            v[k] = b.dres_add ? was[k] + g[k] : g[k];
        cu_put_bits(b.dres + at, cu_pack<T>(v));
    }
    if (b.dx) {
        cu_unpack<T>(bits, v);
        cu_unpack<T>(cu_fetch(b.dx_add, b.dx + at), was);
#pragma unroll
        for (int k = 0; k < N; k++) {
            v[k] = __fmaf_rn(c.own[k], g[k], __fmaf_rn(v[k] - c.mean[k], c.of_x[k], c.constant[k]));
            if (b.through)
                v[k] += g[k];
            if (b.dx_add)
                v[k] += was[k];
        }
        cu_put_bits(b.dx + at, cu_pack<T>(v));
    }
}

/* t: of the rows; parts: the tile of the sums. FEW: the block adds up the partial ones. */
template <typename T, bool FEW>
static __global__ void __launch_bounds__(CU_TILE_THREADS)
    apply_kernel(const struct cu_step *step, struct cu_tile t, struct cu_tile parts,
                 struct cu_norm n, struct back<T> b)
{
    constexpr int N = cu_vec<T>::n;
    __shared__ struct back_factors f;
    struct back_coefs<N> c;

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    const struct cu_seat seat = cu_seat_of<N>(t);

    if (FEW) {
        __shared__ struct cu_sums<N, 2> sums;

        combine(n, parts, b, cu_tile_part(t) == 0, &sums, &f);
    } else {
        const struct cu_slot slot = cu_slot_of<N>(t);
        const size_t weight = (size_t)blockIdx.y * n.weights_stride + slot.channel;

        if (slot.first)
            factors_of(n, slot, b.dbias[weight], b.dweight[weight], t.rows, &f);
    }
    __syncthreads();
    share_all(seat, &f, &c);
    for (int i = 0; i < seat.n; i += AHEAD) {
        cu_bits x[AHEAD], y[AHEAD], dy[AHEAD];

#pragma unroll
        for (int u = 0; u < AHEAD; u++) {
            const size_t at = seat.at + (size_t)(i + u) * seat.step;

            dy[u] = cu_fetch(i + u < seat.n, b.dy + at);
            x[u] = cu_fetch(i + u < seat.n, b.x + at);
            y[u] = cu_fetch(n.relu && i + u < seat.n, b.y + at);
        }
#pragma unroll
        for (int u = 0; u < AHEAD; u++)
            if (i + u < seat.n) {
                float g[N];

                gradient<T>(dy[u], y[u], n.relu, g);
                put(b, c, x[u], g, seat.at + (size_t)(i + u) * seat.step);
            }
    }
}

/* ---- all in one ---- */

template <typename T>
static __global__ void __launch_bounds__(CU_TILE_THREADS)
    whole_kernel(const struct cu_step *step, struct cu_tile t, struct cu_norm n, struct back<T> b)
{
    constexpr int N = cu_vec<T>::n;
    __shared__ struct cu_sums<N, 2> sums;
    __shared__ struct back_factors f;
    cu_bits x[CU_TILE_HELD], g[CU_TILE_HELD];
    float mean[N], sum[2][N] = {{0}};
    struct back_coefs<N> c;

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    const struct cu_seat seat = cu_seat_of<N>(t);

    recall_mean(n, t, seat, mean);
    /* By halves: y need not be kept, and all of it at once would not fit. */
#pragma unroll
    for (int half = 0; half < CU_TILE_HELD; half += CU_TILE_HELD / 2) {
        cu_bits y[CU_TILE_HELD / 2];

#pragma unroll
        for (int u = 0; u < CU_TILE_HELD / 2; u++) {
            const int i = half + u;
            const size_t at = seat.at + (size_t)i * seat.step;

            g[i] = cu_fetch(i < seat.n, b.dy + at);
            y[u] = cu_fetch(n.relu && i < seat.n, b.y + at);
            x[i] = cu_fetch(i < seat.n, b.x + at);
        }
#pragma unroll
        for (int u = 0; u < CU_TILE_HELD / 2; u++) {
            const int i = half + u;
            float v[N], in[N];

            gradient<T>(g[i], y[u], n.relu, v);
            g[i] = cu_pack<T>(v); /* dy or 0: nothing is rounded */
            cu_unpack<T>(x[i], in);
#pragma unroll
            for (int k = 0; k < N; k++) {
                sum[0][k] += v[k];
                sum[1][k] = __fmaf_rn(v[k], in[k] - mean[k], sum[1][k]);
            }
        }
    }
    const struct cu_slot slot = cu_slot_of<N>(t);

    cu_add_lanes(t, slot, sum, &sums);
    if (slot.first)
        finish(n, b, slot, sums.total, t.rows, true, &f);
    __syncthreads();
    share_all(seat, &f, &c);
#pragma unroll
    for (int i = 0; i < CU_TILE_HELD; i++)
        if (i < seat.n) {
            float v[N];

            cu_forget(g[i]);
            cu_forget(x[i]);
            cu_unpack<T>(g[i], v);
            put(b, c, x[i], v, seat.at + (size_t)i * seat.step);
        }
}

/* ---- launches ---- */

template <typename T>
static cudaError_t backward(const struct cu_array *a, const struct cu_norm *n,
                            const struct back<T> &b)
{
    const size_t rows = cu_rows_of(a, &n->s);
    const int vectors = (int)cu_vectors(a, n->s.stored);
    const struct cu_tile t = cu_tile_sums(rows, vectors), each = cu_tile_rows(rows, vectors);
    const bool few = cu_tile_small(&t), any = b.dx || b.dres;
    struct cu_tile whole;
    cudaError_t e;

    if (cu_tile_whole(rows, vectors, &whole))
        return CU_LAUNCH(whole_kernel<T>, cu_tile_grid(&whole, a->models), CU_TILE_THREADS,
                         a->stream, a->step, whole, *n, b);
    e = CU_LAUNCH(sums_kernel<T>, cu_tile_grid(&t, a->models), CU_TILE_THREADS, a->stream, a->step,
                  t, *n, b);
    if (!e && !(few && any))
        e = CU_LAUNCH(finish_kernel<T>, dim3((unsigned)t.groups, (unsigned)a->models),
                      CU_TILE_THREADS, a->stream, a->step, t, *n, b);
    if (e || !any)
        return e;
    if (few)
        return CU_LAUNCH((apply_kernel<T, true>), cu_tile_grid(&each, a->models), CU_TILE_THREADS,
                         a->stream, a->step, each, t, *n, b);
    return CU_LAUNCH((apply_kernel<T, false>), cu_tile_grid(&each, a->models), CU_TILE_THREADS,
                     a->stream, a->step, each, t, *n, b);
}

int cu_norm_backward(const struct cu_array *a, const struct cu_norm *n, const void *x,
                     const void *y, const void *dy, void *dx, bool dx_add, void *dres,
                     bool dres_add, float *dweight, float *dbias, struct hpo_err *err)
{
    /* y = norm(x) + x: the residual's share is the first to be written. */
    const bool through = dx && dx == dres;
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, {
        const struct back<T> b = {
            .x = (const T *)x, .y = (const T *)(n->relu ? y : x), .dy = (const T *)dy,
            .dx = (T *)dx, .dres = through ? NULL : (T *)dres,
            .dx_add = through ? dres_add : dx_add, .dres_add = dres_add, .through = through,
            .dweight = dweight, .dbias = dbias
        };

        e = backward(a, n, b);
    });
    return cu_check(e, "the gradient of batch norm", err);
}
