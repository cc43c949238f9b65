/* trainer/loss.h - a loss of the study file, turned into the numbers that kernels take. */
#ifndef HPO_TRAINER_LOSS_H
#define HPO_TRAINER_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/opt.h"
#include "kernels/math/loss.h"

/* Options of every loss: see trainer/losses/weights.h. */
struct loss_weights {
    const char *weights; /* "balanced", "1,2.5" */
    double beta;
};

struct loss_ops {
    struct hpo_plugin plugin;
    void (*lower)(const void *opts, struct kn_loss *ret);
    const struct loss_weights *(*weights)(const void *opts);
};

extern const struct loss_ops *const loss_registry[]; /* NULL ends it */

/* The factor of each class from the number of its training images, mean 1 over the images for
 * balanced, over the classes for effective. *ret_any false: none is wanted, ret is not written.
 * HPO_ECONFIG: a list of another length. */
int tr_class_weights(const struct loss_weights *w, const int64_t *counts, int classes, float *ret,
                     bool *ret_any, struct hpo_err *err);

#endif
