/* trainer/loss.h - a loss of the study file, turned into the numbers that kernels take. */
#ifndef HPO_TRAINER_LOSS_H
#define HPO_TRAINER_LOSS_H

#include "base/opt.h"
#include "kernels/math/loss.h"

struct loss_ops {
    struct hpo_plugin plugin;
    void (*lower)(const void *opts, struct kn_loss *ret);
};

extern const struct loss_ops *const loss_registry[]; /* NULL ends it */

#endif
