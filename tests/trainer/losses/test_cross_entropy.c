#include "tests/trainer/losses/loss_check.h"

extern const struct loss_ops loss_cross_entropy;

static void golden(void **state)
{
    (void)state;
    assert_near(golden_mean(&loss_cross_entropy, ""), 0.7280564257744283, 1e-6);
    assert_near(golden_mean(&loss_cross_entropy, "label_smoothing=0.1"), 0.8243064257744284, 1e-6);
}

static void gradient(void **state)
{
    (void)state;
    check_gradient(&loss_cross_entropy, "");
    check_gradient(&loss_cross_entropy, "label_smoothing=0.3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(gradient)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
