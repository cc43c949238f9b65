#include "hpo/core/pruner.h"
#include "hpo/pruners/curve.h"

struct priv {
    struct curve_rank rank;
};

static bool should_stop(const struct pruner *p, const struct hpo_history *h,
                        const struct hpo_trial *t)
{
    const struct priv *o = p->priv;

    return curve_outranked(&o->rank, 50, h, t);
}

static const struct hpo_opt opts[] = {
    CURVE_RANK_OPTS(struct priv, rank),
    {0},
};

const struct pruner_ops pruner_median = {
    .plugin = {.name = "median",
               .help = "stops a trial whose best report so far is worse than the median of what "
                       "the complete trials reported at the same step",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .should_stop = should_stop,
};
