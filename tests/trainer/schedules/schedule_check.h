/* tests/trainer/schedules/schedule_check.h - factors of a schedule with its options set. */
#ifndef TESTS_TRAINER_SCHEDULE_CHECK_H
#define TESTS_TRAINER_SCHEDULE_CHECK_H

#include "tests/trainer/parts.h"
#include "trainer/schedule.h"

static inline double factor_at(const struct schedule_ops *ops, const char *sets, double t,
                               double epochs)
{
    static const double same[1]; /* an objective that never changes */
    const struct schedule_at at = {.t = t,
                                   .epochs = epochs,
                                   .step = 1,
                                   .objective = same,
                                   .train_loss = same,
                                   .stride = 0};
    struct arena a = {0};
    double f = ops->factor(make_priv(&a, &ops->plugin, sets), &at);

    arena_release(&a);
    return f;
}

/* Factors at epochs 0, 1, 2, ... */
static inline void check_factors(const struct schedule_ops *ops, const char *sets, double epochs,
                                 const double *want, int n)
{
    for (int t = 0; t < n; t++)
        assert_near(factor_at(ops, sets, t, epochs), want[t], 1e-8);
}

#endif
