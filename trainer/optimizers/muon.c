/* Muon: momentum whose matrices are made orthogonal. Jordan et al., 2024; torch.optim.Muon. A
 * convolution is a matrix of its output channels; everything that is no matrix, and the last layer,
 * gets AdamW. */
#include "trainer/optimizer.h"

struct muon {
    double lr, momentum, weight_decay, other_lr, beta1, beta2, eps;
    int ns_steps;
    bool nesterov;
};

static void lower(const void *opts, struct kn_optim *ret)
{
    const struct muon *o = opts;

    *ret = (struct kn_optim){.kind = KN_MUON,
                             .weight_decay = (float)o->weight_decay,
                             .momentum = (float)o->momentum,
                             .nesterov = o->nesterov,
                             .beta1 = (float)o->beta1,
                             .beta2 = (float)o->beta2,
                             .eps = (float)o->eps,
                             .other_lr = (float)(o->lr > 0 ? o->other_lr / o->lr : 1),
                             .ns_steps = o->ns_steps};
}

static double lr(const void *opts)
{
    return ((const struct muon *)opts)->lr;
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct muon, lr, "lr", "0.02", 0, 1e9, 0,
            "learning rate of matrices, before the schedule"),
    HPO_OPT(REAL, struct muon, momentum, "momentum", "0.95", 0, 1, HPO_OPT_MAX_OPEN,
            "share of the running mean of the gradient that is kept"),
    HPO_OPT(BOOL, struct muon, nesterov, "nesterov", "true", 0, 0, 0, "Nesterov's momentum"),
    HPO_OPT(REAL, struct muon, weight_decay, "weight_decay", "0.1", 0, 1e3, 0,
            "share of every weight that is taken off, times the learning rate"),
    HPO_OPT(INT, struct muon, ns_steps, "ns_steps", "5", 1, 99, 0, "Newton-Schulz iterations"),
    HPO_OPT(REAL, struct muon, other_lr, "other_lr", "0.001", 0, 1e9, HPO_OPT_MIN_OPEN,
            "learning rate of what is no matrix, and of the last layer (AdamW)"),
    HPO_OPT(REAL, struct muon, beta1, "beta1", "0.9", 0, 1, HPO_OPT_MAX_OPEN, "of AdamW"),
    HPO_OPT(REAL, struct muon, beta2, "beta2", "0.999", 0, 1, HPO_OPT_MAX_OPEN, "of AdamW"),
    HPO_OPT(REAL, struct muon, eps, "eps", "1e-8", 0, 1, HPO_OPT_MIN_OPEN, "of AdamW"),
    {0},
};

const struct optimizer_ops optimizer_muon = {
    .plugin = {"muon", "momentum made orthogonal, for matrices and convolutions (torch.optim.Muon)",
               sizeof(struct muon), options},
    .kind = KN_MUON,
    .lower = lower,
    .lr = lr,
};
