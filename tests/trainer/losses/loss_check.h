/* tests/trainer/losses/loss_check.h - a loss over a small batch, and its gradient against finite
 * differences. */
#ifndef TESTS_TRAINER_LOSS_CHECK_H
#define TESTS_TRAINER_LOSS_CHECK_H

#include "tests/trainer/parts.h"
#include "trainer/loss.h"

/* The logits and targets of the golden numbers (PyTorch 1.13.1). */
static const float golden_logits[4][3] = {
    {1, 2, 3}, {0.5f, -1, 0.25f}, {-2, 0, 1.5f}, {3, 0.1f, -0.4f}};
static const int golden_targets[4] = {2, 0, 1, 0};

static inline struct kn_loss lowered(const struct loss_ops *ops, const char *sets)
{
    struct arena a = {0};
    struct kn_loss l = {0};

    ops->lower(make_priv(&a, &ops->plugin, sets), &l);
    arena_release(&a);
    return l;
}

static inline double golden_mean(const struct loss_ops *ops, const char *sets)
{
    struct kn_loss l = lowered(ops, sets);
    double sum = 0;
    float dz[3];

    for (int i = 0; i < 4; i++)
        sum += (double)kn_loss_row(&l, NULL, golden_logits[i], 3,
                                   (struct kn_label){golden_targets[i], 0, 1}, 0.25f, dz);
    return sum / 4;
}

/* Every component of the gradient against a central difference. */
static inline void check_gradient(const struct loss_ops *ops, const char *sets)
{
    struct kn_loss l = lowered(ops, sets);
    const float h = 1e-2f;

    for (int i = 0; i < 4; i++) {
        float z[3], dz[3], ignored[3];

        kn_loss_row(&l, NULL, golden_logits[i], 3, (struct kn_label){golden_targets[i], 0, 1}, 1.0f,
                    dz);
        for (int j = 0; j < 3; j++) {
            double up, down;

            memcpy(z, golden_logits[i], sizeof(z));
            z[j] += h;
            up = (double)kn_loss_row(&l, NULL, z, 3, (struct kn_label){golden_targets[i], 0, 1},
                                     1.0f, ignored);
            z[j] -= 2 * h;
            down = (double)kn_loss_row(&l, NULL, z, 3, (struct kn_label){golden_targets[i], 0, 1},
                                       1.0f, ignored);
            assert_near((double)dz[j], (up - down) / (2 * (double)h), 2e-4);
        }
    }
}

#endif
