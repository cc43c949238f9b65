/* samplers/math/parzen_vec_body.h - the loops of parzen_vec.h, included by one file per instruction
 * set that defines VEC_BYTES (of its vectors), VEC_TABLE, VEC_NAME and turns the target on. GCC's
 * vector types, not intrinsics: one source for all. */
#include <math.h>
#include <string.h>

#include "samplers/math/parzen_vec.h"

#define D (VEC_BYTES / 8)
#define F (VEC_BYTES / 4)
#define LANES 8 /* of sums in double precision, whatever D is */

typedef double vd __attribute__((vector_size(VEC_BYTES)));
typedef int64_t vl __attribute__((vector_size(VEC_BYTES)));
typedef float vf __attribute__((vector_size(VEC_BYTES)));
typedef int32_t vi __attribute__((vector_size(VEC_BYTES)));
typedef uint64_t vul __attribute__((vector_size(VEC_BYTES)));
typedef uint32_t vui __attribute__((vector_size(VEC_BYTES)));
typedef float vh __attribute__((vector_size(4 * D))); /* half of a vf */
/* The same in memory, without a promise of alignment. */
typedef double vdu __attribute__((vector_size(VEC_BYTES), aligned(8), may_alias));
typedef float vfu __attribute__((vector_size(VEC_BYTES), aligned(4), may_alias));
typedef float vhu __attribute__((vector_size(4 * D), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define AT(type, p) (*(const type *)(p))

INLINE vd larger(vd a, vd b)
{
    vl m = a > b;

    return (vd)(((vl)a & m) | ((vl)b & ~m));
}

/* Cody and Waite: x = k ln(2) + r, and the series of exp(r) up to r^12, whose rest is below 2e-16
 * for |r| <= ln(2) / 2. Adding 1.5 * 2^52 rounds to an integer, and leaves it in the low bits. */
INLINE vd exp_vector(vd x)
{
    const double shift = 0x1.8p52;
    vd t, k, r, y;

    x = larger(x, (vd){} - 708.0);
    t = x * 0x1.71547652b82fep0 + shift;
    k = t - shift;
    r = (x - k * 0x1.62e42fefa3800p-1) - k * 0x1.ef35793c76730p-45;
    y = r * (1.0 / 479001600) + 1.0 / 39916800;
    y = y * r + 1.0 / 3628800;
    y = y * r + 1.0 / 362880;
    y = y * r + 1.0 / 40320;
    y = y * r + 1.0 / 5040;
    y = y * r + 1.0 / 720;
    y = y * r + 1.0 / 120;
    y = y * r + 1.0 / 24;
    y = y * r + 1.0 / 6;
    y = y * r + 0.5;
    y = y * r + 1.0;
    y = y * r + 1.0;
    return (vd)((vul)y + ((vul)t << 52));
}

static void exps(const double *x, double *ret, int n)
{
    for (int i = 0; i < n; i += D)
        *(vdu *)(ret + i) = exp_vector(AT(vdu, x + i));
}

/* 1 + He2(z) h^2 / 3! + He4(z) h^4 / 5! + ...: the mass of a cell of width 2 h around z, over
 * density times width. With h <= 1/16 the rest is below 1e-10 wherever the density is not 0. */
INLINE vd cell_factor(vd z2, vd h2)
{
    vd before = (vd){} + 1.0, he = z2 - 1.0, power = h2, sum = he * h2 * (1.0 / 6) + 1.0;
    double factorial = 6;

    for (int k = 1; k < 7; k++) {
        vd next = (z2 - (4.0 * k + 1)) * he - before * (2.0 * k * (2 * k - 1));

        before = he;
        he = next;
        power *= h2;
        factorial *= (2.0 * k + 2) * (2 * k + 3);
        sum += he * power / factorial;
    }
    return sum;
}

INLINE vd gather(const double *row, const int32_t *g)
{
    vd v = {0};

    for (int k = 0; k < D; k++)
        v[k] = row[g[k]];
    return v;
}

/* Exponents and, when there are narrow cells, factors; returns the largest exponent. */
static double exponents(const struct parzen_point *p, double *acc, double *factor)
{
    vd max = (vd){} - HUGE_VAL;
    double ret = -HUGE_VAL;

    for (int i = 0; i < p->n; i += D) {
        vd a = AT(vdu, p->constant + i), f = (vd){} + 1.0;

        for (int j = 0; j < p->n_normals; j++) {
            const struct parzen_normal *m = &p->normals[j];
            vd z = (m->x - AT(vdu, m->mu + i)) * AT(vdu, m->inv + i);

            a -= z * z;
        }
        for (int j = 0; j < p->n_lookups; j++)
            a += gather(p->lookups[j].row, p->lookups[j].group + i);
        for (int j = 0; j < p->n_cells; j++) {
            const struct parzen_cell *c = &p->cells[j];
            vd inv = AT(vdu, c->inv + i), z = (c->x - AT(vdu, c->mu + i)) * inv;
            vd h = inv * (M_SQRT2 / 2 * c->width);

            a -= z * z + AT(vdu, c->norm + i);
            f *= cell_factor(2.0 * z * z, h * h);
        }
        if (p->n_cells)
            *(vdu *)(factor + i) = f;
        *(vdu *)(acc + i) = a;
        max = larger(max, a);
    }
    for (int k = 0; k < D; k++)
        ret = max[k] > ret ? max[k] : ret;
    return ret;
}

static double log_sum(const struct parzen_point *p, double *scratch)
{
    double *acc = scratch, *factor = scratch + p->n;
    double max = exponents(p, acc, factor);
    vd sum[LANES / D] = {0};
    double lane[LANES];

    for (int i = 0; i < p->n; i += LANES)
        for (int k = 0; k < LANES / D; k++) {
            int at = i + k * D;
            vd e = exp_vector(AT(vdu, acc + at) - max) * AT(vdu, p->weight + at);

            sum[k] += p->n_cells ? e * AT(vdu, factor + at) : e;
        }
    memcpy(lane, sum, sizeof(lane));
    return max + log(((lane[0] + lane[1]) + (lane[2] + lane[3])) +
                     ((lane[4] + lane[5]) + (lane[6] + lane[7])));
}

/* ---- single precision ----
 *
 * Only a bound of the error is promised, so here multiplications and additions may be fused. */
#ifdef __clang__
#pragma clang fp contract(fast)
#else
#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast")
#endif

/* 2^x to 3e-6: the series up to the fifth power. 0 below -110, so that weights do not lead to
 * denormal numbers, which are slow. */
INLINE vf exp2_vector(vf x)
{
    const float shift = 0x1.8p23f;
    vf t = x + shift, f = x - (t - shift), y;

    y = f * 1.3333558e-3f + 9.6181291e-3f;
    y = y * f + 5.5504109e-2f;
    y = y * f + 2.4022651e-1f;
    y = y * f + 6.9314718e-1f;
    y = y * f + 1.0f;
    return (vf)(((vui)y + ((vui)t << 23)) & (vui)(x > -110.0f));
}

/* Four points at a time, so that what is loaded of a kernel serves all of them. */
static void sweep4(const struct parzen_sweep *s, int p, int from, int to, const float *extra,
                   float *sums)
{
    const float *x0 = s->x + p;
    vf s0 = AT(vfu, sums), s1 = AT(vfu, sums + PARZEN_LANES);
    vf s2 = AT(vfu, sums + 2 * PARZEN_LANES), s3 = AT(vfu, sums + 3 * PARZEN_LANES);

    for (int i = from; i < to; i += F) {
        vf a0 = AT(vfu, s->constant + i), a1 = a0, a2 = a0, a3 = a0;
        vf w = AT(vfu, s->weight + i);

        if (extra) {
            const float *e = extra + (i - from);

            a0 += AT(vfu, e) * (float)M_LOG2E;
            a1 += AT(vfu, e + PARZEN_BLOCK) * (float)M_LOG2E;
            a2 += AT(vfu, e + 2 * PARZEN_BLOCK) * (float)M_LOG2E;
            a3 += AT(vfu, e + 3 * PARZEN_BLOCK) * (float)M_LOG2E;
        }
        for (int j = 0; j < s->n_normals; j++) {
            vf mu = AT(vfu, s->mu[j] + i), inv = AT(vfu, s->inv[j] + i);
            const float *x = x0 + (size_t)j * (size_t)s->n_points;
            vf z0 = x[0] * inv - mu, z1 = x[1] * inv - mu;
            vf z2 = x[2] * inv - mu, z3 = x[3] * inv - mu;

            a0 -= z0 * z0;
            a1 -= z1 * z1;
            a2 -= z2 * z2;
            a3 -= z3 * z3;
        }
        s0 += exp2_vector(a0) * w;
        s1 += exp2_vector(a1) * w;
        s2 += exp2_vector(a2) * w;
        s3 += exp2_vector(a3) * w;
    }
    *(vfu *)sums = s0;
    *(vfu *)(sums + PARZEN_LANES) = s1;
    *(vfu *)(sums + 2 * PARZEN_LANES) = s2;
    *(vfu *)(sums + 3 * PARZEN_LANES) = s3;
}

static void sweep(const struct parzen_sweep *s, int from, int to, const float *extra, float *sums)
{
    for (int p = 0; p < s->n_points; p += 4)
        sweep4(s, p, from, to, extra ? extra + (size_t)p * PARZEN_BLOCK : NULL,
               sums + PARZEN_LANES * p);
}

/* Weights and constants in single precision, the constants less `max`, in powers of 2 from `top`.
 */
static void to_float(const double *weight, const double *constant, double max, double top, int n,
                     float *ret_weight, float *ret_constant)
{
    for (int i = 0; i < n; i += D) {
        vd c = (AT(vdu, constant + i) - max) * M_LOG2E + top;

        *(vhu *)(ret_weight + i) = __builtin_convertvector(AT(vdu, weight + i), vh);
        *(vhu *)(ret_constant + i) = __builtin_convertvector(c, vh);
    }
}

static void extra_lookup(const struct parzen_lookup *l, int from, int to, float *extra)
{
    for (int i = from; i < to; i++)
        extra[i - from] += (float)l->row[l->group[i]];
}

/* The logarithm of the factor above, up to the fourth power of the width. */
static void extra_cell(const struct parzen_cell *c, int from, int to, float *extra)
{
    for (int i = from; i < to; i += D) {
        vd inv = AT(vdu, c->inv + i), z = (c->x - AT(vdu, c->mu + i)) * inv, zz = z * z * 2.0;
        vd w = inv * (M_SQRT2 * c->width), ww = w * w;
        vd a = (zz - 1.0) * ww * (1.0 / 24) - z * z - AT(vdu, c->norm + i) -
               (zz * zz + 8.0 * zz - 2.0) * ww * ww * (1.0 / 2880);

        *(vhu *)(extra + (i - from)) += __builtin_convertvector(a, vh);
    }
}

#ifdef __clang__
#pragma clang fp contract(off)
#else
#pragma GCC pop_options
#endif

static double highest(const double *x, int n)
{
    vd max = AT(vdu, x);
    double ret = -HUGE_VAL;

    for (int i = D; i < n; i += D)
        max = larger(max, AT(vdu, x + i));
    for (int k = 0; k < D; k++)
        ret = max[k] > ret ? max[k] : ret;
    return ret;
}

const struct parzen_vec VEC_TABLE = {VEC_NAME, exps,  log_sum,      highest,
                                     to_float, sweep, extra_lookup, extra_cell};
