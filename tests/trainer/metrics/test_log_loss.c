#include <float.h>

#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_log_loss;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_log_loss);
    assert_false(metric_log_loss.maximize);
}

/* Being certain and wrong costs much, not everything. */
static void clipped(void **state)
{
    const int32_t labels[] = {0, 1}, pred[] = {1, 1};

    (void)state;
    assert_near(metric_of(&metric_log_loss, 2, 2, labels, pred, NULL),
                -log((double)FLT_EPSILON) / 2, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(clipped)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
