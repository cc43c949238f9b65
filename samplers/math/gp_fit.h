/* samplers/math/gp_fit.h - the parameters of a Gaussian process that explain the observations best.
 *
 * The maximum of likelihood times prior, with Optuna's priors: for every weight w exp(-0.1/w -
 * 0.1 w), a Gamma(2, 1) for the scale, a Gamma(1.1, 30) for the noise (shape, rate). The
 * observations should have mean 0 and deviation 1. */
#ifndef SAMPLERS_MATH_GP_FIT_H
#define SAMPLERS_MATH_GP_FIT_H

#include "samplers/math/gp.h"

#define GP_NOISE_MIN 1e-6

struct gp_data {
    const struct gp_shape *shape;
    const double *x, *y; /* n x width, n */
    int n;
    bool exact; /* the noise is GP_NOISE_MIN */
};

/* - log(likelihood * prior), up to a constant, and its gradient. raw: the logarithms of n_weights
 * weights, of the scale and of noise - GP_NOISE_MIN (unused when exact). work: 2n^2 + n + width
 * numbers. INFINITY when the matrix is not positive definite. */
double gp_loss(const struct gp_data *data, const double *raw, double *work, double *ret_grad);

/* Starts from the same points each time, so that the answer depends on the data alone. ret->weights
 * comes from a. */
void gp_fit(const struct gp_data *data, struct gp_params *ret, struct arena *a);

#endif
