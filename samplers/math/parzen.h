/* samplers/math/parzen.h - the density that TPE puts around trials: a mixture of one kernel a
 * trial, and of a wide one, the prior. A kernel is a product over parameters: truncated normals,
 * their masses on the cells of a grid, or a table of choices.
 *
 * Trials come and go one by one; what a new one changes (its neighbours' bandwidths) is all that is
 * computed again. However a density came about, the same trials give the same bits.
 *
 * Source: Optuna's _ParzenEstimator as of 5.0 (4.9 with one parameter), with the bandwidths of
 * Bergstra et al., NIPS 2011. */
#ifndef SAMPLERS_MATH_PARZEN_H
#define SAMPLERS_MATH_PARZEN_H

#include "base/rng.h"
#include "hpo/core/space.h"

struct parzen;

/* The weights of n trials, oldest first: 1 for the last 25, rising evenly from 1/n before them. Not
 * normalised; the prior's is 1. */
void parzen_weights(int n, double *ret);
double parzen_total_weight(int n); /* of the trials */

/* The density over d parameters around no trials: the prior alone. params may go, what they point
 * to must stay. */
struct parzen *parzen_new(const struct hpo_param *const *params, int d);
void parzen_free(struct parzen *z); /* NULL is fine */

/* Around these n trials, oldest first, instead of those so far. obs: n values of the first
 * parameter, n of the second ...; all inside their bounds. */
void parzen_fill(struct parzen *z, const double *obs, int n);
/* One trial more, or less, at this place in the order of age; d values. */
void parzen_insert(struct parzen *z, int at, const double *values);
void parzen_remove(struct parzen *z, int at);

/* One draw: d values. Takes 1 + d uniforms. */
void parzen_sample(struct parzen *z, struct hpo_rng *rng, double *ret);

/* Logarithms of the density at m points of d values each. A continuous log parameter counts in
 * ln(x); a discrete one with the mass of its cell. */
void parzen_log_pdf(struct parzen *z, const double *x, int m, double *ret);

/* The same in single precision, some times as fast, for all points: off by at most *ret_error.
 * false: the density spans too many orders of magnitude. */
bool parzen_screen(struct parzen *z, const double *x, int m, double *ret, double *ret_error);

/* The point (of m, at least 1) where `below` is highest in relation to `above`, the first of equal
 * ones. The same one that parzen_log_pdf gives, but few points are computed in full. */
int parzen_best(struct parzen *below, struct parzen *above, const double *x, int m);

#endif
