/* hpo/core/pruner.h - what an early-stopping rule provides. Both answers are pure functions of
 * their arguments and the options, so that a resumed study decides as the first run did. */
#ifndef HPO_CORE_PRUNER_H
#define HPO_CORE_PRUNER_H

#include "base/opt.h"
#include "hpo/core/trial.h"

struct pruner {
    const struct pruner_ops *ops;
    const void *priv;  /* options */
    bool maximize;     /* the study's direction, for options in its own units: points are flipped */
    const char *study; /* its name */

    /* Where a step lies: fold step / fold_steps, epoch step % fold_steps of it. Trials may train
     * fewer epochs than fold_steps (when `epochs` is searched), and then leave gaps. */
    int folds;      /* that a trial trains, one after the other; 1 when they train side by side */
    int fold_steps; /* the most steps that a fold of any trial takes; 0: nobody knows */

    /* The pruner that this one is an option of, which does not ask it after every report; NULL:
     * none. */
    const struct pruner *outer;
};

struct pruner_ops {
    struct hpo_plugin plugin;

    /* Optional. Reject options that contradict each other or do not fit the study (HPO_ECONFIG);
     * when the study file is read. */
    int (*check)(const struct pruner *p, struct hpo_err *err);

    /* Stop t now? Its last point is the report just made. */
    bool (*should_stop)(const struct pruner *p, const struct hpo_history *h,
                        const struct hpo_trial *t);

    /* Optional. The bracket of a trial, from 0; sampler and pruner are then shown only the history
     * of that bracket. NULL: a single bracket. */
    int (*bracket)(const struct pruner *p, int number);

    /* Of a pruner with another one as an option: did it ask that one after the n-th report of t? A
     * pure function of these n reports, n >= 1. */
    bool (*asks)(const struct pruner *p, const struct hpo_trial *t, int n);
};

extern const struct pruner_ops *const pruner_registry[]; /* NULL ends it */

#endif
