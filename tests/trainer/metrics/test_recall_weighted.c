#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_recall_weighted;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_recall_weighted);
}

static void weights(void **state)
{
    const int32_t labels[] = {0, 0, 0, 2}, pred[] = {0, 0, 1, 2};

    (void)state;
    assert_near(metric_of(&metric_recall_weighted, 4, 3, labels, pred, NULL),
                (3 * (2.0 / 3) + 0 + 1) / 4.0, 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(weights)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
