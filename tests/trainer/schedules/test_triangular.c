#include "tests/trainer/schedules/schedule_check.h"

extern const struct schedule_ops schedule_triangular;

/* airbench94's triangle(10, start=0.2, end=0.07, peak=0.23): the peak is at step int(2.3). */
static void golden(void **state)
{
    const double want[] = {0.2, 0.6, 1, 0.88375, 0.7675, 0.65125, 0.535, 0.41875, 0.3025, 0.18625};
    const double other[] = {0.25, 0.4375, 0.625, 0.8125, 1, 0.75, 0.5, 0.25};

    (void)state;
    check_factors(&schedule_triangular, "", 10, want, 10);
    check_factors(&schedule_triangular, "start_factor=0.25 pct_start=0.5 end_factor=0", 8, other,
                  8);
}

/* Ten steps are ten steps, whether in ten epochs or in two. */
static void steps(void **state)
{
    struct arena a = {0};
    const void *opts = make_priv(&a, &schedule_triangular.plugin, "");

    (void)state;
    for (int i = 0; i < 10; i++) {
        const struct schedule_at slow = {.t = i, .epochs = 10, .step = 1};
        const struct schedule_at fast = {.t = i / 5.0, .epochs = 2, .step = 0.2};

        assert_near(schedule_triangular.factor(opts, &slow),
                    schedule_triangular.factor(opts, &fast), 1e-9);
    }
    arena_release(&a);
}

static void edges(void **state)
{
    (void)state;
    assert_near(factor_at(&schedule_triangular, "pct_start=0", 0, 10), 1, 1e-9);
    assert_near(factor_at(&schedule_triangular, "pct_start=1", 9, 10), 0.92, 1e-9);
    assert_near(factor_at(&schedule_triangular, "", 0, 1), 1, 1e-9);
    assert_near(factor_at(&schedule_triangular, "warmup_epochs=10", 9, 10), 0.901, 1e-9);
    assert_near(factor_at(&schedule_triangular, "warmup_epochs=5", 5, 15), 0.2, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(steps),
                                       cmocka_unit_test(edges)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
