/* Optuna's PatientPruner: another pruner is asked only when a trial has not improved for a while.
 *
 * Where folds are trained one after the other, only reports of the same fold are compared: the
 * first epochs of a fold are worse than the last ones of the fold before, and say nothing. With
 * folds side by side, or when nobody knows what a fold is, all reports are one curve, as Optuna
 * sees them. */
#include <math.h>

#include "hpo/core/pruner.h"
#include "hpo/pruners/curve.h"

#define DEEPEST 8 /* patient pruners in one another */

struct priv {
    struct hpo_part wrapped;
    int patience;
    double min_delta;
};

/* The wrapped pruner; ops NULL: none. */
static struct pruner inner_of(const struct pruner *p)
{
    const struct priv *o = p->priv;
    struct pruner inner = *p;

    inner.ops = o->wrapped.ops;
    inner.priv = o->wrapped.priv;
    inner.outer = p;
    return inner;
}

static bool asks(const struct pruner *p, const struct hpo_trial *t, int n)
{
    const struct priv *o = p->priv;
    int64_t last = t->points[n - 1].step;
    int begin =
        p->folds > 1 && p->fold_steps > 0 ? curve_first_from(t, last - last % p->fold_steps) : 0;
    int before = n - begin - 1 - o->patience;

    return before > 0 && curve_best_of(t->points + begin, before) + o->min_delta <
                             curve_best_of(t->points + begin + before, n - begin - before);
}

static bool should_stop(const struct pruner *p, const struct hpo_history *h,
                        const struct hpo_trial *t)
{
    const struct pruner inner = inner_of(p);

    if (t->n_points == 0 || !asks(p, t, t->n_points))
        return false;
    return !inner.ops || inner.ops->should_stop(&inner, h, t);
}

static int bracket(const struct pruner *p, int number)
{
    const struct pruner inner = inner_of(p);

    return inner.ops && inner.ops->bracket ? inner.ops->bracket(&inner, number) : 0;
}

static int check(const struct pruner *p, struct hpo_err *err)
{
    const struct pruner inner = inner_of(p);
    int depth = 1, rc;

    for (const struct priv *o = p->priv; o->wrapped.ops == p->ops; o = o->wrapped.priv)
        if (++depth > DEEPEST)
            return hpo_fail(err, HPO_ECONFIG, "wrapped: more than %d of them in one another",
                            DEEPEST);
    if (!inner.ops || !inner.ops->check)
        return 0;
    rc = inner.ops->check(&inner, err);
    if (rc && err)
        hpo_fail_at(err, "wrapped");
    return rc;
}

static const struct hpo_opt opts[] = {
    HPO_OPT_NESTED(struct priv, wrapped, "wrapped", NULL, (const void *const *)pruner_registry, 0,
                   "the pruner that is asked when a trial does not improve; without it, such a "
                   "trial is stopped"),
    HPO_OPT(INT, struct priv, patience, "patience", "3", 0, 2147483647, 0,
            "how many reports after one another may be no improvement; counted anew in each fold "
            "when folds are trained one after the other"),
    HPO_OPT(REAL, struct priv, min_delta, "min_delta", "0", 0, HUGE_VAL, HPO_OPT_MAX_OPEN,
            "reports that are worse than the best by no more than this still count as keeping up"),
    {0},
};

const struct pruner_ops pruner_patient = {
    .plugin = {.name = "patient",
               .help = "lets another pruner stop a trial only when its reports have not improved "
                       "for some time",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .check = check,
    .should_stop = should_stop,
    .bracket = bracket,
    .asks = asks,
};
