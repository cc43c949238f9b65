#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_roc_auc;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_roc_auc);
}

static void ties(void **state)
{
    const int32_t labels[] = {0, 1, 0, 1}, pred[] = {0, 0, 0, 0};
    const float same[] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f};

    (void)state;
    assert_near(metric_of(&metric_roc_auc, 4, 2, labels, pred, same), 0.5, 0);
}

/* The mean is over the classes that occur; where that is one alone, chance. */
static void absent_class(void **state)
{
    const int32_t labels[] = {0, 0, 2, 2}, pred[] = {0, 0, 2, 0}, one[] = {1, 1, 1, 1};
    const float probs[] = {0.8f, 0.1f, 0.1f, 0.5f, 0.2f, 0.3f, 0.2f, 0.1f, 0.7f, 0.6f, 0.2f, 0.2f};

    (void)state;
    /* of class 0 three pairs of four are in order, of class 2 as well */
    assert_near(metric_of(&metric_roc_auc, 4, 3, labels, pred, probs), 0.75, 1e-15);
    assert_near(metric_of(&metric_roc_auc, 4, 3, one, pred, probs), 0.5, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(ties),
                                       cmocka_unit_test(absent_class)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
