/* Asynchronous successive halving (Li et al., "A System for Massively Parallel Hyperparameter
 * Tuning", MLSys 2020), with the decisions of Optuna's SuccessiveHalvingPruner.
 *
 * Rung k is reached with the first report at step min_resource * reduction_factor ^
 * (min_early_stopping_rate + k) or later; that report is the trial's value there. Optuna writes
 * these values into its storage as trials go; here they are read off the reports, so that nothing
 * but the reports decides. Where one report reaches several rungs at once (trials that train fewer
 * epochs than others leave gaps between the steps of their folds) and the trial was stopped by it,
 * the reports do not say at which of them: it is taken to be the first. */
#include <math.h>

#include "hpo/core/pruner.h"
#include "hpo/pruners/curve.h"

struct priv {
    int min_resource, reduction_factor, min_early_stopping_rate, bootstrap_count;
};

/* The step at which a rung is reached; false: beyond all steps. */
static bool rung_step(const struct priv *o, int rung, int64_t *ret)
{
    int64_t step = o->min_resource;

    for (int64_t i = (int64_t)o->min_early_stopping_rate + rung; i > 0; i--)
        if (__builtin_mul_overflow(step, (int64_t)o->reduction_factor, &step))
            return false;
    *ret = step;
    return true;
}

/* How many rungs had been reached before the last report. */
static int rungs_before(const struct priv *o, const struct hpo_trial *t)
{
    int64_t step;
    int rung = 0;

    while (t->n_points > 1 && rung_step(o, rung, &step) && t->points[t->n_points - 2].step >= step)
        rung++;
    return rung;
}

/* What an earlier or parallel trial reported at a rung. */
static bool rung_value(const struct priv *o, const struct hpo_trial *t, int rung, int64_t step,
                       double *ret)
{
    int i = curve_first_from(t, step);

    if (i == t->n_points || isnan(t->points[i].value))
        return false;
    if (t->state == HPO_TRIAL_PRUNED && i == t->n_points - 1 && rung > rungs_before(o, t))
        return false;
    *ret = t->points[i].value;
    return true;
}

/* Is this value among the best 1 / reduction_factor of those who were here, or the very best? */
static bool promoted(const struct priv *o, const struct hpo_history *h, const struct hpo_trial *t,
                     int rung, int64_t step, double value)
{
    int n = 1, better = 0, places;
    double v;

    for (int i = 0; i < h->n; i++) {
        if (h->trials[i]->number == t->number || !rung_value(o, h->trials[i], rung, step, &v))
            continue;
        n++;
        better += v < value;
    }
    places = n / o->reduction_factor;
    return n > o->bootstrap_count && better < (places ? places : 1);
}

static bool should_stop(const struct pruner *p, const struct hpo_history *h,
                        const struct hpo_trial *t)
{
    const struct priv *o = p->priv;
    const struct hpo_point *last;
    int64_t step;

    if (t->n_points == 0)
        return false;
    last = &t->points[t->n_points - 1];
    for (int rung = rungs_before(o, t); rung_step(o, rung, &step) && last->step >= step; rung++)
        if (isnan(last->value) || !promoted(o, h, t, rung, step, last->value))
            return true;
    return false;
}

static const struct hpo_opt opts[] = {
    HPO_OPT(INT, struct priv, min_resource, "min_resource", "1", 1, 2147483647, 0,
            "the step of the first rung when min_early_stopping_rate is 0; steps count from 0, so "
            "1 is the second epoch"),
    HPO_OPT(INT, struct priv, reduction_factor, "reduction_factor", "4", 2, 2147483647, 0,
            "of the trials that reach a rung one in so many goes on, and the next rung is at so "
            "many times the step"),
    HPO_OPT(INT, struct priv, min_early_stopping_rate, "min_early_stopping_rate", "0", 0, 62, 0,
            "how many rungs are left out at the beginning"),
    HPO_OPT(INT, struct priv, bootstrap_count, "bootstrap_count", "0", 0, 10000000, 0,
            "until more than so many trials have reached a rung, each one that reaches it is "
            "stopped there"),
    {0},
};

const struct pruner_ops pruner_asha = {
    .plugin = {.name = "asha",
               .help = "asynchronous successive halving: stops a trial at each of a few rungs "
                       "unless it is among the best that came so far",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .should_stop = should_stop,
};
