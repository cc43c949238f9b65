/* tests/kernels/cuda/ops_ref_rest.h - plain loops that say what pooling, flattening, ... compute, a
 * model at a time, in fp32 over (n, h, w, stored); and numbers of 16 bits. */
#ifndef HPO_TESTS_KERNELS_CUDA_OPS_REF_REST_H
#define HPO_TESTS_KERNELS_CUDA_OPS_REF_REST_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/cuda/ops.h"

/* ---- numbers of 16 bits: to nearest, ties to even ---- */

static inline uint16_t ref_to_bf16(float v)
{
    uint32_t b;

    memcpy(&b, &v, sizeof(b));
    return isnan(v) ? 0x7fff : (uint16_t)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

static inline uint16_t ref_to_f16(float v)
{
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    float a = fabsf(v), m;
    int e;

    if (isnan(v))
        return 0x7fff;
    m = frexpf(a, &e); /* a = m 2^e, m in [1/2, 1) */
    if (a == 0 || e < -24)
        return sign;
    if (e < -13) /* subnormal: a multiple of 2^-24 */
        return (uint16_t)(sign + (uint16_t)rintf(a * 0x1p24f));
    if (a >= 65520)
        return sign | 0x7c00;
    return (uint16_t)(sign + ((e + 14) << 10) + ((int)rintf(m * 2048) - 1024));
}

static inline float ref_from_f16(uint16_t h)
{
    int e = h >> 10 & 31, m = h & 1023;
    float a = e == 31 ? (m ? NAN : INFINITY)
              : e     ? ldexpf((float)(m + 1024), e - 25)
                      : ldexpf((float)m, -24);

    return h & 0x8000 ? -a : a;
}

static inline float ref_get(enum cu_type t, const void *p, size_t i)
{
    uint32_t b;
    float v;

    if (t == CU_F32)
        return ((const float *)p)[i];
    if (t == CU_F16)
        return ref_from_f16(((const uint16_t *)p)[i]);
    b = (uint32_t)((const uint16_t *)p)[i] << 16;
    memcpy(&v, &b, sizeof(v));
    return v;
}

static inline void ref_put(enum cu_type t, void *p, size_t i, float v)
{
    if (t == CU_F32)
        ((float *)p)[i] = v;
    else
        ((uint16_t *)p)[i] = t == CU_F16 ? ref_to_f16(v) : ref_to_bf16(v);
}

static inline float ref_round(enum cu_type t, float v)
{
    uint16_t b[2];

    ref_put(t, b, 0, v);
    return t == CU_F32 ? v : ref_get(t, b, 0);
}

/* ---- tensors ---- */

static inline size_t ref_at(const struct cu_shape *s, int n, int y, int x, int c)
{
    return (((size_t)n * s->h + y) * s->w + x) * s->stored + c;
}

#define REF_EACH(s, rows, n, y, x, c)        \
    for (int n = 0; n < (rows); n++)         \
        for (int y = 0; y < (s)->h; y++)     \
            for (int x = 0; x < (s)->w; x++) \
                for (int c = 0; c < (s)->stored; c++)

/* A pool's windows. */
struct ref_window {
    int kernel, stride, pad;
};

/* Where channel c of the window of pixel (oy, ox) has its first maximum in x; nan: it has a NaN. */
static inline size_t ref_first(const struct cu_shape *in, const struct ref_window *k,
                               const float *x, int n, int oy, int ox, int c, bool *ret_nan)
{
    size_t best = SIZE_MAX;

    *ret_nan = false;
    for (int i = 0; i < k->kernel * k->kernel; i++) {
        int y = oy * k->stride - k->pad + i / k->kernel,
            px = ox * k->stride - k->pad + i % k->kernel;
        size_t at;

        if (y < 0 || y >= in->h || px < 0 || px >= in->w)
            continue;
        at = ref_at(in, n, y, px, c);
        *ret_nan |= isnan(x[at]);
        if (best == SIZE_MAX || x[at] > x[best])
            best = at;
    }
    return best;
}

static inline void ref_pool(int rows, const struct cu_shape *in, const struct cu_shape *out,
                            const struct ref_window *k, const float *x, float *y)
{
    REF_EACH(out, rows, n, oy, ox, c)
    {
        bool nan;
        size_t i = ref_first(in, k, x, n, oy, ox, c, &nan);

        y[ref_at(out, n, oy, ox, c)] = nan ? NAN : x[i];
    }
}

/* dx of before is kept, sums are added to it at the end. */
static inline void ref_unpool(int rows, const struct cu_shape *in, const struct cu_shape *out,
                              const struct ref_window *k, const float *x, const float *dy, bool add,
                              float *dx)
{
    size_t count = (size_t)rows * in->h * in->w * in->stored;
    float *sum = calloc(count, sizeof(*sum));

    REF_EACH(out, rows, n, oy, ox, c)
    {
        bool nan;
        size_t i = ref_first(in, k, x, n, oy, ox, c, &nan);

        if (!nan)
            sum[i] += dy[ref_at(out, n, oy, ox, c)];
    }
    for (size_t i = 0; i < count; i++)
        dx[i] = (add ? dx[i] : 0) + sum[i];
    free(sum);
}

static inline void ref_average(int rows, const struct cu_shape *in, const float *x, float *y)
{
    for (int n = 0; n < rows; n++)
        for (int c = 0; c < in->stored; c++) {
            double sum = 0;

            for (int i = 0; i < in->h * in->w; i++)
                sum += (double)x[ref_at(in, n, 0, i, c)];
            y[(size_t)n * in->stored + c] = (float)(sum / (in->h * in->w));
        }
}

static inline void ref_spread(int rows, const struct cu_shape *in, const float *dy, bool add,
                              float *dx)
{
    REF_EACH(in, rows, n, y, x, c)
    {
        float *to = &dx[ref_at(in, n, y, x, c)];

        *to = (add ? *to : 0) + dy[(size_t)n * in->stored + c] / (float)(in->h * in->w);
    }
}

/* row: elements of a flattened image as stored. */
static inline void ref_flatten(int rows, const struct cu_shape *in, int row, const float *x,
                               float *y)
{
    memset(y, 0, sizeof(*y) * (size_t)rows * row);
    REF_EACH(in, rows, n, py, px, c)
    if (c < in->c)
        y[(size_t)n * row + ((size_t)c * in->h + py) * in->w + px] = x[ref_at(in, n, py, px, c)];
}

static inline void ref_unflatten(int rows, const struct cu_shape *in, int row, const float *dy,
                                 bool add, float *dx)
{
    REF_EACH(in, rows, n, y, x, c)
    {
        float *to = &dx[ref_at(in, n, y, x, c)];

        *to = (add ? *to : 0) +
              (c < in->c ? dy[(size_t)n * row + ((size_t)c * in->h + y) * in->w + x] : 0);
    }
}

#endif
