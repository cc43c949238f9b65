/* kernels/math/dropout.h - which elements a dropout keeps: a pure function of (seed, fold, layer,
 * step, row, pixel, channel), the same on every device and in the backward pass.
 *
 * torch.nn.Dropout: inverted, y = keep ? x / (1 - rate) : 0. */
#ifndef HPO_KERNELS_MATH_DROPOUT_H
#define HPO_KERNELS_MATH_DROPOUT_H

#include "kernels/math/hash.h"

/* The words of four neighbouring channels of one pixel; word i (x, y, z, w) belongs to channel
 * 4 * (quad % quads) + i, where quads = ceil(channels / 4) and
 * quad = ((row * height + y) * width + x) * quads + channel / 4. layer: kn_op.layer. */
HPO_HD struct kn_u4 kn_dropout_words(uint64_t seed, int fold, int layer, uint32_t step,
                                     uint32_t quad)
{
    return kn_hash(seed, KN_FOR_DROPOUT + ((uint32_t)layer << 8), (uint32_t)fold, step, quad);
}

/* Stochastic depth (Huang et al. 2016; torchvision.ops.stochastic_depth, mode "row"): what row
 * `row` of a branch is multiplied by, 0 or 1 / (1 - rate). layer: kn_op.layer. */
HPO_HD float kn_drop_path_factor(uint64_t seed, int fold, int layer, uint32_t step, uint32_t row,
                                 float rate)
{
    struct kn_u4 h;

    if (rate <= 0.0f)
        return 1.0f;
    h = kn_hash(seed, KN_FOR_DROP_PATH + ((uint32_t)layer << 8), (uint32_t)fold, step, row);
    return h.x < kn_threshold(rate) ? 0.0f : 1.0f / (1.0f - rate);
}

/* An element is dropped when its word is below this. */
HPO_HD uint32_t kn_dropout_threshold(float rate)
{
    return kn_threshold(rate);
}

#endif
