#include "tests/trainer/optimizers/trajectory.h"

extern const struct optimizer_ops optimizer_adamw;

static void golden(void **state)
{
    const double want[][2] = {{0.8990000003, -1.8980000005},
                              {0.7985190268, -1.7962725892},
                              {0.6989111826, -1.6949445152}};

    (void)state;
    check_trajectory(&optimizer_adamw, "lr=0.1", want, 3);
}

static void defaults(void **state)
{
    double lr;
    struct kn_optim o = lowered(&optimizer_adamw, "", &lr);

    (void)state;
    assert_near(lr, 1e-3, 0);
    assert_near((double)o.beta1, 0.9, 1e-7);
    assert_near((double)o.beta2, 0.999, 1e-7);
    assert_near((double)o.eps, 1e-8, 1e-15);
    assert_near((double)o.weight_decay, 0.01, 1e-8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(defaults)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
