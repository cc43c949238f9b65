/* trainer/timing.h - inside the trainer: how long things took, beside the checkpoint.
 *
 * Kept apart so that the checkpoint is the same bytes however often a training was stopped. Losing
 * this file loses no result: what it does not have counts as 0 seconds. */
#ifndef HPO_TRAINER_TIMING_H
#define HPO_TRAINER_TIMING_H

#include "trainer/checkpoint.h"

struct timing {
    double total;                   /* seconds of every attempt so far */
    double partial[CKPT_MAX_FOLDS]; /* seconds of training in the fold's epoch under way */
    double *row;                    /* (folds, epochs, 2): seconds, images per second */
};

/* dir/timing. Failure is ignored: a full disk shows itself at the checkpoint. */
void timing_save(const struct ckpt_shape *s, const char *dir, const struct ckpt_place *place,
                 const struct timing *t);
/* What is known about these places (one for each fold); the rest of *ret is zeroed. */
void timing_load(const struct ckpt_shape *s, const char *dir, const struct ckpt_place *place,
                 struct timing *ret);

#endif
