/* Adam with decoupled weight decay: torch.optim.AdamW. Loshchilov and Hutter, 2019. */
#include "trainer/optimizer.h"

struct adamw {
    double lr, beta1, beta2, eps, weight_decay;
};

static void lower(const void *opts, struct kn_optim *ret)
{
    const struct adamw *o = opts;

    *ret = (struct kn_optim){.kind = KN_ADAMW, .weight_decay = (float)o->weight_decay,
                             .beta1 = (float)o->beta1, .beta2 = (float)o->beta2,
                             .eps = (float)o->eps};
}

static double lr(const void *opts)
{
    return ((const struct adamw *)opts)->lr;
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct adamw, lr, "lr", "0.001", 0, 1e9, 0, "learning rate, before the schedule"),
    HPO_OPT(REAL, struct adamw, beta1, "beta1", "0.9", 0, 1, HPO_OPT_MAX_OPEN,
            "decay of the running mean of the gradient"),
    HPO_OPT(REAL, struct adamw, beta2, "beta2", "0.999", 0, 1, HPO_OPT_MAX_OPEN,
            "decay of the running mean of its square"),
    HPO_OPT(REAL, struct adamw, eps, "eps", "1e-8", 0, 1, HPO_OPT_MIN_OPEN,
            "added to the denominator"),
    HPO_OPT(REAL, struct adamw, weight_decay, "weight_decay", "0.01", 0, 1e3, 0,
            "share of every weight that is taken off, times the learning rate"),
    {0},
};

const struct optimizer_ops optimizer_adamw = {
    .plugin = {"adamw", "Adam with decoupled weight decay (torch.optim.AdamW)",
               sizeof(struct adamw), options},
    .kind = KN_ADAMW,
    .lower = lower,
    .lr = lr,
};
