#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_average_precision;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_average_precision);
}

static void ties(void **state)
{
    const int32_t labels[] = {0, 1, 0, 1}, pred[] = {0, 0, 0, 0};
    const float same[] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f};

    (void)state;
    assert_near(metric_of(&metric_average_precision, 4, 2, labels, pred, same), 0.5, 0);
}

/* The mean is over the classes that occur; of two classes, the second must. */
static void absent_class(void **state)
{
    const int32_t labels[] = {0, 0, 2, 2}, pred[] = {0, 0, 2, 0}, zeros[] = {0, 0, 0, 0};
    const float probs[] = {0.8f, 0.1f, 0.1f, 0.5f, 0.2f, 0.3f, 0.2f, 0.1f, 0.7f, 0.6f, 0.2f, 0.2f};

    (void)state;
    assert_near(metric_of(&metric_average_precision, 4, 3, labels, pred, probs),
                ((1 + 2.0 / 3) / 2 + (1 + 2.0 / 3) / 2) / 2, 1e-15);
    assert_near(metric_of(&metric_average_precision, 4, 2, zeros, zeros, probs), 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(ties),
                                       cmocka_unit_test(absent_class)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
