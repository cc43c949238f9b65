/* trainer/oof.h - inside the trainer: the predictions of a training that is running.
 *
 * Each fold's predictions of the epoch that counts so far lie in the trial's folder, a file a fold
 * and epoch: `oof-FOLD-EPOCH` (trainer/oof_file.h), written when the epoch is done and before the
 * checkpoint that knows of it. A file is removed when neither the checkpoint nor the one before it
 * can need it: so whichever of the two a training goes on from, its files are there. At the end
 * they are put together as tr_job.oof, and removed. */
#ifndef HPO_TRAINER_OOF_H
#define HPO_TRAINER_OOF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "trainer/checkpoint.h"

struct tr_run;

/* Epochs whose files are there; -1: none. */
struct oof_epochs {
    int now;    /* of the checkpoint, */
    int before; /* of the one before it, when that is another, */
    int next;   /* of the checkpoint that is to be written */
};

struct oof_run {
    struct oof_epochs fold[CKPT_MAX_FOLDS];
    uint8_t *bytes; /* room for the file of the largest fold */
    bool joined;    /* an earlier attempt has written tr_job.oof */
};

/* After run_init's other parts. rows: of the largest fold. Nothing is kept when tr_job.oof is NULL:
 * then all of these do nothing. */
int run_oof_init(struct tr_run *r, int64_t rows, struct hpo_err *err);
void run_oof_release(struct tr_run *r);

/* The epoch that counts among the first `epochs` of a fold, whose rows of the curve are filled: the
 * best, or the last (tr_job.last_epoch). -1 when epochs is 0. */
int run_counts(const struct tr_run *r, int fold, int epochs);

/* The members have done r->place.epoch, and their rows are written. */
int run_oof_keep(struct tr_run *r, struct hpo_err *err);
/* A checkpoint was written. */
void run_oof_saved(struct tr_run *r);
/* A checkpoint was read, or there is none. *ret_whole false: predictions that it needs are gone or
 * damaged, it cannot be gone on from. */
int run_oof_resume(struct tr_run *r, bool *ret_whole, struct hpo_err *err);
/* All folds are done. */
int run_oof_join(struct tr_run *r, struct hpo_err *err);

#endif
