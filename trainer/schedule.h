/* trainer/schedule.h - the learning rate over time. */
#ifndef HPO_TRAINER_SCHEDULE_H
#define HPO_TRAINER_SCHEDULE_H

#include "base/opt.h"

struct schedule_ops {
    struct hpo_plugin plugin;

    /* The factor on the base rate. t: epochs done when the step begins, a fraction inside an epoch
     * (step / steps of an epoch); epochs: of the whole training. Every schedule has the option
     * warmup_epochs (trainer/schedules/warmup.h). */
    double (*factor)(const void *opts, double t, double epochs);
};

extern const struct schedule_ops *const schedule_registry[]; /* NULL ends it */

#endif
