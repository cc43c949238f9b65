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

/* The loss of one row; dz[k] = its derivative times scale (scale = 1 / rows of the batch). */
HPO_HD float kn_loss_row(const struct kn_loss *l, const float *z, int k, int target, float scale,
                         float *dz)
{
    float lse = kn_lse(z, k), off = l->smoothing / (float)k, loss = 0;

    if (l->kind == KN_FOCAL) {
        /* With smoothing, the target is q; the focal factor weighs each class's own term:
         * L = -alpha sum_c q_c (1 - p_c)^gamma log p_c. Without, only the target's term is left. */
        float s = 0;

        for (int c = 0; c < k; c++) {
            float q = off + (c == target ? 1.0f - l->smoothing : 0.0f);
            float logp = z[c] - lse, p = expf(logp), r = 1.0f - p;
            float w = r > 0 ? powf(r, l->gamma) : (l->gamma > 0 ? 0.0f : 1.0f);
            /* d/dlogp of -w logp, with dp/dlogp = p */
            float slope = l->gamma > 0 && r > 0 ? l->gamma * powf(r, l->gamma - 1.0f) * p * logp : 0.0f;
            float g = l->alpha * q * (slope - w);

            loss -= l->alpha * q * w * logp;
            dz[c] = g;
            s += g;
        }
        /* dlogp_c / dz_j = delta_cj - p_j */
        for (int j = 0; j < k; j++)
            dz[j] = scale * (dz[j] - s * expf(z[j] - lse));
        return loss;
    }
    for (int j = 0; j < k; j++) {
        float q = off + (j == target ? 1.0f - l->smoothing : 0.0f);
        float logp = z[j] - lse;

        loss -= q * logp;
        dz[j] = scale * (expf(logp) - q);
    }
    return loss;
}

#endif
