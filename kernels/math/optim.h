/* kernels/math/optim.h - optimizer steps, one weight at a time, over flat arrays.
 *
 * torch.optim.SGD (momentum buffer starts as the first gradient, dampening 0) and torch.optim.AdamW
 * (decoupled decay). */
#ifndef HPO_KERNELS_MATH_OPTIM_H
#define HPO_KERNELS_MATH_OPTIM_H

#include <math.h>
#include <stdint.h>

#include "base/compiler.h"

enum kn_optim_kind { KN_SGD, KN_ADAMW, KN_N_OPTIMS };
#define KN_MAX_SLOTS 2

struct kn_optim {
    enum kn_optim_kind kind;
    float weight_decay;
    float momentum; /* SGD */
    int nesterov;   /* SGD */
    float beta1, beta2, eps; /* ADAMW */
};

/* Arrays of state that it keeps beside the weights. */
HPO_HD int kn_optim_slots(enum kn_optim_kind kind)
{
    return kind == KN_ADAMW ? 2 : 1;
}

/* What is the same for every weight in a step. step counts from 0. */
struct kn_optim_step {
    float lr, decay, momentum, beta1, beta2, eps;
    float bias1, sqrt_bias2; /* 1 - beta1^t, sqrt(1 - beta2^t), t = step + 1 */
    int nesterov, first;
};

HPO_HD struct kn_optim_step kn_optim_begin(const struct kn_optim *o, float lr, uint32_t step)
{
    struct kn_optim_step s;
    double t = (double)step + 1.0;

    s.lr = lr;
    s.decay = o->weight_decay;
    s.momentum = o->momentum;
    s.nesterov = o->nesterov;
    s.first = step == 0;
    s.beta1 = o->beta1;
    s.beta2 = o->beta2;
    s.eps = o->eps;
    s.bias1 = o->kind == KN_ADAMW ? (float)(1.0 - pow((double)o->beta1, t)) : 1.0f;
    s.sqrt_bias2 = o->kind == KN_ADAMW ? (float)sqrt(1.0 - pow((double)o->beta2, t)) : 1.0f;
    return s;
}

HPO_HD void kn_sgd(const struct kn_optim_step *s, float g, float *w, float *buf)
{
    float d = g + s->decay * *w;

    if (s->momentum != 0.0f) {
        *buf = s->first ? d : s->momentum * *buf + d;
        d = s->nesterov ? d + s->momentum * *buf : *buf;
    }
    *w -= s->lr * d;
}

HPO_HD void kn_adamw(const struct kn_optim_step *s, float g, float *w, float *m, float *v)
{
    *w *= 1.0f - s->lr * s->decay;
    *m = s->beta1 * *m + (1.0f - s->beta1) * g;
    *v = s->beta2 * *v + (1.0f - s->beta2) * g * g;
    *w -= s->lr / s->bias1 * *m / (sqrtf(*v) / s->sqrt_bias2 + s->eps);
}

#endif
