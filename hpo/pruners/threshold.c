#include <math.h>

#include "hpo/core/pruner.h"
#include "hpo/pruners/curve.h"

struct priv {
    double lower, upper; /* in the study's own direction; NaN: no bound */
    struct curve_gate gate;
};

static bool should_stop(const struct pruner *p, const struct hpo_history *h,
                        const struct hpo_trial *t)
{
    const struct priv *o = p->priv;
    double v;

    if (!curve_due(&o->gate, t))
        return false;
    v = hpo_value_flip(t->points[t->n_points - 1].value, p->maximize);
    return isnan(v) || v < o->lower || v > o->upper; /* nothing is beyond a NaN */
}

static int check(const struct pruner *p, struct hpo_err *err)
{
    const struct priv *o = p->priv;

    if (o->lower > o->upper)
        return hpo_fail(err, HPO_ECONFIG, "lower is above upper: %g, %g", o->lower, o->upper);
    return 0;
}

static const struct hpo_opt opts[] = {
    HPO_OPT(REAL, struct priv, lower, "lower", NULL, 0, 0, 0,
            "a trial that reports less is stopped; in the metric's own units, whatever the "
            "direction; without it, no bound"),
    HPO_OPT(REAL, struct priv, upper, "upper", NULL, 0, 0, 0,
            "a trial that reports more is stopped; without it, no bound"),
    CURVE_GATE_OPTS(struct priv, gate),
    {0},
};

const struct pruner_ops pruner_threshold = {
    .plugin = {.name = "threshold",
               .help = "stops a trial whose last report is out of bounds or not a number",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .check = check,
    .should_stop = should_stop,
};
