/* trainer/averaging.h - moving averages of the weights, which are what is evaluated. */
#ifndef HPO_TRAINER_AVERAGING_H
#define HPO_TRAINER_AVERAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/opt.h"

/* The end of an optimizer step. */
struct averaging_at {
    int64_t updates;   /* optimizer steps done, this one included */
    int64_t total;     /* of the whole training */
    int epoch, epochs; /* the one at hand, from 0; of the whole training */
    bool last;         /* of its epoch */
};

struct averaging_ops {
    struct hpo_plugin plugin;
    bool averages; /* false: the weights themselves are evaluated */
    /* average <- average * decay + (1 - decay) * now; 1: stays as it is, 0: becomes what is now. */
    double (*decay)(const void *opts, const struct averaging_at *at);
    /* Does an epoch end with average weights whose batch norm statistics are not their own? Then
     * they are taken anew, over the training images. */
    bool (*estimates)(const void *opts, int epoch, int epochs);
    /* Optional: do weights and statistics then become what their average is? */
    bool (*adopts)(const void *opts, const struct averaging_at *at);
};

extern const struct averaging_ops *const averaging_registry[]; /* NULL ends it */

#endif
