/* kernels/math/hash.h - counter-based random bits for the inside of kernels: the same on every
 * device, replayable in the backward pass without storing a mask.
 *
 * pcg4d: Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020. */
#ifndef HPO_KERNELS_MATH_HASH_H
#define HPO_KERNELS_MATH_HASH_H

#include <stdint.h>

#include "base/compiler.h"

struct kn_u4 {
    uint32_t x, y, z, w;
};

HPO_HD struct kn_u4 kn_pcg4d(struct kn_u4 v)
{
    v.x = v.x * 1664525u + 1013904223u;
    v.y = v.y * 1664525u + 1013904223u;
    v.z = v.z * 1664525u + 1013904223u;
    v.w = v.w * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v.x ^= v.x >> 16;
    v.y ^= v.y >> 16;
    v.z ^= v.z >> 16;
    v.w ^= v.w >> 16;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

/* Purposes keep the streams of one seed apart. Those of augmentation that take several attempts use
 * 256, 512, ... more than the word for the second, third, ... of them. */
enum kn_purpose {
    KN_FOR_AUGMENT = 1,
    KN_FOR_DROPOUT = 2,
    KN_FOR_DROP_PATH = 3,
    KN_FOR_SIDE = 16,
    KN_FOR_ROTATION = 17,
    KN_FOR_COLOUR = 18,
    KN_FOR_RESIZED_CROP = 19,
    KN_FOR_ERASING = 20
};

/* Four words named by (seed, purpose, fold, time, place): time is the epoch or the step, place the
 * image or the element. The seed is folded in twice, so that both of its halves count. */
HPO_HD struct kn_u4 kn_hash(uint64_t seed, uint32_t purpose, uint32_t fold, uint32_t time,
                            uint32_t place)
{
    struct kn_u4 v;

    v.x = (uint32_t)seed ^ (purpose * 0x9e3779b9u);
    v.y = (uint32_t)(seed >> 32) + fold * 0x85ebca6bu;
    v.z = time;
    v.w = place;
    v = kn_pcg4d(v);
    v.x ^= place;
    v.y ^= time;
    return kn_pcg4d(v);
}

/* word -> [0, n), and the threshold under which a word falls with probability p. */
HPO_HD uint32_t kn_below(uint32_t word, uint32_t n)
{
    return (uint32_t)(((uint64_t)word * n) >> 32);
}

HPO_HD uint32_t kn_threshold(float p)
{
    double t = (double)p * 4294967296.0;

    return t >= 4294967295.0 ? 4294967295u : t <= 0 ? 0u : (uint32_t)t;
}

#endif
