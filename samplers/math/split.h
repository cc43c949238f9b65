/* samplers/math/split.h - which trials count as good and which as bad, for TPE.
 *
 * Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011; the rules are those of
 * Optuna's _split_trials, but that what failed is bad rather than forgotten. */
#ifndef SAMPLERS_MATH_SPLIT_H
#define SAMPLERS_MATH_SPLIT_H

#include "hpo/core/trial.h"

#define TPE_BELOW_MAX 25

/* What of n trials the split looks at. Smaller is better, `first` before `second`. */
struct tpe_scores {
    uint8_t *state;         /* enum hpo_trial_state */
    double *first, *second; /* 0 unless COMPLETE or PRUNED; never NaN */
};

struct tpe_split {
    int n_results; /* COMPLETE and PRUNED trials */
    int *below;    /* positions of the good trials in the history, rising; at most TPE_BELOW_MAX */
    int n_below;
    int *above; /* positions of the bad ones, rising */
    int n_above;
    double guess; /* the worst value of a good COMPLETE trial, perhaps: saves time when it is */
};

/* How many of n results are good: a tenth, rounded up, at most TPE_BELOW_MAX. */
int tpe_gamma(int n);

void tpe_score(const struct hpo_trial *t, struct tpe_scores *ret, int i);

/* The good ones are the best tpe_gamma(n_results): COMPLETE trials by value, the earlier on a tie,
 * then PRUNED ones, those that came further first, then by their last report. Bad are the other
 * results and FAIL trials; with `pending`, RUNNING and WAITING ones too. ret->below has room for
 * TPE_BELOW_MAX, ret->above for n + 1. ret->guess may be anything; it is left for the next time. */
void tpe_split_scores(const struct tpe_scores *s, int n, bool pending, struct tpe_split *ret);

/* The same of a history; allocates from a. */
struct tpe_split tpe_split(const struct hpo_history *h, bool pending, struct arena *a);

#endif
