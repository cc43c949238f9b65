/* trainer/preview.h - what a network would see in training: some images through some epochs, as the
 * backend gathers, augments and mixes them, out of the very batches that training makes. */
#ifndef HPO_TRAINER_PREVIEW_H
#define HPO_TRAINER_PREVIEW_H

#include "trainer/trainer.h"

/* An image in one epoch. */
struct tr_view {
    int step;      /* of the batch that it is in; -1: in none, it was left over */
    int32_t other; /* the image that it is mixed with */
    struct kn_mix mix;
};

struct tr_preview {
    int n, epochs, h, w;
    int32_t *image;       /* (n): rows of the data set; those that epoch 0 begins with */
    struct tr_view *view; /* (epochs, n) */
    float *pixels;        /* (epochs, n, 3, h, w), the normalisation undone: nominally in [0, 1].
                             Zeros where step is -1 */
};

/* Of a fold of the job, with at most n images and the first `epochs` of its epochs. The session's
 * backend must be one that shows batches. The job's dir and its callbacks are not used. Release
 * *ret in any case. */
int tr_preview(struct tr_session *s, const struct tr_job *job, int fold, int n, int epochs,
               struct tr_preview *ret, struct hpo_err *err);
void tr_preview_release(struct tr_preview *p);

#endif
