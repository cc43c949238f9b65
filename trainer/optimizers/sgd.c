/* Stochastic gradient descent: torch.optim.SGD with dampening 0. */
#include "trainer/optimizer.h"

struct sgd {
    double lr, momentum, weight_decay;
    bool nesterov;
};

static void lower(const void *opts, struct kn_optim *ret)
{
    const struct sgd *o = opts;

    /* Nesterov's step looks ahead along the momentum; without momentum there is nothing to look
     * along, and the step is the plain one. PyTorch refuses the combination; a search that may
     * draw momentum 0 should not lose a trial to it. */
    *ret = (struct kn_optim){.kind = KN_SGD, .weight_decay = (float)o->weight_decay,
                             .momentum = (float)o->momentum,
                             .nesterov = o->nesterov && o->momentum > 0};
}

static double lr(const void *opts)
{
    return ((const struct sgd *)opts)->lr;
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct sgd, lr, "lr", "0.1", 0, 1e9, 0,
            "learning rate, before the schedule (PyTorch has no default for it here)"),
    HPO_OPT(REAL, struct sgd, momentum, "momentum", "0.0", 0, 1, HPO_OPT_MAX_OPEN,
            "share of the last step that is kept"),
    HPO_OPT(BOOL, struct sgd, nesterov, "nesterov", "false", 0, 0, 0,
            "Nesterov's momentum; without momentum it changes nothing"),
    HPO_OPT(REAL, struct sgd, weight_decay, "weight_decay", "0.0", 0, 1e3, 0,
            "L2 penalty, added to the gradient of every weight"),
    {0},
};

const struct optimizer_ops optimizer_sgd = {
    .plugin = {"sgd", "stochastic gradient descent with momentum (torch.optim.SGD)",
               sizeof(struct sgd), options},
    .kind = KN_SGD,
    .lower = lower,
    .lr = lr,
};
