/* trainer/losses/weights.h - the weights of classes, options that every loss has. */
#ifndef HPO_TRAINER_LOSSES_WEIGHTS_H
#define HPO_TRAINER_LOSSES_WEIGHTS_H

#include "trainer/loss.h"

#define CLASS_WEIGHT_OPTS(S, F)                                                      \
    HPO_OPT_NUMBERS_OR(                                                              \
        S, F.weights, "class_weights", "none", "none|balanced|effective", 0, 1e6,    \
        HPO_OPT_MIN_OPEN,                                                            \
        "factor on the loss of each class: none, balanced (n / (classes * images "   \
        "of the class), scikit-learn's), effective (Cui et al. 2019), or a list in " \
        "the order of the classes"),                                                 \
        HPO_OPT(                                                                     \
            REAL, S, F.beta, "effective_beta", "0.999", 0, 1, HPO_OPT_MAX_OPEN,      \
            "class_weights: effective counts (1 - beta^n) / (1 - beta) images of a class with n")

#endif
