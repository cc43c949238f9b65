/* Cross entropy over logits: torch.nn.CrossEntropyLoss with label_smoothing. */
#include "trainer/losses/weights.h"

struct cross_entropy {
    double label_smoothing;
    struct loss_weights weights;
};

static void lower(const void *opts, struct kn_loss *ret)
{
    const struct cross_entropy *o = opts;

    *ret = (struct kn_loss){
        .kind = KN_CROSS_ENTROPY, .smoothing = (float)o->label_smoothing, .alpha = 1.0f};
}

static const struct loss_weights *weights(const void *opts)
{
    return &((const struct cross_entropy *)opts)->weights;
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct cross_entropy, label_smoothing, "label_smoothing", "0.0", 0, 1,
            HPO_OPT_MAX_OPEN, "share of the target spread evenly over all classes"),
    CLASS_WEIGHT_OPTS(struct cross_entropy, weights),
    {0},
};

const struct loss_ops loss_cross_entropy = {
    .plugin = {"cross_entropy", "cross entropy (torch.nn.CrossEntropyLoss)",
               sizeof(struct cross_entropy), options},
    .lower = lower,
    .weights = weights,
};
