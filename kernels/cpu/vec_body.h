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
#define EACH_VECTOR(n, i, VECTOR, ONE)                                                             \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + VEC_LANES <= (n); i += VEC_LANES)                                               \
            VECTOR;                                                                                \
        for (; i < (n); i++)                                                                       \
            ONE;                                                                                   \
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
                float *restrict buf, size_t n)
{
    struct kn_optim_step c = *s;

#define LOOP                                                                                       \
    _Pragma("omp simd") for (size_t i = 0; i < n; i++) kn_sgd(&c, g[i], &w[i], &buf[i])
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

static void adamw(const struct kn_optim_step *s, const float *g, float *restrict w,
                  float *restrict m, float *restrict v, size_t n)
{
    struct kn_optim_step c = *s;

#pragma omp simd
    for (size_t i = 0; i < n; i++)
        kn_adamw(&c, g[i], &w[i], &m[i], &v[i]);
}

/* ---- pooling, dropout ---- */

static void pool(const struct cpu_pool_args *a, int n0, int n1)
{
    int block = a->s.block, w = a->s.w;
    size_t in = (size_t)a->s.h * w * block, out = (size_t)a->oh * a->ow * block;

    for (size_t r = (size_t)n0 * a->s.blocks; r < (size_t)n1 * a->s.blocks; r++)
        for (int lane = 0; lane < block; lane += VEC_LANES)
            for (int oy = 0; oy < a->oh; oy++)
                for (int ox = 0; ox < a->ow; ox++) {
                    const float *x = a->x + r * in + lane +
                                     ((size_t)oy * a->stride * w + (size_t)ox * a->stride) * block;
                    vf m = load(x);
                    vi f;

                    for (int ky = 0; ky < a->kernel; ky++)
                        for (int kx = 0; kx < a->kernel; kx++)
                            m = larger(m, load(x + ((size_t)ky * w + kx) * block), &f);
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
                    size_t at = r * in + lane +
                                ((size_t)oy * a->stride * w + (size_t)ox * a->stride) * block;
                    size_t o = r * out + ((size_t)oy * a->ow + ox) * block + lane;
                    vf m = load(a->y + o), d = load(a->dy + o);
                    vi done = (vi){0};

                    for (int ky = 0; ky < a->kernel; ky++)
                        for (int kx = 0; kx < a->kernel; kx++) {
                            size_t i = at + ((size_t)ky * w + kx) * block;
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

static void dropout(const struct cpu_dropout *a, const float *x, float *y, int n0, int n1)
{
    uint32_t threshold = kn_dropout_threshold(a->rate);
    uint32_t quads = ((uint32_t)a->c + 3) / 4, pixels = (uint32_t)a->s.h * (uint32_t)a->s.w;
    float scale = 1.0f / (1.0f - a->rate);
    int block = a->s.block;

    for (int n = n0; n < n1; n++)
        for (int b = 0; b < a->s.blocks; b++)
            for (uint32_t p = 0; p < pixels; p++)
                for (int q = 0; q < block / 4; q++) {
                    uint32_t quad = ((uint32_t)n * pixels + p) * quads + (uint32_t)(b * block / 4 + q);
                    size_t at = (((size_t)n * a->s.blocks + b) * pixels + p) * block + 4 * q;
                    struct kn_u4 h;

                    h = kn_dropout_words(a->seed, a->fold, a->layer, a->step, quad);
                    y[at + 0] = h.x < threshold ? 0.0f : x[at + 0] * scale;
                    y[at + 1] = h.y < threshold ? 0.0f : x[at + 1] * scale;
                    y[at + 2] = h.z < threshold ? 0.0f : x[at + 2] * scale;
                    y[at + 3] = h.w < threshold ? 0.0f : x[at + 3] * scale;
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
    .sgd = sgd,
    .adamw = adamw,
    .pool = pool,
    .pool_grad = pool_grad,
    .gap = gap,
    .gap_grad = gap_grad,
    .dropout = dropout,
};
