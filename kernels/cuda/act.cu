/* Activations (kernels/math/act.h) and their gradients, element by element. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.h"

#define EACH 2 /* vectors of a thread, loaded together */

/* Where 0 is not mapped to 0, channels beyond the network's must be kept at it. */
template <typename T, enum kn_act_kind KIND>
static __global__ void __launch_bounds__(CU_THREADS)
    act_kernel(const struct cu_step *step, size_t n, unsigned vectors, int channels, const T *x,
               T *y)
{
    constexpr int N = cu_vec<T>::n;
    constexpr bool clears = KIND == KN_SIGMOID || KIND == KN_HARDSIGMOID;
    const size_t first = (size_t)blockIdx.x * (CU_THREADS * EACH) + threadIdx.x;
    cu_bits bits[EACH];

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
#pragma unroll
    for (int u = 0; u < EACH; u++) {
        const size_t i = first + (size_t)u * CU_THREADS;

        bits[u] = cu_fetch(i < n, x + (blockIdx.y * n + i) * N);
    }
#pragma unroll
    for (int u = 0; u < EACH; u++) {
        const size_t i = first + (size_t)u * CU_THREADS;
        const int c = clears ? (int)(i % vectors) * N : 0;
        float v[N];

        if (i >= n)
            return;
        cu_unpack<T>(bits[u], v);
#pragma unroll
        for (int k = 0; k < N; k++)
            v[k] = clears && c + k >= channels ? 0.0f : kn_act(KIND, v[k]);
        cu_put_bits(y + (blockIdx.y * n + i) * N, cu_pack<T>(v));
    }
}

/* dx may be dy. */
template <typename T, enum kn_act_kind KIND>
static __global__ void __launch_bounds__(CU_THREADS)
    slope_kernel(const struct cu_step *step, size_t n, const T *x, const T *dy, T *dx, bool add)
{
    constexpr int N = cu_vec<T>::n;
    const size_t first = (size_t)blockIdx.x * (CU_THREADS * EACH) + threadIdx.x;
    cu_bits a[EACH], b[EACH], c[EACH];

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
#pragma unroll
    for (int u = 0; u < EACH; u++) {
        const size_t i = first + (size_t)u * CU_THREADS, at = (blockIdx.y * n + i) * N;

        a[u] = cu_fetch(i < n, x + at);
        b[u] = cu_fetch(i < n, dy + at);
        c[u] = cu_fetch(add && i < n, dx + at);
    }
#pragma unroll
    for (int u = 0; u < EACH; u++) {
        const size_t i = first + (size_t)u * CU_THREADS;
        float v[N], d[N], was[N];

        if (i >= n)
            return;
        cu_unpack<T>(a[u], v);
        cu_unpack<T>(b[u], d);
        cu_unpack<T>(c[u], was);
#pragma unroll
        for (int k = 0; k < N; k++)
            v[k] = d[k] * kn_act_slope(KIND, v[k]) + was[k];
        cu_put_bits(dx + (blockIdx.y * n + i) * N, cu_pack<T>(v));
    }
}

template <typename T> struct kernels {
    void (*act)(const struct cu_step *, size_t, unsigned, int, const T *, T *);
    void (*slope)(const struct cu_step *, size_t, const T *, const T *, T *, bool);
};

template <typename T> static struct kernels<T> kernels_of(enum kn_act_kind kind) {
    switch (kind) {
    case KN_SILU:
        return {act_kernel<T, KN_SILU>, slope_kernel<T, KN_SILU>};
    case KN_HARDSWISH:
        return {act_kernel<T, KN_HARDSWISH>, slope_kernel<T, KN_HARDSWISH>};
    case KN_HARDSIGMOID:
        return {act_kernel<T, KN_HARDSIGMOID>, slope_kernel<T, KN_HARDSIGMOID>};
    case KN_SIGMOID:
        return {act_kernel<T, KN_SIGMOID>, slope_kernel<T, KN_SIGMOID>};
    default:
        return {act_kernel<T, KN_GELU>, slope_kernel<T, KN_GELU>};
    }
}

static size_t
vectors_of(const struct cu_array *a, const struct cu_shape *s)
{
    return (size_t)a->rows * s->h * s->w * cu_vectors(a, s->stored);
}

int cu_act(const struct cu_array *a, struct cu_shape s, enum kn_act_kind kind, const void *x,
           void *y, struct hpo_err *err)
{
    const size_t n = vectors_of(a, &s);
    const dim3 grid = cu_grid(n, (size_t)CU_THREADS * EACH, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, {
        const struct kernels<T> k = kernels_of<T>(kind);

        e = CU_LAUNCH(k.act, grid, CU_THREADS, a->stream, a->step, n, cu_vectors(a, s.stored), s.c,
                      (const T *)x, (T *)y);
    });
    return cu_check(e, "an activation", err);
}

int cu_act_backward(const struct cu_array *a, struct cu_shape s, enum kn_act_kind kind,
                    const void *x, const void *dy, void *dx, bool add, struct hpo_err *err)
{
    const size_t n = vectors_of(a, &s);
    const dim3 grid = cu_grid(n, (size_t)CU_THREADS * EACH, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, {
        const struct kernels<T> k = kernels_of<T>(kind);

        e = CU_LAUNCH(k.slope, grid, CU_THREADS, a->stream, a->step, n, (const T *)x, (const T *)dy,
                      (T *)dx, add);
    });
    return cu_check(e, "the gradient of an activation", err);
}
