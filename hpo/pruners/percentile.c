#include "hpo/core/pruner.h"
#include "hpo/pruners/curve.h"

struct priv {
    struct curve_rank rank;
    double percentile;
};

static bool should_stop(const struct pruner *p, const struct hpo_history *h,
                        const struct hpo_trial *t)
{
    const struct priv *o = p->priv;

    return curve_outranked(&o->rank, o->percentile, h, t);
}

static const struct hpo_opt opts[] = {
    HPO_OPT(REAL, struct priv, percentile, "percentile", "25", 0, 100, 0,
            "how much of the complete trials' reports at a step a trial must keep up with: 25 "
            "keeps the best quarter, 50 is the pruner median"),
    CURVE_RANK_OPTS(struct priv, rank),
    {0},
};

const struct pruner_ops pruner_percentile = {
    .plugin = {.name = "percentile",
               .help = "stops a trial whose best report so far is outside the best percentile of "
                       "what the complete trials reported at the same step",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .should_stop = should_stop,
};
