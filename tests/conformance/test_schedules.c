/* Every schedule: finite, never below 0 or above 1, and it warms up. */
#include "tests/trainer/schedules/schedule_check.h"

static void every_schedule(void **state)
{
    static const double lengths[] = {1, 3, 10, 100};

    (void)state;
    for (int i = 0; schedule_registry[i]; i++) {
        const struct schedule_ops *s = schedule_registry[i];

        for (size_t k = 0; k < HPO_LEN(lengths); k++) {
            for (double t = 0; t <= lengths[k]; t += lengths[k] / 64) {
                double f = factor_at(s, "", t, lengths[k]);

                assert_true(isfinite(f) && f >= 0 && f <= 1);
            }
        }
    }
}

/* Rising all the way from a hundredth to the full rate, also when there is nothing after it; then
 * what it would be in a training that is shorter by the warm-up. */
static void warms_up(void **state)
{
    (void)state;
    for (int i = 0; schedule_registry[i]; i++) {
        const struct schedule_ops *s = schedule_registry[i];
        double last = 0;

        assert_near(factor_at(s, "warmup_epochs=4", 0, 10), 0.01, 1e-15);
        for (double t = 0; t < 4; t += 0.125) {
            double f = factor_at(s, "warmup_epochs=4", t, 10);

            assert_true(f > last && f < 1);
            last = f;
        }
        for (double t = 4; t < 10; t += 0.125)
            assert_near(factor_at(s, "warmup_epochs=4", t, 10), factor_at(s, "", t - 4, 6), 1e-12);
        for (double t = 0; t < 3; t += 0.125) {
            double f = factor_at(s, "warmup_epochs=8", t, 3);

            assert_true(f > 0 && f < 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_schedule),
                                       cmocka_unit_test(warms_up)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
