/* trainer/checkpoint.h - inside the trainer: the state of a training as one block of bytes, and its
 * two generations on disk.
 *
 * The bytes are a function of the job and of the place that it has reached, and of nothing else: no
 * clock, no process, no attempt. A training that was stopped and one that was not leave the same
 * file. (How long things took is kept beside it, trainer/timing.h.)
 *
 *   0    magic "HPOCKPT1"
 *   8    u64 length of the whole
 *   16   16 bytes fingerprint of the job
 *   32   u32 groups, models, epochs, metrics, slots, then group, epoch, step: the place
 *   64   u64 weights, buffers (floats of a model)
 *   80   zero up to 128
 *   128  for each model of the group: weights, buffers, slots (f32), padded to 8 bytes
 *        for each model: f64 sum of the losses of this epoch's batches
 *        for each finished epoch, groups in order, for each model: f64 metrics, train loss
 *        16 bytes XXH3 of all before
 * Little-endian. A file is untrusted: every field must be what this job would have written, the
 * length must follow from the place, and the checksum is looked at before anything else is used. */
#ifndef HPO_TRAINER_CHECKPOINT_H
#define HPO_TRAINER_CHECKPOINT_H

#include <stdbool.h>

#include "kernels/backend.h"

/* What does not change during a job. */
struct ckpt_shape {
    uint8_t fingerprint[16];
    int groups, models, epochs; /* models train side by side, group after group */
    int steps;                  /* of an epoch, of the longest model */
    int metrics, slots;
    size_t weights, buffers;
};

/* A place in a job: this many groups, then epochs of this group, then steps of this epoch are done.
 * step may be `steps`: trained, not yet evaluated. After the last epoch, epoch == epochs. */
struct ckpt_place {
    int group, epoch, step;
};

/* An image of the file in memory, allocated once for the longest it gets. */
struct ckpt {
    struct ckpt_shape shape;
    uint8_t *bytes; /* owned */
    size_t capacity;
};

/* HPO_ENOMEM with the size. */
int ckpt_init(struct ckpt *c, const struct ckpt_shape *shape, struct hpo_err *err);
void ckpt_release(struct ckpt *c); /* a zeroed one is valid */

/* Where the state of a model of the group lies in the block: written to and read from in place. */
struct kn_state ckpt_state(const struct ckpt *c, int model);

/* The other parts, in host order. curve: (finished epochs) * models rows of metrics + 1 values. */
struct ckpt_rest {
    struct ckpt_place place;
    double *loss_sum; /* [models] */
    double *curve;    /* room for groups * epochs * models rows */
};
/* Rows of the curve at a place. */
size_t ckpt_rows(const struct ckpt_shape *s, struct ckpt_place p);

/* The states are in place already; put the rest around them. Returns the length. */
size_t ckpt_encode(struct ckpt *c, const struct ckpt_rest *rest);
/* n untrusted bytes -> c's states and *ret; both untouched unless it returns 0. HPO_EFORMAT with
 * the reason. */
int ckpt_decode(struct ckpt *c, const void *bytes, size_t n, struct ckpt_rest *ret,
                struct hpo_err *err);

/* dir/checkpoint, and dir/checkpoint.prev, the one before it: read when the newer one is not
 * there or not whole. */
int ckpt_save(struct ckpt *c, const char *dir, const struct ckpt_rest *rest, struct hpo_err *err);
/* *ret_found false, and 0: there is none that this job can go on from. It then starts from the
 * beginning, which gives the same bits. */
int ckpt_load(struct ckpt *c, const char *dir, struct ckpt_rest *ret, bool *ret_found,
              struct hpo_err *err);

#endif
