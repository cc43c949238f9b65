#include "tests/trainer/schedules/schedule_check.h"

extern const struct schedule_ops schedule_plateau;

/* Rates as PyTorch has them before each epoch's step of the scheduler. */
static void check(const char *sets, bool maximize, const double *values, const double *want, int n)
{
    struct arena a = {0};
    const void *opts = make_priv(&a, &schedule_plateau.plugin, sets);
    double table[64][3] = {0};

    for (int i = 0; i < n; i++) {
        table[i][1] = values[i];
        table[i][2] = -values[i];
    }
    for (int i = 0; i < n; i++) {
        struct schedule_at at = {.t = i + 0.25,
                                 .epochs = n,
                                 .step = 0.25,
                                 .objective = &table[0][1],
                                 .train_loss = &table[0][2],
                                 .stride = 3,
                                 .maximize = maximize};

        assert_near(schedule_plateau.factor(opts, &at), want[i], 1e-9);
    }
    arena_release(&a);
}

/* ReduceLROnPlateau(patience=2, factor=0.5) */
static void minimize(void **state)
{
    const double values[] = {1, 0.9, 0.9, 0.89995, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8};
    const double want[] = {1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25};

    (void)state;
    check("patience=2 factor=0.5", false, values, want, 10);
}

/* mode="max", patience=1, factor=0.5, cooldown=2, threshold=0.05, threshold_mode="abs", min_lr=0.3
 */
static void maximize(void **state)
{
    const double values[] = {0.5, 0.6, 0.6, 0.6, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7};
    const double want[] = {1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3};
    const char *sets =
        "patience=1 factor=0.5 cooldown=2 threshold=0.05 threshold_mode=abs min_factor=0.3";

    (void)state;
    check(sets, true, values, want, 12);
}

/* The training loss is smaller-is-better whatever the metric is. */
static void train_loss(void **state)
{
    const double rising[] = {1, 2, 3, 4, 5}, falling[] = {5, 4, 3, 2, 1};
    const double same[] = {1, 1, 1, 1, 1}, reduced[] = {1, 1, 0.1, 0.01, 0.001};

    (void)state;
    check("patience=0 watch=train_loss", true, rising, same, 5);
    check("patience=0 watch=train_loss", true, falling, reduced, 5);
}

/* Epochs of the warm-up are no evidence. */
static void warmup(void **state)
{
    const double values[] = {1, 1, 1, 1, 1};
    const double want[] = {0.01 + 0.99 * 0.125, 0.01 + 0.99 * 0.625, 1, 1, 0.1};

    (void)state;
    check("patience=0 warmup_epochs=2", false, values, want, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(minimize), cmocka_unit_test(maximize),
                                       cmocka_unit_test(train_loss), cmocka_unit_test(warmup)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
