/* RMSprop, not centered: torch.optim.RMSprop. Tieleman and Hinton, 2012. */
#include "trainer/optimizer.h"

struct rmsprop {
    double lr, alpha, eps, momentum, weight_decay;
};

static void lower(const void *opts, struct kn_optim *ret)
{
    const struct rmsprop *o = opts;

    *ret = (struct kn_optim){.kind = KN_RMSPROP,
                             .weight_decay = (float)o->weight_decay,
                             .momentum = (float)o->momentum,
                             .beta2 = (float)o->alpha,
                             .eps = (float)o->eps};
}

static double lr(const void *opts)
{
    return ((const struct rmsprop *)opts)->lr;
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct rmsprop, lr, "lr", "0.01", 0, 1e9, 0,
            "learning rate, before the schedule"),
    HPO_OPT(REAL, struct rmsprop, alpha, "alpha", "0.99", 0, 1, HPO_OPT_MAX_OPEN,
            "decay of the running mean of the gradient's square"),
    HPO_OPT(REAL, struct rmsprop, eps, "eps", "1e-8", 0, 1, HPO_OPT_MIN_OPEN,
            "added to the denominator"),
    HPO_OPT(REAL, struct rmsprop, momentum, "momentum", "0.0", 0, 1, HPO_OPT_MAX_OPEN,
            "share of the last step that is kept"),
    HPO_OPT(REAL, struct rmsprop, weight_decay, "weight_decay", "0.0", 0, 1e3, 0,
            "L2 penalty, added to the gradient"),
    {0},
};

const struct optimizer_ops optimizer_rmsprop = {
    .plugin = {"rmsprop", "gradients divided by their running size (torch.optim.RMSprop)",
               sizeof(struct rmsprop), options},
    .kind = KN_RMSPROP,
    .lower = lower,
    .lr = lr,
};
