/* Adam, its decay added to the gradient: torch.optim.Adam. Kingma and Ba, 2014. */
#include "trainer/optimizer.h"

struct adam {
    double lr, beta1, beta2, eps, weight_decay;
};

static void lower(const void *opts, struct kn_optim *ret)
{
    const struct adam *o = opts;

    *ret = (struct kn_optim){.kind = KN_ADAM,
                             .weight_decay = (float)o->weight_decay,
                             .beta1 = (float)o->beta1,
                             .beta2 = (float)o->beta2,
                             .eps = (float)o->eps};
}

static double lr(const void *opts)
{
    return ((const struct adam *)opts)->lr;
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct adam, lr, "lr", "0.001", 0, 1e9, 0, "learning rate, before the schedule"),
    HPO_OPT(REAL, struct adam, beta1, "beta1", "0.9", 0, 1, HPO_OPT_MAX_OPEN,
            "decay of the running mean of the gradient"),
    HPO_OPT(REAL, struct adam, beta2, "beta2", "0.999", 0, 1, HPO_OPT_MAX_OPEN,
            "decay of the running mean of its square"),
    HPO_OPT(REAL, struct adam, eps, "eps", "1e-8", 0, 1, HPO_OPT_MIN_OPEN,
            "added to the denominator"),
    HPO_OPT(REAL, struct adam, weight_decay, "weight_decay", "0.0", 0, 1e3, 0,
            "L2 penalty, added to the gradient"),
    {0},
};

const struct optimizer_ops optimizer_adam = {
    .plugin = {"adam", "Adam with an L2 penalty (torch.optim.Adam)", sizeof(struct adam), options},
    .kind = KN_ADAM,
    .lower = lower,
    .lr = lr,
};
