/* A bias for each channel, and its gradient: one launch where a block can add up all rows of its
 * channels before another launch would have begun, else two. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.h"

#define AHEAD 4        /* rows whose loads a thread waits for together */
#define ALONE_DEPTH 16 /* rows of a thread in the one launch */

template <typename T>
static __global__ void __launch_bounds__(CU_TILE_THREADS, 2)
    add_kernel(const struct cu_step *step, struct cu_tile t, const float *bias, size_t stride, T *y)
{
    constexpr int N = cu_vec<T>::n;
    float b[N];

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    const struct cu_seat seat = cu_seat_of<N>(t);

    if (seat.n == 0)
        return;
    bias += (size_t)blockIdx.y * stride + blockIdx.x % (unsigned)t.groups * t.cols * N;
#pragma unroll
    for (int k = 0; k < N; k++)
        b[k] = bias[seat.channel + k]; /* parameters of several models need not lie on 16 bytes */
    y += seat.at;
    for (int i = 0; i < seat.n; i += AHEAD) {
        cu_bits bits[AHEAD];

#pragma unroll
        for (int u = 0; u < AHEAD; u++)
            bits[u] = cu_fetch(i + u < seat.n, y + (size_t)(i + u) * seat.step);
#pragma unroll
        for (int u = 0; u < AHEAD; u++) {
            float v[N];

            if (i + u >= seat.n)
                break;
            cu_unpack<T>(bits[u], v);
#pragma unroll
            for (int k = 0; k < N; k++)
                v[k] += b[k];
            cu_put_bits(y + (size_t)(i + u) * seat.step, cu_pack<T>(v));
        }
    }
}

/* The sum of each part; part p of a model's channel c goes to ret[model * stride + p * channels +
 * c]. */
template <typename T>
static __global__ void __launch_bounds__(CU_TILE_THREADS, 2)
    sums_kernel(const struct cu_step *step, struct cu_tile t, const T *dy, float *ret,
                size_t stride)
{
    constexpr int N = cu_vec<T>::n;
    __shared__ struct cu_sums<N, 1> sums;
    float sum[1][N] = {{0}};

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    const struct cu_seat seat = cu_seat_of<N>(t);
    const struct cu_slot slot = cu_slot_of<N>(t);

    dy += seat.at;
    for (int i = 0; i < seat.n; i += AHEAD) {
        cu_bits bits[AHEAD];

#pragma unroll
        for (int u = 0; u < AHEAD; u++)
            bits[u] = cu_fetch(i + u < seat.n, dy + (size_t)(i + u) * seat.step);
#pragma unroll
        for (int u = 0; u < AHEAD; u++) {
            float v[N];

            cu_unpack<T>(bits[u], v); /* zeros, where there is no row */
#pragma unroll
            for (int k = 0; k < N; k++)
                sum[0][k] += v[k];
        }
    }
    cu_add_lanes(t, slot, sum, &sums);
    if (slot.first)
        ret[blockIdx.y * stride + (size_t)cu_tile_part(t) * t.vectors * N + slot.channel] =
            sums.total[0][slot.in_block];
}

template <int N>
static __global__ void __launch_bounds__(CU_TILE_THREADS)
    finish_kernel(const struct cu_step *step, struct cu_tile t, const float *partial, float *dbias,
                  size_t stride)
{
    __shared__ struct cu_sums<N, 1> sums;
    float sum[1] = {0};

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
    const struct cu_slot slot = cu_slot_of<N>(t);
    const size_t channels = (size_t)t.vectors * N;

    partial += blockIdx.y * (size_t)t.parts * channels + slot.channel;
    if (slot.real)
#pragma unroll 4
        for (int p = slot.slice; p < t.parts; p += slot.slices)
            sum[0] += partial[(size_t)p * channels];
    cu_add_slices(slot, t.cols * N, sum, &sums);
    if (slot.first)
        dbias[blockIdx.y * stride + slot.channel] = sums.total[0][slot.in_block];
}

template <typename T>
static cudaError_t backward(const struct cu_array *a, const struct cu_shape *s, const T *dy,
                            float *dbias, size_t stride, float *partial)
{
    const size_t rows = cu_rows_of(a, s);
    const int vectors = (int)cu_vectors(a, s->stored);
    struct cu_tile t = cu_tile_columns(rows, vectors, CU_TILE_COLS / 2);
    cudaError_t e;

    if (rows <= (size_t)t.lanes * ALONE_DEPTH)
        return CU_LAUNCH(sums_kernel<T>, cu_tile_grid(&t, a->models), CU_TILE_THREADS, a->stream,
                         a->step, t, dy, dbias, stride);
    t = cu_tile_sums(rows, vectors);
    e = CU_LAUNCH(sums_kernel<T>, cu_tile_grid(&t, a->models), CU_TILE_THREADS, a->stream, a->step,
                  t, dy, partial, (size_t)t.parts * (size_t)s->stored);
    if (e)
        return e;
    return CU_LAUNCH(finish_kernel<cu_vec<T>::n>, dim3((unsigned)t.groups, (unsigned)a->models),
                     CU_TILE_THREADS, a->stream, a->step, t, partial, dbias, stride);
}

int cu_bias(const struct cu_array *a, struct cu_shape s, const float *bias, size_t stride, void *y,
            struct hpo_err *err)
{
    const struct cu_tile t = cu_tile_rows(cu_rows_of(a, &s), (int)cu_vectors(a, s.stored));
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, {
        e = CU_LAUNCH(add_kernel<T>, cu_tile_grid(&t, a->models), CU_TILE_THREADS, a->stream,
                      a->step, t, bias, stride, (T *)y);
    });
    return cu_check(e, "a bias", err);
}

int cu_bias_backward(const struct cu_array *a, struct cu_shape s, const void *dy, float *dbias,
                     size_t stride, void *partial, struct hpo_err *err)
{
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, e = backward(a, &s, (const T *)dy, dbias, stride, (float *)partial));
    return cu_check(e, "the gradient of a bias", err);
}
