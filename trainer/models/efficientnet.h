/* trainer/models/efficientnet.h - EfficientNet (Tan and Le 2019) as torchvision builds and names
 * it. */
#ifndef HPO_TRAINER_MODELS_EFFICIENTNET_H
#define HPO_TRAINER_MODELS_EFFICIENTNET_H

#include "trainer/models/parts.h"

struct efficientnet {
    double width_mult, depth_mult, stochastic_depth;
    int stem;
    struct model_head head;
};

#define EFFICIENTNET_OPTS(S, WIDTH, DEPTH, DROPOUT)                                              \
    HPO_OPT(REAL, S, width_mult, "width_mult", WIDTH, 0.1, 8, 0, "factor on all channels"),      \
        HPO_OPT(REAL, S, depth_mult, "depth_mult", DEPTH, 0.1, 8, 0,                             \
                "factor on the blocks of each stage"),                                           \
        HPO_OPT_WORDS(S, stem, "stem", "auto", "imagenet|small|auto", 0,                         \
                      "imagenet: the first convolution halves the picture; small: it does not; " \
                      "auto: small up to 64 pixels"),                                            \
        HPO_OPT(REAL, S, stochastic_depth, "stochastic_depth", "0.2", 0, 1, HPO_OPT_MAX_OPEN,    \
                "share of the images for which the last block is skipped; earlier blocks less"), \
        HEAD_OPTS(S, head, DROPOUT),                                                             \
    {                                                                                            \
        0                                                                                        \
    }

void efficientnet_build(const struct efficientnet *o, const struct model_input *in,
                        struct kn_net *ret);
bool efficientnet_timm_name(const char *name, char *ret);

#endif
