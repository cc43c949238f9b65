/* tests/trainer/optimizers/trajectory.h - a few steps on f = (3 a^2 + b^2) / 2 from (1, -2), at the
 * rate 0.1: the golden trajectories are PyTorch 1.13.1's. */
#ifndef TESTS_TRAINER_TRAJECTORY_H
#define TESTS_TRAINER_TRAJECTORY_H

#include "tests/trainer/parts.h"
#include "trainer/optimizer.h"

static inline struct kn_optim lowered(const struct optimizer_ops *ops, const char *sets,
                                      double *ret_lr)
{
    struct arena a = {0};
    void *priv = make_priv(&a, &ops->plugin, sets);
    struct kn_optim o = {0};

    ops->lower(priv, &o);
    if (ret_lr)
        *ret_lr = ops->lr(priv);
    arena_release(&a);
    assert_int_equal(o.kind, ops->kind);
    return o;
}

static inline void check_trajectory(const struct optimizer_ops *ops, const char *sets,
                                    const double (*want)[2], int steps)
{
    double lr;
    struct kn_optim o = lowered(ops, sets, &lr);
    float w[2] = {1, -2}, slot[KN_MAX_SLOTS][2] = {{0}};

    for (int t = 0; t < steps; t++) {
        struct kn_optim_step s = kn_optim_begin(&o, (float)lr, (uint32_t)t);
        const float g[2] = {3 * w[0], w[1]};

        for (int i = 0; i < 2; i++) {
            switch (o.kind) {
            case KN_SGD:
                kn_sgd(&s, g[i], &w[i], &slot[0][i]);
                break;
            case KN_ADAM:
                kn_adam(&s, g[i], &w[i], &slot[0][i], &slot[1][i]);
                break;
            case KN_RMSPROP:
                kn_rmsprop(&s, g[i], &w[i], &slot[0][i], &slot[1][i]);
                break;
            case KN_LION:
                kn_lion(&s, g[i], &w[i], &slot[0][i]);
                break;
            default: /* KN_MUON: what is no matrix */
                kn_adamw(&s, g[i], &w[i], &slot[0][i], &slot[1][i]);
            }
            assert_near((double)w[i], want[t][i], 2e-6);
        }
    }
}

#endif
