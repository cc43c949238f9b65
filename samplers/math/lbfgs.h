/* samplers/math/lbfgs.h - a minimum of a smooth function inside a box.
 *
 * Limited-memory BFGS (Nocedal & Wright, "Numerical Optimization", 2006, algorithm 7.4) on the
 * coordinates that are not held by a bound, with a backtracking search along the path that is
 * bent at the bounds (Bertsekas, "Projected Newton Methods", SIAM J. Control 20, 1982). */
#ifndef SAMPLERS_MATH_LBFGS_H
#define SAMPLERS_MATH_LBFGS_H

#include <stdbool.h>

#include "base/arena.h"

/* The value at x and, in ret_grad, the gradient. INFINITY or NaN: x cannot be evaluated; a shorter
 * step is tried. */
typedef double lbfgs_fn(void *arg, const double *x, double *ret_grad);

struct lbfgs {
    lbfgs_fn *fn;
    void *arg;
    int d;
    const double *low, *high; /* d each */
    int max_evals;
    double gtol; /* done when no coordinate's gradient, cut off at the bounds, is larger */
    double ftol; /* or when a step lowers the value by less than this, relative to max(1, |f|) */
};

/* Move x downhill. Returns the value there; what cannot be evaluated at all stays put. */
double lbfgs_minimize(const struct lbfgs *p, double *x, struct arena *a);

#endif
