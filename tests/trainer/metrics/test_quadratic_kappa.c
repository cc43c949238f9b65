#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_quadratic_kappa;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_quadratic_kappa);
}

static void distance_counts(void **state)
{
    const int32_t labels[] = {0, 1, 2, 3}, near[] = {0, 1, 2, 2}, far[] = {0, 1, 2, 0};

    (void)state;
    assert_true(metric_of(&metric_quadratic_kappa, 4, 4, labels, near, NULL) >
                metric_of(&metric_quadratic_kappa, 4, 4, labels, far, NULL));
    assert_near(metric_of(&metric_quadratic_kappa, 4, 4, labels, labels, NULL), 1, 0);
}

/* A class that does not occur keeps its place between the others. */
static void places_of_classes(void **state)
{
    const int32_t labels[] = {0, 3, 3}, pred[] = {0, 1, 3};

    (void)state;
    /* costs 4; by chance (1 * 9 + 1 * 0 + ... ) / 3: rows {1, 2} of classes {0, 3} */
    assert_near(metric_of(&metric_quadratic_kappa, 3, 4, labels, pred, NULL),
                1 - 4 * 3 / (1.0 * (1 + 9) + 2.0 * (9 + 4)), 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(distance_counts),
                                       cmocka_unit_test(places_of_classes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
