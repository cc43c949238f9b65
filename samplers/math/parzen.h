/* samplers/math/parzen.h - the density that TPE puts around trials: a mixture of one kernel a
 * trial, and of a wide one (the prior), which comes last. A kernel is a product over parameters:
 * truncated normals, their masses on the cells of a grid, or a table of choices.
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

/* The density over d parameters around n trials, oldest first; n = 0: the prior alone. obs: n
 * values of the first parameter, n of the second ...; all inside their bounds. params may go,
 * what they point to must stay, as must a, from which everything is allocated. */
struct parzen *parzen_new(struct arena *a, const struct hpo_param *const *params, int d,
                          const double *obs, int n);

/* One draw: d values. Takes 1 + d uniforms. */
void parzen_sample(const struct parzen *z, struct hpo_rng *rng, double *ret);

/* Logarithms of the density at m points of d values each. A continuous log parameter counts in
 * ln(x); a discrete one with the mass of its cell. */
void parzen_log_pdf(const struct parzen *z, const double *x, int m, double *ret);

#endif
