/* kernels/math/augment.h - what happens to an image on its way into a batch, decided by integers
 * alone: a pure function of (seed, fold, epoch, image), the same on every device.
 *
 * torchvision's RandomCrop(size, padding) with black borders and RandomHorizontalFlip(0.5). */
#ifndef HPO_KERNELS_MATH_AUGMENT_H
#define HPO_KERNELS_MATH_AUGMENT_H

#include "kernels/math/hash.h"

struct kn_augment {
    int flip;         /* 1: mirror left-right with probability 1/2 */
    int crop_padding; /* pixels of black border on each side, then a random crop of the old size */
};

struct kn_placement {
    int flip;   /* mirror the crop */
    int dx, dy; /* source column = column + dx (before the flip), row likewise; outside: black */
};

HPO_HD struct kn_placement kn_place(struct kn_augment a, uint64_t seed, int fold, uint32_t epoch,
                                    uint32_t image)
{
    struct kn_u4 h = kn_hash(seed, KN_FOR_AUGMENT, (uint32_t)fold, epoch, image);
    struct kn_placement p;

    p.flip = a.flip ? (int)(h.x >> 31) : 0;
    p.dx = a.crop_padding ? (int)kn_below(h.y, 2u * (uint32_t)a.crop_padding + 1) - a.crop_padding : 0;
    p.dy = a.crop_padding ? (int)kn_below(h.z, 2u * (uint32_t)a.crop_padding + 1) - a.crop_padding : 0;
    return p;
}

/* A pixel as the network sees it. The black border is pixel value 0. */
HPO_HD float kn_normalise(int pixel, float mean, float std)
{
    return ((float)pixel / 255.0f - mean) / std;
}

#endif
