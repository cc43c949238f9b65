/* kernels/math/optim.h - optimizer steps, one weight at a time, over flat arrays.
 *
 * torch.optim.SGD (momentum buffer starts as the first gradient, dampening 0), Adam (decay added to
 * the gradient), AdamW (decoupled decay), RMSprop (not centered), and Lion (Chen et al. 2023,
 * decoupled decay). Muon (Jordan et al. 2024; torch.optim.Muon) orthogonalises whole matrices,
 * which is no matter of one weight: here is what its other weights get, AdamW, and its momentum. */
#ifndef HPO_KERNELS_MATH_OPTIM_H
#define HPO_KERNELS_MATH_OPTIM_H

#include <math.h>
#include <stdint.h>

#include "base/compiler.h"

enum kn_optim_kind { KN_SGD, KN_ADAMW, KN_ADAM, KN_RMSPROP, KN_LION, KN_MUON, KN_N_OPTIMS };
#define KN_MAX_SLOTS 2

struct kn_optim {
    enum kn_optim_kind kind;
    float weight_decay;
    float momentum;          /* SGD, RMSPROP, MUON */
    int nesterov;            /* SGD, MUON */
    float beta1, beta2, eps; /* ADAM, ADAMW, LION (no eps), MUON's other weights; RMSPROP: beta2
                                (its alpha) and eps */
    int keep_vectors;        /* no decay of biases and of what normalisation learns */
    float clip;              /* largest norm of all gradients together; 0: any */
    float other_lr;    /* MUON: on the rate of what is no matrix, or the last layer; 0: none, 1 */
    int ns_steps;      /* MUON: Newton-Schulz iterations */
};

/* Arrays of state that it keeps beside the weights. */
HPO_HD int kn_optim_slots(enum kn_optim_kind kind)
{
    return kind == KN_SGD || kind == KN_LION ? 1 : 2;
}

/* What is the same for every weight in a step. step counts from 0. */
struct kn_optim_step {
    float lr, decay, momentum, beta1, beta2, eps;
    float bias1, sqrt_bias2; /* 1 - beta1^t, sqrt(1 - beta2^t), t = step + 1 */
    int nesterov, first;
};

/* Of a step of which only the rate and the decay differ from parameter to parameter. */
HPO_HD struct kn_optim_step kn_optim_part(const struct kn_optim_step *s, float lr_factor,
                                          float decay_factor)
{
    struct kn_optim_step p = *s;

    p.lr *= lr_factor;
    p.decay *= decay_factor;
    return p;
}

HPO_HD struct kn_optim_step kn_optim_begin(const struct kn_optim *o, float lr, uint32_t step)
{
    int adam = o->kind == KN_ADAMW || o->kind == KN_ADAM || o->kind == KN_MUON;
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
    s.bias1 = adam ? (float)(1.0 - pow((double)o->beta1, t)) : 1.0f;
    s.sqrt_bias2 = adam ? (float)sqrt(1.0 - pow((double)o->beta2, t)) : 1.0f;
    return s;
}

/* Does the optimizer work with a momentum, or a beta1, that a schedule may change? */
HPO_HD int kn_optim_has_momentum(const struct kn_optim *o)
{
    int plain = o->kind == KN_SGD || o->kind == KN_RMSPROP || o->kind == KN_MUON;

    return (plain ? o->momentum : o->beta1) > 0.0f;
}

/* That in place of the optimizer's own. */
HPO_HD void kn_optim_set_momentum(struct kn_optim_step *s, const struct kn_optim *o, float momentum,
                                  uint32_t step)
{
    if (o->kind == KN_SGD || o->kind == KN_RMSPROP || o->kind == KN_MUON) {
        s->momentum = momentum;
        return;
    }
    s->beta1 = momentum;
    if (o->kind != KN_LION)
        s->bias1 = (float)(1.0 - pow((double)momentum, (double)step + 1.0));
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

HPO_HD void kn_adam(const struct kn_optim_step *s, float g, float *w, float *m, float *v)
{
    float d = g + s->decay * *w;

    *m = s->beta1 * *m + (1.0f - s->beta1) * d;
    *v = s->beta2 * *v + (1.0f - s->beta2) * d * d;
    *w -= s->lr / s->bias1 * *m / (sqrtf(*v) / s->sqrt_bias2 + s->eps);
}

HPO_HD void kn_rmsprop(const struct kn_optim_step *s, float g, float *w, float *v, float *buf)
{
    float d = g + s->decay * *w;

    *v = s->beta2 * *v + (1.0f - s->beta2) * d * d;
    d /= sqrtf(*v) + s->eps;
    if (s->momentum != 0.0f) {
        *buf = s->momentum * *buf + d;
        d = *buf;
    }
    *w -= s->lr * d;
}

HPO_HD void kn_lion(const struct kn_optim_step *s, float g, float *w, float *m)
{
    float c = s->beta1 * *m + (1.0f - s->beta1) * g;

    *w *= 1.0f - s->lr * s->decay;
    *w -= c > 0.0f ? s->lr : c < 0.0f ? -s->lr : 0.0f * c; /* NaN stays */
    *m = s->beta2 * *m + (1.0f - s->beta2) * g;
}

/* Muon's momentum; returns what is orthogonalised. */
HPO_HD float kn_muon_momentum(const struct kn_optim_step *s, float g, float *buf)
{
    *buf += (1.0f - s->momentum) * (g - *buf);
    return s->nesterov ? g + s->momentum * (*buf - g) : *buf;
}

/* Its coefficients of X <- a X + (b A + c A A) X, A = X X^T, and the factor on the rate of a rows x
 * cols matrix (adjust_lr_fn "original"). */
#define KN_MUON_A 3.4445f
#define KN_MUON_B (-4.7750f)
#define KN_MUON_C 2.0315f
HPO_HD float kn_muon_factor(int rows, int cols)
{
    float ratio = (float)rows / (float)cols;

    return sqrtf(ratio > 1.0f ? ratio : 1.0f);
}

/* A moving average of weights or statistics (EMA), and of epochs' ends (SWA: decay n / (n + 1)). In
 * the form of torch.lerp: of equals it is the same, so that what does not move has an average that
 * does not, and decay 0 and 1 are exact. */
HPO_HD float kn_average(float average, float now, float decay)
{
    float way = now - average;

    return decay > 0.5f ? average + (1.0f - decay) * way : now - decay * way;
}

/* The factor on gradients whose squares sum up to `squares` (torch.nn.utils.clip_grad_norm_). */
HPO_HD float kn_clip_factor(float clip, double squares)
{
    double f = (double)clip / (sqrt(squares) + 1e-6);

    return clip > 0.0f && f < 1.0 ? (float)f : 1.0f;
}

#endif
