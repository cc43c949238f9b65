#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_top5_accuracy;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_top5_accuracy);
}

/* Of equal probabilities the higher index comes first: class 0 is the last of 6. */
static void ties(void **state)
{
    const int32_t labels[] = {0, 0, 5}, pred[] = {0, 0, 0};
    float probs[3 * 6];

    (void)state;
    for (int i = 0; i < 3 * 6; i++)
        probs[i] = 1.0f / 6;
    assert_near(metric_of(&metric_top5_accuracy, 3, 6, labels, pred, probs), 1.0 / 3, 1e-15);
}

static void needs_more_classes(void **state)
{
    const int32_t labels[] = {0}, pred[] = {0};

    (void)state;
    assert_true(isnan(metric_of(&metric_top5_accuracy, 1, 5, labels, pred, NULL)));
    assert_near(metric_of(&metric_top5_accuracy, 1, 6, labels, pred, NULL), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(ties),
                                       cmocka_unit_test(needs_more_classes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
