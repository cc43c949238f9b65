/* hpo/core/trial.h - read-only pictures of what has happened so far.
 *
 * Inside, smaller is better, whatever the study asks for: the direction is flipped in one place
 * (hpo/study.c), for final values and for reports alike. */
#ifndef HPO_CORE_TRIAL_H
#define HPO_CORE_TRIAL_H

#include "hpo/core/space.h"

/* Optuna's states and their names. */
#define HPO_TRIAL_STATE_MAP(X) X(RUNNING) X(COMPLETE) X(PRUNED) X(FAIL) X(WAITING)
enum hpo_trial_state {
#define X(name) HPO_TRIAL_##name,
    HPO_TRIAL_STATE_MAP(X)
#undef X
};
const char *hpo_trial_state_name(enum hpo_trial_state s); /* "COMPLETE" */
bool hpo_trial_state_parse(const char *name, enum hpo_trial_state *ret);

struct hpo_point {
    int64_t step; /* hpo/study.h says what a step is */
    double value; /* smaller is better; NaN is possible */
};

/* The result of one fold. */
struct hpo_fold {
    int fold;
    double value; /* in the study's own direction, not flipped: people read it */
    int epoch;    /* the epoch that gave it, from 0 */
    double seconds;
};

struct hpo_trial {
    int number; /* 0, 1, 2, ...; below 0: taken over from an earlier study, for samplers only */
    int64_t id; /* the storage's key */
    enum hpo_trial_state state;
    double value;         /* smaller is better; NaN unless COMPLETE, or PRUNED with a report */
    const double *values; /* space->n of them, NaN: inactive */
    const struct hpo_point *points; /* reports, steps increasing */
    int n_points;
    const struct hpo_fold *folds; /* of a COMPLETE trial */
    int n_folds;
    double started, ended; /* seconds since 1970; 0: not yet */
    double seconds;        /* spent training, over every attempt */
    int attempts;          /* how often a worker took it up */
    const char *device;    /* of the last attempt; NULL: none yet */
    const char *reason;    /* why, when FAIL; NULL otherwise */
    bool enqueued;         /* somebody asked for it: some values, WAITING all that are not NaN,
                              were given */
    /* Of a study with rungs (`fidelity:`): 0 is the cheapest. Values of one rung compare with each
     * other and with no other rung's. */
    int rung;
    bool cheap;          /* it is not the last rung */
    bool explored;       /* promoted by a draw, and not for its value */
    int promoted_from;   /* rung > 0: the trial with the same values on the rung below */
    int retry, retry_of; /* retry > 0: it is the retry-th repetition of the failed trial retry_of */
};

static inline bool hpo_trial_finished(const struct hpo_trial *t)
{
    return t->state == HPO_TRIAL_COMPLETE || t->state == HPO_TRIAL_PRUNED ||
           t->state == HPO_TRIAL_FAIL;
}

/* Between the inside, where smaller is better, and the user's direction; its own inverse. The
 * subtraction keeps a zero a plain zero. */
static inline double hpo_value_flip(double value, bool maximize)
{
    return maximize ? 0.0 - value : value;
}

/* Spread of the folds' values: the population standard deviation (numpy's default, what
 * scikit-learn's users print of cross_val_score). NaN with fewer than two folds. */
double hpo_trial_std(const struct hpo_trial *t);

/* All that a sampler, a pruner or a report may look at, numbers rising. It need not be everything:
 * with sampler.lag the results that came too late for this trial are not in it (what ran then is
 * shown as RUNNING), and a pruner with brackets shows a trial its own bracket alone. */
struct hpo_history {
    const struct hpo_space *space;
    const struct hpo_trial *const *trials;
    int n;
    int next; /* the number of the trial that a sampler is asked for */
};

/* Is a, COMPLETE with a value, to be preferred to b? One of a higher rung always is; then the
 * better one, and of equal ones the earlier. */
bool hpo_trial_better(const struct hpo_trial *a, const struct hpo_trial *b);
/* The best COMPLETE trial of the highest rung that has one, or NULL. */
const struct hpo_trial *hpo_history_best(const struct hpo_history *h);
int hpo_history_count(const struct hpo_history *h, enum hpo_trial_state state);

#endif
