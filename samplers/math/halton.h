/* samplers/math/halton.h - the Halton sequence: coordinate j of point i is i in base prime(j),
 * mirrored at the point.
 *
 * Halton, "On the efficiency of certain quasi-random sequences of points in evaluating
 * multi-dimensional integrals", Numer. Math. 2, 1960; as scipy.stats.qmc.Halton. */
#ifndef SAMPLERS_MATH_HALTON_H
#define SAMPLERS_MATH_HALTON_H

#include <stdint.h>

/* The first n primes. */
void halton_primes(int n, uint32_t *ret);

/* Point i: d coordinates in [0, 1); point 0 is the origin. With keys, d of them, the scrambled
 * point (samplers/math/owen.h): the plain one shows stripes from about ten coordinates on. */
void halton_point(uint32_t i, int d, const uint32_t *primes, const uint64_t *keys, double *ret);

#endif
