#include "tests/trainer/schedules/schedule_check.h"

extern const struct schedule_ops schedule_cosine_restarts;

/* CosineAnnealingWarmRestarts(T_0=4, T_mult=2) and (T_0=3, eta_min=0.1) */
static void golden(void **state)
{
    const double want[] = {1,          0.85355339, 0.5,        0.14644661, 1,
                           0.96193977, 0.85355339, 0.69134172, 0.5,        0.30865828,
                           0.14644661, 0.03806023, 1};
    const double short_ones[] = {1, 0.775, 0.325, 1, 0.775, 0.325, 1, 0.775};

    (void)state;
    check_factors(&schedule_cosine_restarts, "t_0=4 t_mult=2", 13, want, 13);
    check_factors(&schedule_cosine_restarts, "t_0=3 min_factor=0.1", 8, short_ones, 8);
}

static void warmup(void **state)
{
    const double want[] = {0.01, 1, 0.5, 1, 0.5};

    (void)state;
    check_factors(&schedule_cosine_restarts, "t_0=2 warmup_epochs=1", 5, want, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(warmup)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
