/* trainer/models/torchvision_resnet.h - the residual networks for large pictures (He et al. 2015),
 * as torchvision builds and names them (version 1.5: a bottleneck strides in its 3x3 convolution).
 */
#ifndef HPO_TRAINER_MODELS_TORCHVISION_RESNET_H
#define HPO_TRAINER_MODELS_TORCHVISION_RESNET_H

#include "trainer/models/parts.h"

struct torchvision_resnet {
    int width, stem;
    double stochastic_depth;
    struct model_head head;
};

#define TORCHVISION_RESNET_OPTS(S)                                                               \
    HPO_OPT(                                                                                     \
        INT, S, width, "width", "64", 1, 1024, 0,                                                \
        "channels of the first group of blocks; the next three have 2, 4 and 8 times as many"),  \
        HPO_OPT_WORDS(                                                                           \
            S, stem, "stem", "auto", "imagenet|small|auto", 0,                                   \
            "imagenet: a 7x7 convolution and a pool, which quarter the picture; small: a "       \
            "3x3 convolution; auto: small up to 64 pixels"),                                     \
        HPO_OPT(REAL, S, stochastic_depth, "stochastic_depth", "0.0", 0, 1, HPO_OPT_MAX_OPEN,    \
                "share of the images for which the last block is skipped; earlier blocks less"), \
        HEAD_OPTS(S, head, "0.0"),                                                               \
    {                                                                                            \
        0                                                                                        \
    }

/* blocks: of each of the four groups. */
void torchvision_resnet_build(const struct torchvision_resnet *o, const struct model_input *in,
                              const int blocks[4], bool bottleneck, struct kn_net *ret);

#endif
