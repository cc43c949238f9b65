/* kernels/cpu/vec_body.h - the loops of vec.h over vectors of VEC_LANES floats, included by one
 * file per instruction set that defines VEC_LANES, VEC_TABLE, VEC_NAME and turns the target on.
 *
 * GCC's vector types, not intrinsics: one source for all. A block is BLOCK / VEC_LANES vectors;
 * every function walks one of them at a time ("lane"), so that accumulators stay in registers. */
typedef float vf __attribute__((vector_size(4 * VEC_LANES)));
typedef int32_t vi __attribute__((vector_size(4 * VEC_LANES)));
typedef double vd __attribute__((vector_size(8 * VEC_LANES)));
/* The same in memory, without a promise of alignment. */
typedef float vfu __attribute__((vector_size(4 * VEC_LANES), aligned(4), may_alias));
typedef double vdu __attribute__((vector_size(8 * VEC_LANES), aligned(8), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vf load(const float *p)
{
    return *(const vfu *)p;
}

INLINE void store(float *p, vf v)
{
    *(vfu *)p = v;
}

INLINE vf zero(void)
{
    return (vf){0};
}

/* v where the mask is clear, 0 where it is set. */
INLINE vf clear(vf v, vi mask)
{
    return (vf)((vi)v & ~mask);
}

/* b where the mask is set, else a. */
INLINE vf blend(vf a, vf b, vi mask)
{
    return (vf)(((vi)a & ~mask) | ((vi)b & mask));
}

/* ReLU that lets NaN through, as PyTorch's does, so that a diverged loss shows. */
INLINE vf relu1(vf v)
{
    return clear(v, v <= zero());
}

INLINE void add_double(double *p, vf v)
{
    *(vdu *)p += __builtin_convertvector(v, vd);
}

#include "kernels/cpu/vec_norm.h"

/* ---- element-wise ---- */

/* Whole vectors, then the rest one by one with the same arithmetic. */
#define EACH_VECTOR(n, i, VECTOR, ONE)               \
    do {                                             \
        size_t i = 0;                                \
        for (; i + VEC_LANES <= (n); i += VEC_LANES) \
            VECTOR;                                  \
        for (; i < (n); i++)                         \
            ONE;                                     \
    } while (0)

static void relu(const float *x, float *y, size_t n)
{
    EACH_VECTOR(n, i, store(y + i, relu1(load(x + i))), y[i] = x[i] <= 0 ? 0 : x[i]);
}

static void relu_grad(const float *y, const float *dy, float *dx, size_t n)
{
    EACH_VECTOR(n, i, store(dx + i, clear(load(dy + i), load(y + i) <= zero())),
                dx[i] = y[i] <= 0 ? 0 : dy[i]);
}

static void add(const float *a, const float *b, float *y, bool with_relu, size_t n)
{
    EACH_VECTOR(n, i, store(y + i, load(a + i) + load(b + i)), y[i] = a[i] + b[i]);
    if (with_relu)
        relu(y, y, n);
}

static void accumulate(const float *x, float *y, size_t n)
{
    EACH_VECTOR(n, i, store(y + i, load(y + i) + load(x + i)), y[i] += x[i]);
}

/* What is constant over the loop is copied, so that the compiler can vectorise it. */
static void sgd(const struct kn_optim_step *s, const float *g, float *restrict w,
                float *restrict buf, float *restrict unused HPO_UNUSED, size_t n)
{
    struct kn_optim_step c = *s;

#define LOOP _Pragma("omp simd") for (size_t i = 0; i < n; i++) kn_sgd(&c, g[i], &w[i], &buf[i])
    if (s->momentum == 0.0f) {
        c.momentum = 0.0f;
        LOOP;
    } else if (s->first) {
        c.first = 1;
        LOOP;
    } else if (s->nesterov) {
        c.first = 0;
        c.nesterov = 1;
        LOOP;
    } else {
        c.first = 0;
        c.nesterov = 0;
        LOOP;
    }
#undef LOOP
}

#define TWO_SLOTS(NAME, FORMULA)                                                                   \
    static void NAME(const struct kn_optim_step *s, const float *g, float *restrict w,             \
                     float *restrict a, float *restrict b, size_t n)                               \
    {                                                                                              \
        struct kn_optim_step c = *s;                                                               \
                                                                                                   \
        _Pragma("omp simd") for (size_t i = 0; i < n; i++) FORMULA(&c, g[i], &w[i], &a[i], &b[i]); \
    }
TWO_SLOTS(adamw, kn_adamw)
TWO_SLOTS(adam, kn_adam)
TWO_SLOTS(rmsprop, kn_rmsprop)
#undef TWO_SLOTS

static void lion(const struct kn_optim_step *s, const float *g, float *restrict w,
                 float *restrict m, float *restrict unused HPO_UNUSED, size_t n)
{
    struct kn_optim_step c = *s;

#pragma omp simd
    for (size_t i = 0; i < n; i++)
        kn_lion(&c, g[i], &w[i], &m[i]);
}

/* ---- pooling, dropout ---- */

/* The window at (oy, ox): taps kernel[0] .. kernel[1] of each axis lie inside; at: the first of
 * them. */
struct window {
    int y0, y1, x0, x1;
};

INLINE struct window window_at(const struct cpu_pool_args *a, int oy, int ox)
{
    int y = oy * a->stride - a->pad, x = ox * a->stride - a->pad;

    return (struct window){y < 0 ? 0 : y, y + a->kernel > a->s.h ? a->s.h : y + a->kernel,
                           x < 0 ? 0 : x, x + a->kernel > a->s.w ? a->s.w : x + a->kernel};
}

static void pool(const struct cpu_pool_args *a, int n0, int n1)
{
    int block = a->s.block, w = a->s.w;
    size_t in = (size_t)a->s.h * w * block, out = (size_t)a->oh * a->ow * block;

    for (size_t r = (size_t)n0 * a->s.blocks; r < (size_t)n1 * a->s.blocks; r++)
        for (int lane = 0; lane < block; lane += VEC_LANES)
            for (int oy = 0; oy < a->oh; oy++)
                for (int ox = 0; ox < a->ow; ox++) {
                    struct window k = window_at(a, oy, ox);
                    const float *x = a->x + r * in + lane;
                    vf m = load(x + ((size_t)k.y0 * w + k.x0) * block);
                    vi f;

                    for (int y = k.y0; y < k.y1; y++)
                        for (int i = k.x0; i < k.x1; i++)
                            m = larger(m, load(x + ((size_t)y * w + i) * block), &f);
                    store(a->y + r * out + ((size_t)oy * a->ow + ox) * block + lane, m);
                }
}

static void pool_grad(const struct cpu_pool_args *a, int n0, int n1)
{
    int block = a->s.block, w = a->s.w;
    size_t in = (size_t)a->s.h * w * block, out = (size_t)a->oh * a->ow * block;
    size_t rows = (size_t)(n1 - n0) * a->s.blocks;

    memset(a->dx + (size_t)n0 * a->s.blocks * in, 0, rows * in * sizeof(float));
    for (size_t r = (size_t)n0 * a->s.blocks; r < (size_t)n1 * a->s.blocks; r++)
        for (int lane = 0; lane < block; lane += VEC_LANES)
            for (int oy = 0; oy < a->oh; oy++)
                for (int ox = 0; ox < a->ow; ox++) {
                    struct window k = window_at(a, oy, ox);
                    size_t o = r * out + ((size_t)oy * a->ow + ox) * block + lane;
                    vf m = load(a->y + o), d = load(a->dy + o);
                    vi done = (vi){0};

                    for (int y = k.y0; y < k.y1; y++)
                        for (int x = k.x0; x < k.x1; x++) {
                            size_t i = r * in + ((size_t)y * w + x) * block + lane;
                            vi here = (load(a->x + i) == m) & ~done;

                            store(a->dx + i, load(a->dx + i) + clear(d, ~here));
                            done |= here;
                        }
                }
}

static void gap(const struct cpu_shape *s, const float *x, float *y, int n0, int n1)
{
    size_t pixels = (size_t)s->h * s->w;

    for (size_t r = (size_t)n0 * s->blocks; r < (size_t)n1 * s->blocks; r++)
        for (int lane = 0; lane < s->block; lane += VEC_LANES) {
            vf sum = zero();

            for (size_t i = 0; i < pixels; i++)
                sum += load(x + (r * pixels + i) * s->block + lane);
            store(y + r * s->block + lane, sum / (float)pixels);
        }
}

static void gap_grad(const struct cpu_shape *s, const float *dy, float *dx, int n0, int n1)
{
    size_t pixels = (size_t)s->h * s->w;

    for (size_t r = (size_t)n0 * s->blocks; r < (size_t)n1 * s->blocks; r++)
        for (int lane = 0; lane < s->block; lane += VEC_LANES) {
            vf d = load(dy + r * s->block + lane) / (float)pixels;

            for (size_t i = 0; i < pixels; i++)
                store(dx + (r * pixels + i) * s->block + lane, d);
        }
}

/* The factors of four neighbouring channels of a pixel. */
struct four {
    float at[4];
};

INLINE struct four dropout_factors(const struct cpu_dropout *a, uint32_t threshold, uint32_t quad)
{
    struct kn_u4 h = kn_dropout_words(a->seed, a->fold, a->layer, a->step, quad);
    float scale = 1.0f / (1.0f - a->rate);

    return (struct four){{h.x < threshold ? 0.0f : scale, h.y < threshold ? 0.0f : scale,
                          h.z < threshold ? 0.0f : scale, h.w < threshold ? 0.0f : scale}};
}

static void dropout(const struct cpu_dropout *a, const float *x, float *y, int n0, int n1)
{
    uint32_t threshold = kn_dropout_threshold(a->rate);
    uint32_t quads = ((uint32_t)a->c + 3) / 4, pixels = (uint32_t)a->s.h * (uint32_t)a->s.w;
    int block = a->s.block;

    for (int n = n0; n < n1; n++)
        for (int b = 0; b < a->s.blocks; b++)
            for (uint32_t p = 0; p < pixels; p++)
                for (int q = 0; q < block / 4; q++) {
                    uint32_t quad =
                        ((uint32_t)n * pixels + p) * quads + (uint32_t)(b * block / 4 + q);
                    size_t in = ((size_t)b * pixels + p) * block + 4 * q;
                    size_t row = (size_t)a->s.blocks * pixels * block;
                    const float *from = x + (size_t)(n / a->samples) * row + in;
                    float *to = y + (size_t)n * row + in;
                    struct four f = dropout_factors(a, threshold, quad);

                    for (int i = 0; i < 4; i++)
                        to[i] = f.at[i] == 0.0f ? 0.0f : from[i] * f.at[i];
                }
}

static void dropout_grad(const struct cpu_dropout *a, const float *dy, float *dx, int n0, int n1)
{
    uint32_t threshold = kn_dropout_threshold(a->rate);
    uint32_t quads = ((uint32_t)a->c + 3) / 4, pixels = (uint32_t)a->s.h * (uint32_t)a->s.w;
    size_t row = (size_t)a->s.blocks * pixels * (size_t)a->s.block;
    int block = a->s.block;

    for (int n = n0; n < n1; n++)
        for (int b = 0; b < a->s.blocks; b++)
            for (uint32_t p = 0; p < pixels; p++)
                for (int q = 0; q < block / 4; q++) {
                    size_t in = ((size_t)b * pixels + p) * block + 4 * q;
                    float sum[4] = {0};

                    for (int s = 0; s < a->samples; s++) {
                        uint32_t out = (uint32_t)(n * a->samples + s);
                        uint32_t quad = (out * pixels + p) * quads + (uint32_t)(b * block / 4 + q);
                        struct four f = dropout_factors(a, threshold, quad);

                        for (int i = 0; i < 4; i++)
                            sum[i] += f.at[i] == 0.0f ? 0.0f : dy[out * row + in + i] * f.at[i];
                    }
                    memcpy(dx + (size_t)n * row + in, sum, sizeof(sum));
                }
}

/* ---- activations, factors ---- */

#define ACT_LOOP(KIND, FORMULA)                                     \
    case KIND:                                                      \
        _Pragma("omp simd") for (size_t i = 0; i < n; i++) FORMULA; \
        break

static void act(enum kn_act_kind kind, const float *x, float *y, size_t n)
{
    switch (kind) {
        ACT_LOOP(KN_SILU, y[i] = kn_act(KN_SILU, x[i]));
        ACT_LOOP(KN_HARDSWISH, y[i] = kn_act(KN_HARDSWISH, x[i]));
        ACT_LOOP(KN_HARDSIGMOID, y[i] = kn_act(KN_HARDSIGMOID, x[i]));
        ACT_LOOP(KN_SIGMOID, y[i] = kn_act(KN_SIGMOID, x[i]));
        ACT_LOOP(KN_GELU, y[i] = kn_act(KN_GELU, x[i]));
    default:
        break;
    }
}

static void act_grad(enum kn_act_kind kind, const float *x, const float *dy, float *dx, size_t n)
{
    switch (kind) {
        ACT_LOOP(KN_SILU, dx[i] = dy[i] * kn_act_slope(KN_SILU, x[i]));
        ACT_LOOP(KN_HARDSWISH, dx[i] = dy[i] * kn_act_slope(KN_HARDSWISH, x[i]));
        ACT_LOOP(KN_HARDSIGMOID, dx[i] = dy[i] * kn_act_slope(KN_HARDSIGMOID, x[i]));
        ACT_LOOP(KN_SIGMOID, dx[i] = dy[i] * kn_act_slope(KN_SIGMOID, x[i]));
        ACT_LOOP(KN_GELU, dx[i] = dy[i] * kn_act_slope(KN_GELU, x[i]));
    default:
        break;
    }
}

static void times(const float *x, float factor, float *y, size_t n)
{
    if (factor == 0.0f) { /* dropped, whatever is in it */
        memset(y, 0, n * sizeof(*y));
        return;
    }
    EACH_VECTOR(n, i, store(y + i, load(x + i) * factor), y[i] = x[i] * factor);
}

static void scale(const struct cpu_shape *shape, const float *x, const float *s, float *y, int n0,
                  int n1)
{
    size_t pixels = (size_t)shape->h * shape->w, block = (size_t)shape->block;

    for (size_t r = (size_t)n0 * shape->blocks; r < (size_t)n1 * shape->blocks; r++)
        for (size_t lane = 0; lane < block; lane += VEC_LANES) {
            vf factor = load(s + r * block + lane);

            for (size_t i = 0; i < pixels; i++) {
                size_t at = (r * pixels + i) * block + lane;

                store(y + at, load(x + at) * factor);
            }
        }
}

static void scale_grad(const struct cpu_shape *shape, const float *x, const float *dy, float *ds,
                       int n0, int n1)
{
    size_t pixels = (size_t)shape->h * shape->w, block = (size_t)shape->block;

    for (size_t r = (size_t)n0 * shape->blocks; r < (size_t)n1 * shape->blocks; r++)
        for (size_t lane = 0; lane < block; lane += VEC_LANES) {
            vf sum = zero();

            for (size_t i = 0; i < pixels; i++) {
                size_t at = (r * pixels + i) * block + lane;

                sum += load(x + at) * load(dy + at);
            }
            store(ds + r * block + lane, sum);
        }
}

const struct cpu_vec VEC_TABLE = {
    .name = VEC_NAME,
    .norm_sums = norm_sums,
    .norm_apply = norm_apply,
    .norm_grad_sums = norm_grad_sums,
    .norm_grad = norm_grad,
    .relu = relu,
    .relu_grad = relu_grad,
    .add = add,
    .accumulate = accumulate,
    .optim = {[KN_SGD] = sgd,
              [KN_ADAMW] = adamw,
              [KN_ADAM] = adam,
              [KN_RMSPROP] = rmsprop,
              [KN_LION] = lion,
              [KN_MUON] = adamw},
    .pool = pool,
    .pool_grad = pool_grad,
    .gap = gap,
    .gap_grad = gap_grad,
    .dropout = dropout,
    .dropout_grad = dropout_grad,
    .act = act,
    .act_grad = act_grad,
    .times = times,
    .scale = scale,
    .scale_grad = scale_grad,
};
