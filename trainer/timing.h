/* trainer/timing.h - inside the trainer: how long things took, beside the checkpoint.
 *
 * Kept apart so that the checkpoint is the same bytes however often a training was stopped. Losing
 * this file loses no result: what it does not have counts as 0 seconds. */
#ifndef HPO_TRAINER_TIMING_H
#define HPO_TRAINER_TIMING_H

#include "trainer/checkpoint.h"

struct timing {
    double total;   /* seconds of every attempt so far */
    double partial; /* seconds of training in the epoch that is under way */
    double *row;    /* for each row of the curve: seconds, images per second */
};

/* dir/timing. Failure is ignored: a full disk shows itself at the checkpoint. */
void timing_save(const struct ckpt_shape *s, const char *dir, struct ckpt_place place,
                 const struct timing *t);
/* What is known about the place; the rest of *ret is zeroed. */
void timing_load(const struct ckpt_shape *s, const char *dir, struct ckpt_place place,
                 struct timing *ret);

#endif
