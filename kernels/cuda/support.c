/* What the CPU backend does and this one does not do yet: refused, with its name, where it would
 * first make a difference. */
#include "kernels/cuda/plan.h"

static int refuse(struct hpo_err *err, const char *what)
{
    return hpo_fail(err, HPO_ECONFIG, "%s cannot be trained on a GPU yet (devices.use: cpu)", what);
}

int cu_check_support(const struct kn_plan_desc *d, struct hpo_err *err)
{
    for (int i = 0; i < d->net->n_ops; i++)
        if (d->net->op[i].kind == KN_MULTIPLY)
            return refuse(err, "a network with a factor between layers");
    if (d->optim != KN_SGD && d->optim != KN_ADAMW)
        return refuse(err, "an optimizer other than sgd and adamw");
    if (d->averaged)
        return refuse(err, "average weights");
    if (d->accumulate)
        return refuse(err, "accumulated gradients");
    return d->freeze ? refuse(err, "a network with frozen layers") : HPO_OK;
}

int cu_check_hyper_support(const struct kn_hyper *h, struct hpo_err *err)
{
    if (h->class_weights)
        return refuse(err, "a loss with class weights");
    if (h->mirror)
        return refuse(err, "evaluation on mirrored images");
    if (h->factors)
        return refuse(err, "a parameter with a rate of its own");
    if (h->optim.keep_vectors)
        return refuse(err, "decay that leaves biases alone");
    if (h->optim.clip > 0)
        return refuse(err, "clipped gradients");
    return h->optim.backbone_lr > 0 ? refuse(err, "a backbone with a rate of its own") : HPO_OK;
}

int cu_check_batch_support(const struct kn_batch *b, int models, struct hpo_err *err)
{
    for (int m = 0; m < models; m++) {
        if (b[m].n && b[m].mix.kind != KN_MIX_NONE)
            return refuse(err, "mixed images");
        if (b[m].n && b[m].momentum > 0)
            return refuse(err, "a momentum that changes");
        if (b[m].n && b[m].adopt)
            return refuse(err, "Lookahead");
    }
    return HPO_OK;
}
