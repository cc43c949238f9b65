#include "tests/trainer/schedules/schedule_check.h"

extern const struct schedule_ops schedule_cosine;

/* CosineAnnealingLR(T_max=10, eta_min=0.1) */
static void golden(void **state)
{
    const double want[] = {1,          0.97797543, 0.91405765, 0.81450336, 0.68905765, 0.55,
                           0.41094235, 0.28549664, 0.18594235, 0.12202457, 0.1};

    (void)state;
    check_factors(&schedule_cosine, "min_factor=0.1", 10, want, 11);
}

/* The half wave has the epochs after the warm-up, and still ends at the bottom. */
static void warmup(void **state)
{
    const double want[] = {0.01, 0.505, 1, 0.75, 0.25, 0};

    (void)state;
    check_factors(&schedule_cosine, "warmup_epochs=2", 5, want, 6);
    assert_near(factor_at(&schedule_cosine, "warmup_epochs=5", 5, 5), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(warmup)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
