/* samplers/math/gp_data.h - what a study's trials tell a Gaussian process.
 *
 * COMPLETE: the value; one that is infinite counts as the most extreme finite one.
 * PRUNED: the last report, but neither better than the median nor worse than the worst of the
 *   COMPLETE values. The report is of a training that was not finished, often of one fold, so it is
 *   no value to compare; what is sure is that the trial was bad for its age.
 *   (Optuna forgets it, and may propose its neighbours.)
 * FAIL: the worst finite value of all, so that nothing is proposed near it.
 * RUNNING, and WAITING with all its values: pending. */
#ifndef SAMPLERS_MATH_GP_DATA_H
#define SAMPLERS_MATH_GP_DATA_H

#include "hpo/core/trial.h"
#include "samplers/math/gp_space.h"

struct gp_trials {
    int n;          /* observations, in the order of their trials */
    double *coords; /* n x d */
    double *y;      /* n, outliers tamed, with mean 0 and deviation 1 (0 when they are equal) */
    double best;    /* the lowest y */
    int n_pending;
    double *pending; /* coordinates, n_pending x d */
};

/* How many trials ended with a value, or pruned. */
int gp_results(const struct hpo_history *h);

/* Of more than max observations the better half of max and the most recent others are kept; of
 * more than max / 2 pending trials the most recent. Allocates from a. */
void gp_trials_read(struct gp_trials *ret, const struct gp_space *space,
                    const struct hpo_history *h, int max, struct arena *a);

#endif
