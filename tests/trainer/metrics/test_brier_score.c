#include "tests/trainer/metrics/golden.h"

extern const struct metric_ops metric_brier_score;

static void golden(void **state)
{
    (void)state;
    golden_check(&metric_brier_score);
}

/* Being sure and wrong costs 1 with two classes, 2 with more. */
static void ends(void **state)
{
    const int32_t labels[] = {0, 1}, wrong[] = {1, 0}, of_three[] = {2, 0};

    (void)state;
    assert_near(metric_of(&metric_brier_score, 2, 2, labels, labels, NULL), 0, 0);
    assert_near(metric_of(&metric_brier_score, 2, 2, labels, wrong, NULL), 1, 0);
    assert_near(metric_of(&metric_brier_score, 2, 3, labels, of_three, NULL), 2, 0);
    assert_false(metric_brier_score.maximize);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(ends)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
