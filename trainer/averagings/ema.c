/* An exponential moving average of weights and statistics after every step: timm's ModelEmaV3 (the
 * statistics are averaged like weights). With warm-up the average is younger at first: decay
 * min(decay, 1 - (1 + t)^(-2/3)). */
#include <math.h>

#include "trainer/averaging.h"

struct ema {
    double decay;
    bool warmup;
};

static double decay(const void *opts, const struct averaging_at *at)
{
    const struct ema *o = opts;
    double young = 1.0 - pow(1.0 + (double)(at->updates - 1), -2.0 / 3.0);

    return o->warmup && young < o->decay ? young : o->decay;
}

static bool estimates(const void *opts, int epoch, int epochs)
{
    (void)opts;
    (void)epoch;
    (void)epochs;
    return false;
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct ema, decay, "decay", "0.999", 0, 1, HPO_OPT_MAX_OPEN,
            "share of the average that a step leaves (timm's 0.9999 is for 100,000 steps)"),
    HPO_OPT(BOOL, struct ema, warmup, "warmup", "true", 0, 0, 0,
            "smaller decays at the beginning, so that the first weights are soon forgotten"),
    {0},
};

const struct averaging_ops averaging_ema = {
    .plugin = {"ema", "exponential moving average of the weights (timm's ModelEma)",
               sizeof(struct ema), options},
    .averages = true,
    .decay = decay,
    .estimates = estimates,
};
