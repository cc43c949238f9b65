#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_ece;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_ece);
}

static void edges(void **state)
{
    const int32_t labels[] = {0, 1, 1}, pred[] = {0, 0, 0};
    const float same[] = {0.8f, 0.2f, 0.8f, 0.2f, 0.8f, 0.2f};
    const float sure[] = {1, 0, 1, 0, 1, 0};

    (void)state;
    assert_near(metric_of(&metric_ece, 3, 2, labels, pred, same), (double)0.8f - 1.0 / 3, 1e-15);
    assert_near(metric_of(&metric_ece, 3, 2, labels, pred, sure), 2.0 / 3, 1e-15);
    assert_near(metric_of(&metric_ece, 3, 2, pred, pred, sure), 0, 0);
    assert_false(metric_ece.maximize);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(edges)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
