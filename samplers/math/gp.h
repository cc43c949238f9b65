/* samplers/math/gp.h - Gaussian process regression with a Matern 5/2 kernel.
 *
 * k(a, b) = scale (1 + q + q^2/3) exp(-q), q^2 = 5 sum over features f of w_f D_f(a, b), with a
 * weight (an inverse squared length-scale) for every parameter. D is (a - b)^2 of a numeric feature
 * and 1 of a nominal one that differs. Sources: Rasmussen & Williams, "Gaussian Processes for
 * Machine Learning", 2006, chapters 2 and 5; Optuna's GPRegressor. */
#ifndef SAMPLERS_MATH_GP_H
#define SAMPLERS_MATH_GP_H

#include <stdbool.h>

#include "base/arena.h"

/* A point is n_numeric features, then n_nominal ones. Feature f has the weight factor[f] *
 * weights[owner[f]]. */
struct gp_shape {
    int n_numeric, n_nominal, n_weights;
    const int *owner;
    const double *factor;
};

static inline int gp_width(const struct gp_shape *s)
{
    return s->n_numeric + s->n_nominal;
}

/* Everything is positive. */
struct gp_params {
    const double *weights; /* n_weights */
    double scale, noise;   /* variances of the function and of an observation */
};

struct gp {
    const struct gp_shape *shape;
    int n;
    const double *x; /* n x width, row by row */
    double *weight;  /* of every feature */
    double scale, noise;
    double *chol;  /* n x n: the lower factor of K + noise, column-major */
    double *alpha; /* (K + noise)^-1 y */
};

double gp_kernel(const struct gp_shape *s, const double *weight, double scale, const double *a,
                 const double *b);
/* The weight of every feature, width of them. */
void gp_feature_weights(const struct gp_shape *s, const double *weights, double *ret);

/* The process given n > 0 observations; x must stay, everything else is copied into a. When the
 * matrix is not positive definite to working precision, as much noise is added as it takes. */
void gp_condition(struct gp *ret, const struct gp_shape *s, const struct gp_params *p,
                  const double *x, const double *y, int n, struct arena *a);

/* Covariances of m points with the observations, n of each point one after the other. ret_same,
 * unless NULL: m flags, whether the point is one that was observed. */
void gp_covariances(const struct gp *g, const double *x, int m, double *ret_k, bool *ret_same);
/* From covariances: the mean at one point, and a variance that the true one does not exceed. */
double gp_mean(const struct gp *g, const double *k);
double gp_variance_bound(const struct gp *g, const double *k);
/* The variances at m points. Overwrites their covariances k with L^-1 k. */
void gp_variances(const struct gp *g, double *k, int m, double *ret_var);

/* Mean and variance of the function at one point, with their gradients by its numeric features.
 * work: 2n numbers. */
void gp_predict(const struct gp *g, const double *x, double *work, double *ret_mean,
                double *ret_var, double *ret_dmean, double *ret_dvar);

#endif
