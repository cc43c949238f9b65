/* Lookahead: Zhang et al. 2019 (arXiv 1907.08610); timm's Lookahead. Every k steps the slow weights
 * move towards the weights by alpha, and the weights go back to where the slow ones then are. What
 * is evaluated are the slow ones. Statistics go along, as in airbench (Jordan 2024), whose share of
 * the way falls with time: with alpha 0.2262 (1 - 0.95^5), k 5 and power 3 it is airbench's. */
#include <math.h>

#include "trainer/averaging.h"

struct lookahead {
    double alpha, power;
    int k;
};

static bool adopts(const void *opts, const struct averaging_at *at)
{
    return at->updates % ((const struct lookahead *)opts)->k == 0;
}

static double decay(const void *opts, const struct averaging_at *at)
{
    const struct lookahead *o = opts;

    if (!adopts(opts, at))
        return 1.0;
    return (1.0 - o->alpha) * pow((double)at->updates / (double)at->total, o->power);
}

static bool estimates(const void *opts, int epoch, int epochs)
{
    (void)opts;
    (void)epoch;
    (void)epochs;
    return false;
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct lookahead, alpha, "alpha", "0.5", 0, 1, HPO_OPT_MIN_OPEN,
            "the share of the way from the slow weights to the weights that is gone"),
    HPO_OPT(INT, struct lookahead, k, "k", "6", 1, 100000, 0, "after every so many steps"),
    HPO_OPT(REAL, struct lookahead, power, "power", "0.0", 0, 100, 0,
            "the rest of the way grows from 0 to 1 - alpha with this power of the share of the "
            "training that is done; 0: it is 1 - alpha from the beginning (airbench: 3)"),
    {0},
};

const struct averaging_ops averaging_lookahead = {
    .plugin = {"lookahead", "weights that go back to slower ones now and then (timm's Lookahead)",
               sizeof(struct lookahead), options},
    .averages = true,
    .decay = decay,
    .estimates = estimates,
    .adopts = adopts,
};
