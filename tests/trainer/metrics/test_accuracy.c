#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_accuracy;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_accuracy);
    assert_true(metric_accuracy.maximize);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
