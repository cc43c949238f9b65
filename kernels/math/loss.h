/* kernels/math/loss.h - losses over logits and their gradients, one row at a time.
 *
 * Cross entropy with label smoothing: q = (1 - s) onehot + s / K, L = -sum q log p, dz = p - q
 * (PyTorch's CrossEntropyLoss). With class weights w: L = -sum w q log p. Focal (Lin et al. 2017,
 * softmax form): L = -alpha (1 - p_t)^gamma log p_t. A batch's loss is the mean over its rows. */
#ifndef HPO_KERNELS_MATH_LOSS_H
#define HPO_KERNELS_MATH_LOSS_H

#include <math.h>

#include "base/compiler.h"

enum kn_loss_kind { KN_CROSS_ENTROPY, KN_FOCAL };

struct kn_loss {
    enum kn_loss_kind kind;
    float smoothing;    /* label smoothing, both kinds: mixes the one-hot target with 1/K */
    float gamma, alpha; /* KN_FOCAL */
};

/* log-sum-exp of z[0..k) */
HPO_HD float kn_lse(const float *z, int k)
{
    float m = z[0], s = 0;

    for (int j = 1; j < k; j++)
        m = z[j] > m ? z[j] : m;
    for (int j = 0; j < k; j++)
        s += expf(z[j] - m);
    return m + logf(s);
}

/* The class or classes of a row: a, or two images' mixed, in shares mix and 1 - mix. */
struct kn_label {
    int a, b;
    float mix; /* 1: a alone */
    int soft;  /* of a batch whose targets are probabilities, whatever this row's is */
};

/* What a row is made of, for a device that has several lanes on one. The share of class c of k. */
HPO_HD float kn_target(const struct kn_loss *l, int k, int c, struct kn_label t)
{
    float q = l->smoothing / (float)k;

    q += c == t.a ? (1.0f - l->smoothing) * t.mix : 0.0f;
    return t.mix < 1.0f && c == t.b ? q + (1.0f - l->smoothing) * (1.0f - t.mix) : q;
}

/* One class's term of -L for KN_FOCAL; *ret_slope: the derivative of L by logp, the others held.
 * With smoothing, the target is q; the focal factor weighs each class's own term: L = -alpha
 * sum_c q_c (1 - p_c)^gamma log p_c. Without, only the target's term is left. */
HPO_HD float kn_focal_term(const struct kn_loss *l, float q, float logp, float *ret_slope)
{
    float p = expf(logp), r = 1.0f - p;
    float w = r > 0 ? powf(r, l->gamma) : (l->gamma > 0 ? 0.0f : 1.0f);
    /* d/dlogp of -w logp, with dp/dlogp = p */
    float slope = l->gamma > 0 && r > 0 ? l->gamma * powf(r, l->gamma - 1.0f) * p * logp : 0.0f;

    *ret_slope = l->alpha * q * (slope - w);
    return l->alpha * q * w * logp;
}

/* What the row counts for in the batch's mean, which is the sum of losses over the sum of these.
 * PyTorch divides weighted hard targets by the sum of their weights, everything else by rows. */
HPO_HD float kn_row_weight(const struct kn_loss *l, const float *weights, struct kn_label t)
{
    return weights && l->kind == KN_CROSS_ENTROPY && !t.soft ? weights[t.a] : 1.0f;
}

/* The loss of one row; dz[k] = its derivative times scale (scale = 1 / the sum of kn_row_weight).
 * weights: a factor for each class on its term; NULL: 1. */
HPO_HD float kn_loss_row(const struct kn_loss *l, const float *weights, const float *z, int k,
                         struct kn_label t, float scale, float *dz)
{
    float lse = kn_lse(z, k), loss = 0, s = 0;

    if (l->kind == KN_FOCAL) {
        for (int c = 0; c < k; c++) {
            float q = kn_target(l, k, c, t) * (weights ? weights[c] : 1.0f);

            loss -= kn_focal_term(l, q, z[c] - lse, &dz[c]);
            s += dz[c];
        }
        /* dlogp_c / dz_j = delta_cj - p_j */
        for (int j = 0; j < k; j++)
            dz[j] = scale * (dz[j] - s * expf(z[j] - lse));
        return loss;
    }
    if (weights)
        for (int c = 0; c < k; c++)
            s += kn_target(l, k, c, t) * weights[c];
    for (int j = 0; j < k; j++) {
        float q = kn_target(l, k, j, t) * (weights ? weights[j] : 1.0f), logp = z[j] - lse;

        loss -= q * logp;
        dz[j] = scale * (expf(logp) * (weights ? s : 1.0f) - q);
    }
    return loss;
}

#endif
