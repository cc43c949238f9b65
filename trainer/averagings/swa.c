/* Stochastic weight averaging: Izmailov et al. 2018; torch.optim.swa_utils. From `start` on, the
 * mean of the weights at the ends of epochs, with batch norm statistics of its own (update_bn).
 * Before, the weights as they are. */
#include <math.h>

#include "trainer/averaging.h"

struct swa {
    double start;
};

/* The first epoch whose end counts. */
static int first(const struct swa *o, int epochs)
{
    int e = (int)ceil(o->start * epochs);

    return e < epochs ? e : epochs - 1;
}

static double decay(const void *opts, const struct averaging_at *at)
{
    int n = at->epoch - first(opts, at->epochs); /* averaged before */

    if (!at->last)
        return 1.0;
    return n > 0 ? (double)n / (n + 1.0) : 0.0;
}

static bool estimates(const void *opts, int epoch, int epochs)
{
    return epoch > first(opts, epochs);
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct swa, start, "start", "0.75", 0, 1, HPO_OPT_MAX_OPEN,
            "share of the epochs after which weights are averaged"),
    {0},
};

const struct averaging_ops averaging_swa = {
    .plugin = {"swa", "mean of the weights at the ends of the last epochs (torch.optim.swa_utils)",
               sizeof(struct swa), options},
    .averages = true,
    .decay = decay,
    .estimates = estimates,
};
