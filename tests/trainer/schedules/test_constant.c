#include "tests/trainer/schedules/schedule_check.h"

extern const struct schedule_ops schedule_constant;

static void constant(void **state)
{
    const double want[] = {1, 1, 1, 1};

    (void)state;
    check_factors(&schedule_constant, "", 4, want, 4);
}

/* From a hundredth in a straight line, inside an epoch too. */
static void warmup(void **state)
{
    const double want[] = {0.01, 0.505, 1, 1};

    (void)state;
    check_factors(&schedule_constant, "warmup_epochs=2", 4, want, 4);
    assert_near(factor_at(&schedule_constant, "warmup_epochs=2", 0.5, 4), 0.2575, 1e-12);
    assert_near(factor_at(&schedule_constant, "warmup_epochs=0.5", 0.25, 4), 0.505, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(constant), cmocka_unit_test(warmup)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
