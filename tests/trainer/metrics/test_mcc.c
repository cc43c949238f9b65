#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_mcc;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_mcc);
}

static void degenerate(void **state)
{
    const int32_t ones[] = {1, 1, 1}, mixed[] = {0, 1, 1}, other[] = {1, 0, 0};

    (void)state;
    assert_near(metric_of(&metric_mcc, 3, 2, ones, ones, NULL), 0, 0);
    assert_near(metric_of(&metric_mcc, 3, 2, mixed, ones, NULL), 0, 0);
    assert_near(metric_of(&metric_mcc, 3, 2, mixed, mixed, NULL), 1, 1e-15);
    assert_near(metric_of(&metric_mcc, 3, 2, mixed, other, NULL), -1, 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(degenerate)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
