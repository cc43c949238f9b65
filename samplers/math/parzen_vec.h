/* samplers/math/parzen_vec.h - the loops over all kernels of a density, compiled once per
 * instruction set and picked at run time.
 *
 * A kernel's logarithm at a point is its constant, less ((x - mu) * inv)^2 for every normal, plus
 * what a table or a narrow cell gives. Sums in double precision have eight parts, however
 * wide the machine's vectors are, and no multiplication is fused with an addition: the answer has
 * the same bits everywhere. */
#ifndef SAMPLERS_MATH_PARZEN_VEC_H
#define SAMPLERS_MATH_PARZEN_VEC_H

#include <stdbool.h>
#include <stdint.h>

#define PARZEN_LANES 16  /* kernels are padded to a multiple */
#define PARZEN_BLOCK 128 /* kernels whose `extra` is kept at a time */

struct parzen_normal {
    const double *mu, *inv; /* inv: 1 / (sigma sqrt(2)) */
    double x;
};

struct parzen_lookup {
    const int32_t *group;
    const double *row; /* per group */
};

/* A cell much narrower than the kernels: its mass is the density in its middle times a correction,
 * times its width, which is left to the caller. */
struct parzen_cell {
    const double *mu, *inv, *norm;
    double x, width;
};

/* One point. */
struct parzen_point {
    int n;                           /* kernels, padded */
    const double *constant, *weight; /* a padded kernel weighs 0 */
    int n_normals, n_lookups, n_cells;
    const struct parzen_normal *normals;
    const struct parzen_lookup *lookups;
    const struct parzen_cell *cells;
};

/* Many points over the same normals, in single precision. Exponents are of 2. */
struct parzen_sweep {
    const float *constant, *weight;
    int n_normals;
    const float *const *mu, *const *inv; /* per normal: z = x inv - mu */
    int n_points;                        /* a multiple of 4 */
    const float *x;                      /* n_points of the first normal, of the second ... */
};

struct parzen_vec {
    const char *name;

    /* ret[i] = exp(x[i]), x at most 700, n a multiple of 8; off by less than 2 DBL_EPSILON of it.
     * Below -708 it stays at exp(-708). What log_sum uses; here for its test. */
    void (*exps)(const double *x, double *ret, int n);

    /* log of the sum of weight * exp(...). scratch: 2 n doubles. */
    double (*log_sum)(const struct parzen_point *p, double *scratch);

    double (*highest)(const double *x, int n); /* n a multiple of 8, at least that */
    /* Weights, and constants less `max` as exponents of 2 from `top` down. n: a multiple of 8 */
    void (*to_float)(const double *weight, const double *constant, double max, double top, int n,
                     float *ret_weight, float *ret_constant);

    /* Add what the kernels from .. to, multiples of PARZEN_LANES, give point i to the sum of
     * sums[PARZEN_LANES i ...]. extra: NULL, or PARZEN_BLOCK for each point, of the kernels from
     * `from` on, in natural logarithms. */
    void (*sweep)(const struct parzen_sweep *s, int from, int to, const float *extra, float *sums);

    /* Add a table, or a narrow cell, to the extra of one point and of the kernels from .. to. */
    void (*extra_lookup)(const struct parzen_lookup *l, int from, int to, float *extra);
    void (*extra_cell)(const struct parzen_cell *c, int from, int to, float *extra);
};

/* The best one for this CPU. */
const struct parzen_vec *parzen_vec_pick(void);

extern const struct parzen_vec parzen_vec_portable;
#if defined(__x86_64__)
extern const struct parzen_vec parzen_vec_avx2, parzen_vec_avx512;
#endif

#endif
