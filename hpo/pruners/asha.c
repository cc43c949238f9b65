#include "hpo/pruners/rungs.h"

struct priv {
    struct rungs rungs;
};

static bool should_stop(const struct pruner *p, const struct hpo_history *h,
                        const struct hpo_trial *t)
{
    const struct priv *o = p->priv;

    return rungs_stop(&o->rungs, p, h, t);
}

static const struct hpo_opt opts[] = {
    HPO_OPT(INT, struct priv, rungs.min_resource, "min_resource", "1", 1, 2147483647, 0,
            "the step of the first rung when min_early_stopping_rate is 0; steps count from 0, so "
            "1 is the second epoch"),
    HPO_OPT(INT, struct priv, rungs.reduction_factor, "reduction_factor", "4", 2, 2147483647, 0,
            "of the trials that reach a rung one in so many goes on, and the next rung is at so "
            "many times the step"),
    HPO_OPT(INT, struct priv, rungs.min_early_stopping_rate, "min_early_stopping_rate", "0", 0, 62,
            0, "how many rungs are left out at the beginning"),
    HPO_OPT(INT, struct priv, rungs.bootstrap_count, "bootstrap_count", "0", 0, 10000000, 0,
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
