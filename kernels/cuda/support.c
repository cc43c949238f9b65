/* What the CPU backend does and this one does not do yet: refused, with its name, where it would
 * first make a difference. */
#include "kernels/cuda/plan.h"

static int refuse(struct hpo_err *err, const char *name, const char *what)
{
    return hpo_fail(err, HPO_ECONFIG, "%s%s%s cannot be trained on a GPU yet (devices.use: cpu)",
                    name ? name : "", name ? ": " : "", what);
}

static const char *strange_op(const struct kn_net *net, const struct kn_op *op)
{
    static const char *const kinds[KN_N_KINDS] = {
        [KN_DEPTHWISE] = "a depthwise convolution",
        [KN_ACT] = "an activation other than ReLU",
        [KN_SCALE] = "squeeze-and-excite",
        [KN_DROP_PATH] = "stochastic depth",
        [KN_MULTIPLY] = "a factor",
    };

    if (kinds[op->kind])
        return kinds[op->kind];
    if (op->kind == KN_MAX_POOL && op->pad)
        return "a pool with padding";
    if (op->kind == KN_DROPOUT && op->layer != op->rate)
        return "a dropout rate that several layers share";
    return net->tensor[op->out].samples > 1 ? "multi-sample dropout" : NULL;
}

int cu_check_support(const struct kn_plan_desc *d, struct hpo_err *err)
{
    for (int i = 0; i < d->net->n_ops; i++) {
        const char *what = strange_op(d->net, &d->net->op[i]);

        if (what)
            return refuse(err, d->net->op[i].name, what);
    }
    if (d->optim != KN_SGD && d->optim != KN_ADAMW)
        return refuse(err, NULL, "an optimizer other than sgd and adamw");
    if (d->averaged)
        return refuse(err, NULL, "average weights");
    if (d->accumulate)
        return refuse(err, NULL, "accumulated gradients");
    return d->freeze ? refuse(err, NULL, "a network with frozen layers") : HPO_OK;
}

static bool plain(const struct kn_augment *a)
{
    return a->flip <= KN_FLIP_ALTERNATING && !a->fill && !a->vertical_flip && !a->resized_crop &&
           !(a->rotation > 0) && !(a->brightness > 0) && !(a->contrast > 0) &&
           !(a->saturation > 0) && !(a->hue > 0) && !(a->erasing > 0) && !a->cutout;
}

int cu_check_hyper_support(const struct kn_hyper *h, struct hpo_err *err)
{
    if (!plain(&h->augment))
        return refuse(err, NULL, "augmentation beyond flips and a padded crop");
    if (h->class_weights)
        return refuse(err, NULL, "a loss with class weights");
    if (h->mirror)
        return refuse(err, NULL, "evaluation on mirrored images");
    if (h->factors)
        return refuse(err, NULL, "a parameter with a rate of its own");
    if (h->optim.keep_vectors)
        return refuse(err, NULL, "decay that leaves biases alone");
    if (h->optim.clip > 0)
        return refuse(err, NULL, "clipped gradients");
    return h->optim.backbone_lr > 0 ? refuse(err, NULL, "a backbone with a rate of its own")
                                    : HPO_OK;
}

int cu_check_batch_support(const struct kn_batch *b, int models, struct hpo_err *err)
{
    for (int m = 0; m < models; m++) {
        if (b[m].n && b[m].mix.kind != KN_MIX_NONE)
            return refuse(err, NULL, "mixed images");
        if (b[m].n && b[m].momentum > 0)
            return refuse(err, NULL, "a momentum that changes");
        if (b[m].n && b[m].adopt)
            return refuse(err, NULL, "Lookahead");
    }
    return HPO_OK;
}
