/* Element by element: ReLU, sums, and their gradients. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/norm.h"

#define EACH 2 /* vectors of a thread, loaded together */

enum map_kind { RELU, ADD, ADD_RELU, PASS, CUT, TIMES };

/* z = or += a map of x and x2 (which of them are read depends on the map); z may be either of them.
 * n: vectors of a model. */
template <typename T, enum map_kind MAP, bool MORE>
static __global__ void __launch_bounds__(CU_THREADS)
    map_kernel(const struct cu_step *step, size_t n, const T *x, const T *x2, float factor, T *z)
{
    constexpr int N = cu_vec<T>::n;
    constexpr bool one = MAP == RELU || MAP == PASS || MAP == TIMES;
    const size_t first = (size_t)blockIdx.x * (CU_THREADS * EACH) + threadIdx.x;
    cu_bits a[EACH], b[EACH], c[EACH];

    if (cu_sits_out(step, (int)blockIdx.y))
        return;
#pragma unroll
    for (int u = 0; u < EACH; u++) {
        const size_t i = first + (size_t)u * CU_THREADS, at = (blockIdx.y * n + i) * N;

        a[u] = cu_fetch(i < n, x + at);
        b[u] = cu_fetch(!one && i < n, (one ? x : x2) + at);
        c[u] = cu_fetch(MORE && i < n, z + at);
    }
#pragma unroll
    for (int u = 0; u < EACH; u++) {
        const size_t i = first + (size_t)u * CU_THREADS, at = (blockIdx.y * n + i) * N;
        float v[N], w[N], was[N];

        if (i >= n)
            return;
        cu_unpack<T>(a[u], v);
        cu_unpack<T>(b[u], w);
        cu_unpack<T>(c[u], was);
#pragma unroll
        for (int k = 0; k < N; k++) {
            if (MAP == CUT)
                v[k] = cu_cut(w[k], v[k]);
            if (MAP == ADD || MAP == ADD_RELU)
                v[k] += w[k];
            if (MAP == RELU || MAP == ADD_RELU)
                v[k] = cu_positive(v[k]);
            if (MAP == TIMES)
                v[k] *= factor;
            if (MORE)
                v[k] += was[k];
        }
        cu_put_bits(z + at, cu_pack<T>(v));
    }
}

template <enum map_kind MAP, bool MORE>
static int map(const struct cu_array *a, const void *x, const void *x2, void *z, size_t count,
               const char *what, struct hpo_err *err, float factor = 1)
{
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T, {
        const size_t n = count / cu_vec<T>::n;

        e = n == 0 ? cudaSuccess
                   : CU_LAUNCH((map_kernel<T, MAP, MORE>),
                               cu_grid(n, (size_t)CU_THREADS * EACH, a->models), CU_THREADS,
                               a->stream, a->step, n, (const T *)x, (const T *)x2, factor, (T *)z);
    });
    return cu_check(e, what, err);
}

int cu_relu(const struct cu_array *a, const void *x, void *y, size_t count, struct hpo_err *err)
{
    return map<RELU, false>(a, x, NULL, y, count, "ReLU", err);
}

int cu_multiply(const struct cu_array *a, const void *x, float factor, void *y, bool add,
                size_t count, struct hpo_err *err)
{
    return add ? map<TIMES, true>(a, x, NULL, y, count, "a factor", err, factor)
               : map<TIMES, false>(a, x, NULL, y, count, "a factor", err, factor);
}

int cu_add(const struct cu_array *a, const void *x, const void *x2, void *y, bool relu,
           size_t count, struct hpo_err *err)
{
    return relu ? map<ADD_RELU, false>(a, x, x2, y, count, "a sum", err)
                : map<ADD, false>(a, x, x2, y, count, "a sum", err);
}

int cu_pass(const struct cu_array *a, const void *y, const void *dy, void *dx, bool relu, bool add,
            size_t count, struct hpo_err *err)
{
    static const char what[] = "the gradient of a sum";

    if (relu)
        return add ? map<CUT, true>(a, dy, y, dx, count, what, err)
                   : map<CUT, false>(a, dy, y, dx, count, what, err);
    return add ? map<PASS, true>(a, dy, NULL, dx, count, what, err)
               : map<PASS, false>(a, dy, NULL, dx, count, what, err);
}

int cu_relu_backward(const struct cu_array *a, const void *y, const void *dy, void *dx, bool add,
                     size_t count, struct hpo_err *err)
{
    static const char what[] = "the gradient of ReLU";

    return add ? map<CUT, true>(a, dy, y, dx, count, what, err)
               : map<CUT, false>(a, dy, y, dx, count, what, err);
}
