#include "tests/trainer/schedules/schedule_check.h"

extern const struct schedule_ops schedule_multi_step;

/* MultiStepLR(milestones=[2, 5], gamma=0.5) */
static void golden(void **state)
{
    const double want[] = {1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25};

    (void)state;
    check_factors(&schedule_multi_step, "milestones=2,5 gamma=0.5", 8, want, 8);
    check_factors(&schedule_multi_step, "milestones=5,2 gamma=0.5", 8, want, 8);
}

static void warmup(void **state)
{
    const double want[] = {0.01, 0.505, 1, 1, 0.1, 0.1};

    (void)state;
    check_factors(&schedule_multi_step, "milestones=2 warmup_epochs=2", 6, want, 6);
    assert_near(factor_at(&schedule_multi_step, "milestones=1.5", 1.499, 6), 1, 0);
    assert_near(factor_at(&schedule_multi_step, "milestones=1.5", 1.5, 6), 0.1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(warmup)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
