#include "tests/trainer/schedules/schedule_check.h"

extern const struct schedule_ops schedule_one_cycle;

/* OneCycleLR(max_lr=1, total_steps=10), with its options. */
static void golden(void **state)
{
    const double want[] = {
        0.04,         0.52,         1,           0.950484632, 0.8117456539, 0.6112620219,
        0.3887419781, 0.1882583461, 0.049519368, 4e-06};
    const double three[] = {
        0.04, 0.52, 1, 0.52, 0.04, 0.0361807219, 0.0261817219, 0.0138222781, 0.0038232781, 4e-06};
    const double linear[] = {0.1, 0.4, 0.7, 1, 0.8335, 0.667, 0.5005, 0.334, 0.1675, 0.001};

    (void)state;
    check_factors(&schedule_one_cycle, "", 10, want, 10);
    check_factors(&schedule_one_cycle, "three_phase=true", 10, three, 10);
    check_factors(&schedule_one_cycle,
                  "anneal=linear div_factor=10 final_div_factor=100 pct_start=0.4", 10, linear, 10);
}

/* OneCycleLR's momentum in the same way. */
static void golden_momentum(void **state)
{
    static const struct {
        const char *sets;
        double want[10];
    } cases[] = {
        {"",
         {0.95, 0.9, 0.85, 0.8549515566, 0.8688255099, 0.8888739533, 0.9111260467, 0.9311744901,
          0.9450484434, 0.95}},
        {"three_phase=true", {0.95, 0.9, 0.85, 0.9, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95}},
        {"anneal=linear pct_start=0.4 base_momentum=0.8 max_momentum=0.9",
         {0.9, 0.8666666667, 0.8333333333, 0.8, 0.8166666667, 0.8333333333, 0.85, 0.8666666667,
          0.8833333333, 0.9}},
        {"cycle_momentum=false", {0}},
    };

    (void)state;
    for (size_t c = 0; c < HPO_LEN(cases); c++)
        for (int t = 0; t < 10; t++) {
            const struct schedule_at at = {.t = t, .epochs = 10, .step = 1};
            struct arena a = {0};
            const void *opts = make_priv(&a, &schedule_one_cycle.plugin, cases[c].sets);

            assert_near(schedule_one_cycle.momentum(opts, &at), cases[c].want[t], 1e-9);
            arena_release(&a);
        }
}

/* Ten steps are ten steps, whether in ten epochs or in two. */
static void steps(void **state)
{
    struct arena a = {0};
    const void *opts = make_priv(&a, &schedule_one_cycle.plugin, "");

    (void)state;
    for (int i = 0; i < 10; i++) {
        double slow =
            schedule_one_cycle.factor(opts, &(struct schedule_at){.t = i, .epochs = 10, .step = 1});
        double fast = schedule_one_cycle.factor(
            opts, &(struct schedule_at){.t = i / 5.0, .epochs = 2, .step = 0.2});

        assert_near(slow, fast, 1e-9);
    }
    arena_release(&a);
}

/* Extremes are numbers: no climb at all, nothing but a climb, a training of one step. */
static void edges(void **state)
{
    (void)state;
    assert_near(factor_at(&schedule_one_cycle, "pct_start=0", 0, 10), 0.975528356, 1e-8);
    assert_near(factor_at(&schedule_one_cycle, "pct_start=1", 9, 10), 1, 1e-9);
    assert_near(factor_at(&schedule_one_cycle, "pct_start=1 three_phase=true", 9, 10), 4e-06, 0.04);
    assert_near(factor_at(&schedule_one_cycle, "", 0, 1), 4e-06, 1);
    assert_near(factor_at(&schedule_one_cycle, "warmup_epochs=10", 9, 10), 0.901, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(golden_momentum),
                                       cmocka_unit_test(steps), cmocka_unit_test(edges)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
