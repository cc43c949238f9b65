#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_balanced_accuracy_threshold;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_balanced_accuracy_threshold);
}

/* Between the probabilities that it separates. */
static void in_the_middle(void **state)
{
    const int32_t labels[] = {0, 0, 1, 1}, pred[] = {0, 0, 0, 0};
    const float probs[] = {0.9f, 0.1f, 0.8f, 0.2f, 0.7f, 0.3f, 0.6f, 0.4f};

    (void)state;
    assert_near(metric_of(&metric_balanced_accuracy_threshold, 4, 2, labels, pred, probs),
                ((double)0.2f + (double)0.3f) / 2, 0);
}

/* It says something, and judges nothing. */
static void describes(void **state)
{
    const int32_t ones[] = {1, 1}, zeros[] = {0, 0};
    const float probs[] = {0.25f, 0.75f, 0.5f, 0.5f};

    (void)state;
    /* all count: below the smallest */
    assert_near(metric_of(&metric_balanced_accuracy_threshold, 2, 2, ones, ones, probs), 0.25, 0);
    assert_near(metric_of(&metric_balanced_accuracy_threshold, 2, 2, zeros, zeros, probs), 0.875,
                0);
    assert_false(tr_metric_judges(&metric_balanced_accuracy_threshold, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(in_the_middle),
                                       cmocka_unit_test(describes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
