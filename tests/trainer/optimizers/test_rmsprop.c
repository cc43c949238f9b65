#include "tests/trainer/optimizers/trajectory.h"

extern const struct optimizer_ops optimizer_rmsprop;

/* alpha 0.99, momentum 0.9 */
static void golden(void **state)
{
    const double want[][2] = {
        {3.33e-08, -1.00000005}, {-0.8999999702, 0.3490131578}, {-1.0373272083, 1.4075419557}};

    (void)state;
    check_trajectory(&optimizer_rmsprop, "lr=0.1 momentum=0.9", want, 3);
}

static void defaults(void **state)
{
    double lr;
    struct kn_optim o = lowered(&optimizer_rmsprop, "", &lr);

    (void)state;
    assert_near(lr, 0.01, 0);
    assert_near((double)o.beta2, 0.99, 1e-7);
    assert_near((double)o.momentum, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(defaults)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
