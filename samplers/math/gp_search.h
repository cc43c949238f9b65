/* samplers/math/gp_search.h - the point that promises the most.
 *
 * The logarithm of the expected improvement is looked up at many points spread over the space and
 * around the best observations; from the most promising ones it is climbed, by turns along the
 * continuous axes together (L-BFGS) and along each discrete one. Which axes are active is worked
 * out anew after every move. As Optuna's optimize_acqf_mixed, which knows no conditions. */
#ifndef SAMPLERS_MATH_GP_SEARCH_H
#define SAMPLERS_MATH_GP_SEARCH_H

#include "base/rng.h"
#include "samplers/math/gp_space.h"

struct gp_search {
    const struct gp *gp;
    const struct gp_space *space;
    double best;          /* what is to be improved on */
    const double *coords; /* of the gp's first n_observed rows, n_observed x d */
    const double *y;
    int n_observed;
    bool repeat; /* a point without continuous axes may be one that was observed */
    bool climb;  /* false: one of the points that were looked up, by chance in proportion to what
                    it promises */
};

/* Coordinates of points, n x d, the most promising first. Allocates from a. Returns n, 0 when
 * there is nothing but repetition. */
int gp_search(const struct gp_search *z, struct hpo_rng *rng, double **ret_coords, struct arena *a);

#endif
