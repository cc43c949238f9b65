#include "tests/trainer/schedules/schedule_check.h"

extern const struct schedule_ops schedule_step;

/* StepLR(3, 0.5) */
static void golden(void **state)
{
    const double want[] = {1, 1, 1, 0.5, 0.5, 0.5, 0.25};

    (void)state;
    check_factors(&schedule_step, "step_size=3 gamma=0.5", 7, want, 7);
    assert_near(factor_at(&schedule_step, "step_size=3 gamma=0.5", 2.999, 7), 1, 0);
}

/* The steps are counted from the end of the warm-up. */
static void warmup(void **state)
{
    const double want[] = {0.01, 0.505, 1, 1, 0.1, 0.1, 0.01};

    (void)state;
    check_factors(&schedule_step, "step_size=2 gamma=0.1 warmup_epochs=2", 7, want, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(warmup)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
