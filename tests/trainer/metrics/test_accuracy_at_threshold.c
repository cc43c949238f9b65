#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_accuracy_at_threshold;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_accuracy_at_threshold);
}

/* What 0.5 misses altogether another threshold gets right. */
static void separable(void **state)
{
    const int32_t labels[] = {0, 0, 1, 1}, pred[] = {0, 0, 0, 0};
    const float probs[] = {0.9f, 0.1f, 0.8f, 0.2f, 0.7f, 0.3f, 0.6f, 0.4f};

    (void)state;
    assert_near(metric_of(&metric_accuracy_at_threshold, 4, 2, labels, pred, probs), 1, 0);
    assert_true(tr_metric_judges(&metric_accuracy_at_threshold, 2));
    assert_false(tr_metric_judges(&metric_accuracy_at_threshold, 3));
}

/* Nothing is of the second class, and one image is surely taken for one. */
static void absent_class(void **state)
{
    const int32_t zeros[] = {0, 0};
    const float probs[] = {0.9f, 0.1f, 0, 1};

    (void)state;
    assert_near(metric_of(&metric_accuracy_at_threshold, 2, 2, zeros, zeros, probs), 0.5, 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(separable),
                                       cmocka_unit_test(absent_class)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
