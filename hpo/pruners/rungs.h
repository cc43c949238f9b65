/* hpo/pruners/rungs.h - asynchronous successive halving (Li et al., "A System for Massively
 * Parallel Hyperparameter Tuning", MLSys 2020), with the decisions of Optuna's
 * SuccessiveHalvingPruner.
 *
 * Rung k is reached with the first report at step min_resource * reduction_factor ^
 * (min_early_stopping_rate + k) or later; that report is the trial's value there. Optuna writes
 * these values into its storage as trials go; here they are read off the reports, so that nothing
 * but the reports decides. Where one report reaches several rungs at once (trials that train fewer
 * epochs than others leave gaps between the steps of their folds) and the trial was stopped by it,
 * the reports do not say at which of them: it is taken to be the first.
 *
 * Below another pruner, only the reports after which that one asked count. */
#ifndef HPO_PRUNERS_RUNGS_H
#define HPO_PRUNERS_RUNGS_H

#include "hpo/core/pruner.h"

struct rungs {
    int min_resource, reduction_factor, min_early_stopping_rate, bootstrap_count;
};

/* Does the last report of t reach a rung and lose there? p: the pruner that asks; of the history,
 * the trials of other brackets than t's do not count. */
bool rungs_stop(const struct rungs *r, const struct pruner *p, const struct hpo_history *h,
                const struct hpo_trial *t);

#endif
