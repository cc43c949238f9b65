/* hpo/objectives/landscapes.h - test functions that look at the space itself.
 *
 * A numeric parameter i (the i-th in file order, from 0) counts through
 *
 *     q_i = u_i - t_i,   u_i = hpo_param_encode, the share of the range that lies below the value,
 *     t_i = 0.15 + 0.7 frac(0.5 + 0.618034 (i + 1)), moved to the middle of its cell when the
 *           parameter is discrete, so that some value of it gives q_i = 0,
 *
 * and a categorical one of m choices through the rank of its choice k, r_i = ((k + i + 1) mod m) /
 * (m - 1), so that one choice is the best (0), one the worst (1). A parameter with a single value
 * has q_i = 0 or r_i = 0; an inactive one adds nothing. */
#ifndef HPO_OBJECTIVES_LANDSCAPES_H
#define HPO_OBJECTIVES_LANDSCAPES_H

#include "hpo/core/space.h"

/* sum q_i^2 + 4 sum (q_i - q_j)^2 over the numeric parameters, j the numeric one before i. */
double landscape_valley(const struct hpo_space *s, const double *values);

/* Each categorical one adds 0.3 r_i. With R the mean of all r_i, the first numeric one has its
 * optimum 0.25 R lower (q_0 + 0.25 R in place of q_0). Each numeric one adds
 * q^2 + 0.02 (1 - cos(6 pi q)): a bowl with dents. */
double landscape_mixed(const struct hpo_space *s, const double *values);

/* As `mixed`, with neither dents nor interaction; but what depends on others by `when` weighs
 * 1 + 4 (1 - B) times as much, B the mean of |q| or r of the parameters it depends on. So the best
 * branch is the one that is hard to tune, and the worst is easy. */
double landscape_conditional(const struct hpo_space *s, const double *values);

#endif
