/* kernels/cpu/gather.h - inside gathering: where an image of a batch goes. gather.c makes copies,
 * augment.c what has to be computed. */
#ifndef HPO_KERNELS_CPU_GATHER_H
#define HPO_KERNELS_CPU_GATHER_H

#include "kernels/cpu/plan.h"

/* Where channel c of pixel i of an image goes, and what a value of the source becomes there. */
struct cpu_target {
    float *x;
    size_t pixel, channel; /* floats from one to the next */
    const float *lut[3];
};

static inline float *cpu_at(const struct cpu_target *t, size_t pixel, int c)
{
    return t->x + pixel * t->pixel + (size_t)c * t->channel;
}

/* Scaled and turned, from an image of h rows of w pixels; values in [0, 1]. */
void cpu_put_sampled(const struct cpu_target *t, const uint8_t *src, int h, int w,
                     const struct kn_placement *p);
/* Values in [0, 1] become what the network sees, in place. */
void cpu_recolour(const struct cpu_target *t, const struct kn_hyper *h, const struct kn_colour *c,
                  int pixels);

#endif
