/* hpo/pruners/curve.h - questions about learning curves that several pruners ask. Smaller is
 * better. After Optuna's pruners/_percentile.py, whose decisions these are. */
#ifndef HPO_PRUNERS_CURVE_H
#define HPO_PRUNERS_CURVE_H

#include "base/opt.h"
#include "hpo/core/trial.h"

/* When a trial is looked at. Steps: hpo/study.h. */
struct curve_gate {
    int warmup_steps;   /* at no step below this one */
    int interval_steps; /* from there on once an interval, at its first report; at least 1 */
};

#define CURVE_GATE_OPTS(S, F)                                                                      \
    HPO_OPT(INT, S, F.warmup_steps, "warmup_steps", "0", 0, 2147483647, 0,                         \
            "a trial is not stopped at a step below this; steps count from 0, and with "           \
            "fold-first order those of a fold come after all of the fold before"),                 \
        HPO_OPT(INT, S, F.interval_steps, "interval_steps", "1", 1, 2147483647, 0,                 \
                "after warmup_steps a trial is looked at once in so many steps, at the first "     \
                "report")

/* Is the last report of t one to look at? */
bool curve_due(const struct curve_gate *g, const struct hpo_trial *t);

/* The best of n reports; NaN when there is none or all are NaN. */
double curve_best_of(const struct hpo_point *points, int n);
/* ... of all reports so far. */
double curve_best(const struct hpo_trial *t);

/* The report at exactly this step. */
bool curve_at(const struct hpo_trial *t, int64_t step, double *ret);

/* The first report at this step or later: its index, n_points when there is none. */
int curve_first_from(const struct hpo_trial *t, int64_t step);

/* The percentile (0 to 100) of n values with linear interpolation, NaNs left out: numpy's
 * nanpercentile to the last bit, which is NaN, too, where an infinity is interpolated with.
 * NaN without values. Reorders v. */
double curve_percentile(double *v, int n, double percentile);

/* The rule of `percentile` and `median`: compare the best report of a trial with what the COMPLETE
 * trials reported at the same step. */
struct curve_rank {
    struct curve_gate gate;
    int startup_trials; /* no trial is stopped before so many are COMPLETE */
    int min_trials;     /* ... nor at a step that fewer of them have reported */
};

#define CURVE_RANK_OPTS(S, F)                                                                      \
    HPO_OPT(INT, S, F.startup_trials, "startup_trials", "5", 0, 10000000, 0,                       \
            "no trial is stopped before so many are complete"),                                    \
        CURVE_GATE_OPTS(S, F.gate),                                                                \
        HPO_OPT(INT, S, F.min_trials, "min_trials", "1", 1, 10000000, 0,                           \
                "no trial is stopped at a step that fewer complete trials have reported")

bool curve_outranked(const struct curve_rank *r, double percentile, const struct hpo_history *h,
                     const struct hpo_trial *t);

#endif
