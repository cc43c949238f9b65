/* Lion: Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023; decay as in AdamW. */
#include "trainer/optimizer.h"

struct lion {
    double lr, beta1, beta2, weight_decay;
};

static void lower(const void *opts, struct kn_optim *ret)
{
    const struct lion *o = opts;

    *ret = (struct kn_optim){.kind = KN_LION,
                             .weight_decay = (float)o->weight_decay,
                             .beta1 = (float)o->beta1,
                             .beta2 = (float)o->beta2};
}

static double lr(const void *opts)
{
    return ((const struct lion *)opts)->lr;
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct lion, lr, "lr", "1e-4", 0, 1e9, 0,
            "size of a step, before the schedule; a third to a tenth of what AdamW wants"),
    HPO_OPT(REAL, struct lion, beta1, "beta1", "0.9", 0, 1, HPO_OPT_MAX_OPEN,
            "the running mean's share of a step"),
    HPO_OPT(REAL, struct lion, beta2, "beta2", "0.99", 0, 1, HPO_OPT_MAX_OPEN,
            "decay of the running mean of the gradient"),
    HPO_OPT(REAL, struct lion, weight_decay, "weight_decay", "0.0", 0, 1e3, 0,
            "share of every weight that is taken off, times the learning rate"),
    {0},
};

const struct optimizer_ops optimizer_lion = {
    .plugin = {"lion", "steps of one size in the direction of the momentum (Chen et al. 2023)",
               sizeof(struct lion), options},
    .kind = KN_LION,
    .lower = lower,
    .lr = lr,
};
