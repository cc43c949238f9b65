/* trainer/schedules/warmup.h - the option that every schedule has.
 *
 * As in torchvision's training reference (a LinearLR and the main schedule in a SequentialLR): the
 * factor climbs in a straight line from 0.01 to 1 over the first warmup_epochs, then the schedule
 * proper begins and has the remaining epochs for its own. Here the line is followed step by step
 * instead of epoch by epoch. */
#ifndef HPO_TRAINER_SCHEDULES_WARMUP_H
#define HPO_TRAINER_SCHEDULES_WARMUP_H

#include "trainer/schedule.h"

#define WARMUP_START 0.01

#define WARMUP_OPT(S)                                                                         \
    HPO_OPT(REAL, S, warmup_epochs, "warmup_epochs", "0", 0, 100000, 0,                       \
            "epochs over which the rate climbs from a hundredth to its full value; may be a " \
            "fraction")

/* true: it is the warm-up and *ret is its factor. */
static inline bool warmup(double warmup_epochs, const struct schedule_at *at, double *ret)
{
    if (at->t >= warmup_epochs)
        return false;
    *ret = WARMUP_START + (1.0 - WARMUP_START) * at->t / warmup_epochs;
    return true;
}

#endif
