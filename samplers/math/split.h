/* samplers/math/split.h - which trials count as good and which as bad, for TPE.
 *
 * Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011; the rules are those of
 * Optuna's _split_trials, but that what failed is bad rather than forgotten. */
#ifndef SAMPLERS_MATH_SPLIT_H
#define SAMPLERS_MATH_SPLIT_H

#include "hpo/core/trial.h"

#define TPE_BELOW_MAX 25

struct tpe_split {
    int n_results;    /* COMPLETE and PRUNED trials */
    const int *below; /* numbers of the good trials, rising; at most TPE_BELOW_MAX */
    int n_below;
    const int *above; /* numbers of the bad ones, rising */
    int n_above;
};

/* How many of n results are good: a tenth, rounded up, at most TPE_BELOW_MAX. */
int tpe_gamma(int n);

/* The good ones are the best tpe_gamma(n_results): COMPLETE trials by value, the earlier on a tie,
 * then PRUNED ones, those that came further first, then by their last report. Bad are the other
 * results and FAIL trials; with `pending`, RUNNING and WAITING ones too. Allocates from a. */
struct tpe_split tpe_split(const struct hpo_history *h, bool pending, struct arena *a);

#endif
