#include "tests/trainer/losses/loss_check.h"

extern const struct loss_ops loss_focal;

static void golden(void **state)
{
    (void)state;
    assert_near(golden_mean(&loss_focal, "gamma=0.5"), 0.5789195694055937, 1e-6);
    assert_near(golden_mean(&loss_focal, "gamma=2"), 0.34652765684215164, 1e-6);
    assert_near(golden_mean(&loss_focal, "gamma=5"), 0.16776379061073532, 1e-6);
    assert_near(golden_mean(&loss_focal, "gamma=2 alpha=0.25"), 0.34652765684215164 / 4, 1e-6);
}

/* gamma 0 is cross entropy. */
static void no_focus(void **state)
{
    (void)state;
    assert_near(golden_mean(&loss_focal, "gamma=0"), 0.7280564257744283, 1e-6);
    assert_near(golden_mean(&loss_focal, "gamma=0 label_smoothing=0.1"), 0.8243064257744284, 1e-6);
}

static void gradient(void **state)
{
    (void)state;
    check_gradient(&loss_focal, "");
    check_gradient(&loss_focal, "gamma=0.5");
    check_gradient(&loss_focal, "gamma=5 alpha=0.3");
    check_gradient(&loss_focal, "gamma=2 label_smoothing=0.2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(no_focus),
                                       cmocka_unit_test(gradient)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
