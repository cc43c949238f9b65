/* Focal loss in its softmax form: Lin et al., "Focal Loss for Dense Object Detection", 2017.
 *
 * alpha is one factor for all classes. torchvision's 0.25 belongs to the two-class form, where it
 * weighs one class against the other; here it would only scale the learning rate, so it is 1. */
#include "trainer/losses/weights.h"

struct focal {
    double gamma, alpha, label_smoothing;
    struct loss_weights weights;
};

static void lower(const void *opts, struct kn_loss *ret)
{
    const struct focal *o = opts;

    *ret = (struct kn_loss){.kind = KN_FOCAL,
                            .smoothing = (float)o->label_smoothing,
                            .gamma = (float)o->gamma,
                            .alpha = (float)o->alpha};
}

static const struct loss_weights *weights(const void *opts)
{
    return &((const struct focal *)opts)->weights;
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct focal, gamma, "gamma", "2.0", 0, 10, 0,
            "how strongly well classified images are played down; 0 is cross entropy"),
    HPO_OPT(REAL, struct focal, alpha, "alpha", "1.0", 0, 100, HPO_OPT_MIN_OPEN,
            "factor on the loss of every class"),
    HPO_OPT(REAL, struct focal, label_smoothing, "label_smoothing", "0.0", 0, 1, HPO_OPT_MAX_OPEN,
            "share of the target spread evenly over all classes"),
    CLASS_WEIGHT_OPTS(struct focal, weights),
    {0},
};

const struct loss_ops loss_focal = {
    .plugin = {"focal", "focal loss, softmax form (Lin et al. 2017)", sizeof(struct focal),
               options},
    .lower = lower,
    .weights = weights,
};
