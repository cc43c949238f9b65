/* trainer/checkpoint.h - inside the trainer: the state of a training as a file, in two generations.
 *
 * The bytes are a function of the job, of the places that its folds have reached and of how much of
 * that was reported, and of nothing else: no clock, no process, no attempt, nor how many folds
 * train side by side, so that a training may go on with another number of them. A training that was
 * stopped and one that was not leave the same file. (How long things took is kept beside it,
 * trainer/timing.h.)
 *
 *   0    magic "HPOCKPT2"
 *   8    u64 length of the whole
 *   16   16 bytes fingerprint of the job
 *   32   u32 folds, epochs, metrics, slots
 *   48   u64 weights, buffers (floats of a model)
 *   64   u32 reports that were answered
 *   68   u32 1: states have averages
 *   72   zero up to 128
 *   128  for each fold: u32 epoch, step: its place
 *        for each fold that has a state (ckpt_keeps): weights, buffers, slots[, average weights,
 *        average buffers] (f32), padded to 8
 *        for each fold: f64 sum of the losses of its epoch's batches
 *        for each fold, for each of its finished epochs: f64 metrics, train loss
 *        16 bytes XXH3 of all before
 * Little-endian. A file is untrusted: every field must be what this job would have written, the
 * length must follow from the places, and the checksum is looked at before anything else is used.
 */
#ifndef HPO_TRAINER_CHECKPOINT_H
#define HPO_TRAINER_CHECKPOINT_H

#include <stdbool.h>

#include "kernels/backend.h"

#define CKPT_MAX_FOLDS 64

/* What does not change during a job. */
struct ckpt_shape {
    uint8_t fingerprint[16];
    int folds, epochs;
    int steps; /* of an epoch, of the longest fold */
    int metrics, slots;
    bool all; /* the state of every finished fold is kept; else the last fold's alone */
    size_t weights, buffers;
    bool averaged; /* states have average weights and buffers */
};

/* A place of a fold: this many epochs, then steps of the next one are done. step may be `steps`:
 * trained, not yet evaluated. After the last epoch, epoch == epochs and step is 0. */
struct ckpt_place {
    int epoch, step;
};

/* The states, each in a block of its own. */
struct ckpt {
    struct ckpt_shape shape;
    float *state[CKPT_MAX_FOLDS]; /* NULL: the fold has no block */
    float *spare[CKPT_MAX_FOLDS];
    int n_spare;
};

/* With blocks for so many folds at once. HPO_ENOMEM with the size. */
int ckpt_init(struct ckpt *c, const struct ckpt_shape *shape, int folds, struct hpo_err *err);
void ckpt_release(struct ckpt *c); /* a zeroed one is valid */

/* Does a file have the state of a fold at this place? Not of one that has not begun; of one that is
 * done, see ckpt_shape. */
bool ckpt_keeps(const struct ckpt_shape *s, int fold, struct ckpt_place p);
/* A block for the fold, of undefined content if it had none. HPO_ENOMEM. */
int ckpt_take(struct ckpt *c, int fold, struct hpo_err *err);
void ckpt_give(struct ckpt *c, int fold); /* its block may serve another */
/* Where the state of a fold that has a block lies: written to and read from in place. */
struct kn_state ckpt_state(const struct ckpt *c, int fold);

/* The other parts. */
struct ckpt_rest {
    struct ckpt_place place[CKPT_MAX_FOLDS];
    double loss_sum[CKPT_MAX_FOLDS];
    double *curve; /* (folds, epochs, metrics + 1); rows of epochs that are not done are not used */
    int told;      /* reports that were answered, in their order */
};

size_t ckpt_length(const struct ckpt_shape *s, const struct ckpt_rest *rest);
/* Into ckpt_length bytes. Folds that ckpt_keeps have blocks. */
void ckpt_encode(const struct ckpt *c, const struct ckpt_rest *rest, uint8_t *ret);
/* n untrusted bytes -> c's states and *ret; both untouched unless it returns 0. HPO_EFORMAT with
 * the reason, HPO_ENOMEM. */
int ckpt_decode(struct ckpt *c, const void *bytes, size_t n, struct ckpt_rest *ret,
                struct hpo_err *err);

/* dir/checkpoint, and dir/checkpoint.prev, the one before it: read when the newer one is not
 * there or not whole. */
int ckpt_save(const struct ckpt *c, const char *dir, const struct ckpt_rest *rest,
              struct hpo_err *err);
/* *ret_found false, and 0: there is none that this job can go on from. It then starts from the
 * beginning, which gives the same bits. */
int ckpt_load(struct ckpt *c, const char *dir, struct ckpt_rest *ret, bool *ret_found,
              struct hpo_err *err);

#endif
