/* trainer/mixing.h - augmentation as an option table has it, in the terms of kernels/: what happens
 * to images, and which batches are mixed.
 *
 * Mixup: Zhang et al., 2018. CutMix: Yun et al., 2019. Both as timm's Mixup in its "batch" mode:
 * one draw a batch, row i with row n - 1 - i. */
#ifndef HPO_TRAINER_MIXING_H
#define HPO_TRAINER_MIXING_H

#include "trainer/config.h"

/* HPO_ECONFIG: a range whose ends are the wrong way round. */
int tr_augment_lower(const struct tr_augment_opts *o, struct kn_augment *ret, struct hpo_err *err);

/* How the batch of this step is mixed; h, w: of the images. A pure function of its arguments. */
struct kn_mix tr_mix(const struct tr_augment_opts *o, uint64_t seed, int fold, uint32_t step, int h,
                     int w);

#endif
