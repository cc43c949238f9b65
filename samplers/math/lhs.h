/* samplers/math/lhs.h - Latin hypercubes: n points of which each nth of every axis has one.
 *
 * McKay, Beckman & Conover, Technometrics 21, 1979. */
#ifndef SAMPLERS_MATH_LHS_H
#define SAMPLERS_MATH_LHS_H

#include "base/rng.h"

/* n points of d coordinates in [0, 1), point by point. */
void lhs_draw(struct hpo_rng *rng, int n, int d, double *ret);

/* Point `number` of an endless design: its blocks of n points are each the Latin hypercube, of
 * some, whose points keep farthest apart (Morris & Mitchell, 1995). Depends on seed, number, n and
 * d alone. number >= 0. */
void lhs_point(uint64_t seed, int number, int n, int d, double *ret);

#endif
