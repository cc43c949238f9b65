/* kernels/math/loss.h - losses over logits and their gradients, one row at a time.
 *
 * Cross entropy with label smoothing: q = (1 - s) onehot + s / K, L = -sum q log p, dz = p - q
 * (PyTorch's CrossEntropyLoss). Focal (Lin et al. 2017, softmax form): L = -alpha (1 - p_t)^gamma
 * log p_t. A batch's loss is the mean over its rows. */
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

/* What a row is made of, for a device that has several lanes on one. The share of class c of k. */
HPO_HD float kn_target(const struct kn_loss *l, int k, int c, int target)
{
    return l->smoothing / (float)k + (c == target ? 1.0f - l->smoothing : 0.0f);
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

/* The loss of one row; dz[k] = its derivative times scale (scale = 1 / rows of the batch). */
HPO_HD float kn_loss_row(const struct kn_loss *l, const float *z, int k, int target, float scale,
                         float *dz)
{
    float lse = kn_lse(z, k), loss = 0;

    if (l->kind == KN_FOCAL) {
        float s = 0;

        for (int c = 0; c < k; c++) {
            loss -= kn_focal_term(l, kn_target(l, k, c, target), z[c] - lse, &dz[c]);
            s += dz[c];
        }
        /* dlogp_c / dz_j = delta_cj - p_j */
        for (int j = 0; j < k; j++)
            dz[j] = scale * (dz[j] - s * expf(z[j] - lse));
        return loss;
    }
    for (int j = 0; j < k; j++) {
        float q = kn_target(l, k, j, target), logp = z[j] - lse;

        loss -= q * logp;
        dz[j] = scale * (expf(logp) - q);
    }
    return loss;
}

#endif
