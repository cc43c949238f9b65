#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_cohen_kappa;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_cohen_kappa);
}

/* Where chance explains everything nothing is left; otherwise 1 is perfect, and it may be negative.
 */
static void one_class(void **state)
{
    const int32_t ones[] = {1, 1, 1}, mixed[] = {0, 1, 1}, other[] = {1, 0, 0};

    (void)state;
    assert_near(metric_of(&metric_cohen_kappa, 3, 2, ones, ones, NULL), 0, 0);
    assert_near(metric_of(&metric_cohen_kappa, 3, 2, mixed, mixed, NULL), 1, 0);
    assert_true(metric_of(&metric_cohen_kappa, 3, 2, mixed, other, NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(one_class)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
