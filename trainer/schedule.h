/* trainer/schedule.h - the learning rate over time, and with some schedules the momentum. */
#ifndef HPO_TRAINER_SCHEDULE_H
#define HPO_TRAINER_SCHEDULE_H

#include <stddef.h>

#include "base/opt.h"

/* The beginning of a training step, and what is known of the fold by then. */
struct schedule_at {
    double t;      /* epochs done, a fraction inside an epoch */
    double epochs; /* of the whole training */
    double step;   /* what a step adds to t */

    /* The finished epochs of the fold, floor(t) of them. Value i lies at [i * stride]. */
    const double *objective, *train_loss;
    size_t stride;
    bool maximize; /* a larger objective is better */
};

struct schedule_ops {
    struct hpo_plugin plugin;

    /* The factor on the base rate: a pure function. Every schedule has the option warmup_epochs
     * (trainer/schedules/warmup.h). */
    double (*factor)(const void *opts, const struct schedule_at *at);

    /* Optional: the momentum of the step, where the optimizer has one; 0: its own. */
    double (*momentum)(const void *opts, const struct schedule_at *at);
};

extern const struct schedule_ops *const schedule_registry[]; /* NULL ends it */

#endif
