#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_f1_micro;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_f1_micro);
}

static void is_the_accuracy(void **state)
{
    const int32_t labels[] = {0, 0, 0, 2}, pred[] = {0, 0, 1, 2};

    (void)state;
    assert_near(metric_of(&metric_f1_micro, 4, 3, labels, pred, NULL), 0.75, 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(is_the_accuracy)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
