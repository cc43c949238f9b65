/* samplers/math/cma.h - one generation of the covariance matrix adaptation evolution strategy: a
 * normal distribution N(mean, sigma^2 cov) that moves towards the better of the points it is told.
 *
 * Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772, with its default parameters,
 * negative weights for bad points included; the equations in comments are the tutorial's. Where it
 * leaves a choice, as the Python library `cmaes` does. */
#ifndef SAMPLERS_MATH_CMA_H
#define SAMPLERS_MATH_CMA_H

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"

/* The constants of a search in d dimensions that is told lambda points at a time. */
struct cma_rates {
    int d, lambda, mu;
    double mu_eff;
    double c_sigma, d_sigma; /* of the step size: learning rate and damping */
    double c_c, c_1, c_mu;   /* of the covariance: its path, and both of its updates */
    double chi;              /* the expected length of a standard normal vector */
    double reach;            /* longest step believed, in deviations */
    const double *weights;   /* lambda, falling; the first mu are positive and sum to 1 */
    double weight_sum;
};

struct cma {
    int d, generation;
    double sigma;
    double *mean;    /* d */
    double *p_sigma; /* d, as p_c: the evolution paths */
    double *p_c;
    double *cov;     /* d x d, symmetric */
    double *root;    /* d x d: its symmetric square root, by cma_factor */
    double *inverse; /* d x d: the inverse of root */
};

/* 4 + floor(3 ln d), eq. 48. */
int cma_population(int d);
/* d >= 1, lambda >= 4. Lives in a. */
const struct cma_rates *cma_rates_new(struct arena *a, int d, int lambda);

struct cma *cma_new(int d);
void cma_free(struct cma *c); /* NULL is valid */
void cma_copy(struct cma *to, const struct cma *from);

/* Back to generation 0 around mean, the covariance being the identity. */
void cma_start(struct cma *c, const double *mean, double sigma);

/* Learn from lambda points of d coordinates, the best first. Needs the factors, and leaves them
 * stale. Points that cannot come from the distribution (somebody's own, or late ones) are taken
 * from nearer by, at r->reach deviations: Hansen, "Injecting External Solutions Into CMA-ES",
 * arXiv:1110.4181. */
void cma_update(struct cma *c, const struct cma_rates *r, const double *points);

/* Make the deviation of coordinate i at least std, its correlations staying. Leaves the factors
 * stale. */
void cma_widen(struct cma *c, int i, double std);

/* root and inverse, of a covariance whose eigenvalues are kept within 14 decades. HPO_ENUMERIC:
 * there are none, because it is not finite. */
int cma_factor(struct cma *c, struct hpo_err *err);

double cma_std(const struct cma *c, int i);

/* A draw from N(mean, (scale sigma)^2 cov): d normal deviates. */
void cma_sample(const struct cma *c, double scale, struct hpo_rng *rng, double *ret);

#endif
