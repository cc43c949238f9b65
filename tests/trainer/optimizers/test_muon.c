#include "tests/trainer/optimizers/trajectory.h"

extern const struct optimizer_ops optimizer_muon;

static void lowering(void **state)
{
    double lr;
    struct kn_optim o = lowered(&optimizer_muon, "lr=0.05 other_lr=0.002", &lr);

    (void)state;
    assert_near(lr, 0.05, 0);
    assert_near((double)o.other_lr, 0.04, 1e-7);
    assert_near((double)o.momentum, 0.95, 1e-7);
    assert_int_equal(o.ns_steps, 5);
    assert_int_equal(o.nesterov, 1);
}

/* torch.optim.Muon: the rate of tall matrices grows with the root of their shape. */
static void factor(void **state)
{
    (void)state;
    assert_near((double)kn_muon_factor(64, 16), 2, 1e-6);
    assert_near((double)kn_muon_factor(16, 64), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lowering), cmocka_unit_test(factor)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
