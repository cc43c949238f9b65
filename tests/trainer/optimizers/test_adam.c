#include "tests/trainer/optimizers/trajectory.h"

extern const struct optimizer_ops optimizer_adam;

static void golden(void **state)
{
    const double want[][2] = {{0.9000000003, -1.9000000005},
                              {0.8004122283, -1.8001664866},
                              {0.7015862724, -1.7006233928}};

    (void)state;
    check_trajectory(&optimizer_adam, "lr=0.1 weight_decay=0.01", want, 3);
}

static void defaults(void **state)
{
    double lr;
    struct kn_optim o = lowered(&optimizer_adam, "", &lr);

    (void)state;
    assert_near(lr, 1e-3, 0);
    assert_near((double)o.eps, 1e-8, 1e-15);
    assert_near((double)o.weight_decay, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(defaults)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
