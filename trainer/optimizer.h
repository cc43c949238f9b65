/* trainer/optimizer.h - an optimizer of the study file, as the numbers that kernels take. */
#ifndef HPO_TRAINER_OPTIMIZER_H
#define HPO_TRAINER_OPTIMIZER_H

#include "base/opt.h"
#include "kernels/math/optim.h"

struct optimizer_ops {
    struct hpo_plugin plugin;
    enum kn_optim_kind kind;
    void (*lower)(const void *opts, struct kn_optim *ret);
    double (*lr)(const void *opts); /* the base learning rate, which a schedule scales */
};

extern const struct optimizer_ops *const optimizer_registry[]; /* NULL ends it */

#endif
