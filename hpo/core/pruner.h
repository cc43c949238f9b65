/* hpo/core/pruner.h - what an early-stopping rule provides. Both answers are pure functions of
 * their arguments and the options, so that a resumed study decides as the first run did. */
#ifndef HPO_CORE_PRUNER_H
#define HPO_CORE_PRUNER_H

#include "base/opt.h"
#include "hpo/core/trial.h"

struct pruner {
    const struct pruner_ops *ops;
    const void *priv; /* options */
    bool maximize;    /* the study's direction, for options in its own units: points are flipped */
};

struct pruner_ops {
    struct hpo_plugin plugin;

    /* Optional. Reject options that contradict each other (HPO_ECONFIG); when the study file is
     * read, with p->maximize not yet known. */
    int (*check)(const struct pruner *p, struct hpo_err *err);

    /* Stop t now? Its last point is the report just made. */
    bool (*should_stop)(const struct pruner *p, const struct hpo_history *h,
                        const struct hpo_trial *t);

    /* Optional. The bracket of a trial; sampler and pruner are then shown only the history of that
     * bracket. NULL: a single bracket. */
    int (*bracket)(const struct pruner *p, int number);
};

extern const struct pruner_ops *const pruner_registry[]; /* NULL ends it */

#endif
