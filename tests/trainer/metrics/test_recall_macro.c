#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_recall_macro;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_recall_macro);
}

/* A class that is only predicted counts 0; one that does not occur at all is left out. */
static void absent_class(void **state)
{
    const int32_t labels[] = {0, 0, 0, 2}, pred[] = {0, 0, 1, 2};

    (void)state;
    assert_near(metric_of(&metric_recall_macro, 4, 3, labels, pred, NULL), (2.0 / 3 + 0 + 1) / 3,
                1e-15);
    assert_near(metric_of(&metric_recall_macro, 4, 5, labels, pred, NULL), (2.0 / 3 + 0 + 1) / 3,
                1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(absent_class)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
