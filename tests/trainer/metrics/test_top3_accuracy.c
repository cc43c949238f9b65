#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_top3_accuracy;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_top3_accuracy);
}

/* Of equal probabilities the higher index comes first: class 0 is the last of 4. */
static void ties(void **state)
{
    const int32_t labels[] = {0, 0, 3}, pred[] = {0, 0, 0};
    float probs[3 * 4];

    (void)state;
    for (int i = 0; i < 3 * 4; i++)
        probs[i] = 1.0f / 4;
    assert_near(metric_of(&metric_top3_accuracy, 3, 4, labels, pred, probs), 1.0 / 3, 1e-15);
}

static void needs_more_classes(void **state)
{
    const int32_t labels[] = {0}, pred[] = {0};

    (void)state;
    assert_true(isnan(metric_of(&metric_top3_accuracy, 1, 3, labels, pred, NULL)));
    assert_near(metric_of(&metric_top3_accuracy, 1, 4, labels, pred, NULL), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(ties),
                                       cmocka_unit_test(needs_more_classes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
