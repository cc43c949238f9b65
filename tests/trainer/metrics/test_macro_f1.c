#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_macro_f1;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_macro_f1);
}

/* A class that is never predicted counts with 0; one that neither occurs nor is predicted does not
 * count. */
static void zero_division(void **state)
{
    const int32_t labels[] = {0, 0, 1}, pred[] = {0, 0, 0};

    (void)state;
    assert_near(metric_of(&metric_macro_f1, 3, 2, labels, pred, NULL), 0.4, 1e-15);
    assert_near(metric_of(&metric_macro_f1, 3, 5, labels, pred, NULL), 0.4, 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(zero_division)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
