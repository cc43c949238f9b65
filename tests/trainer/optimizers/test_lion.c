#include "tests/trainer/optimizers/trajectory.h"

extern const struct optimizer_ops optimizer_lion;

/* Signs alone count: from (1, -2) both gradients keep theirs for as long as this. */
static void golden(void **state)
{
    const double want[][2] = {{0.9, -1.9}, {0.8, -1.8}, {0.7, -1.7}};
    const double decayed[][2] = {{0.899, -1.898}, {0.798101, -1.796102}};

    (void)state;
    check_trajectory(&optimizer_lion, "lr=0.1", want, 3);
    check_trajectory(&optimizer_lion, "lr=0.1 weight_decay=0.01", decayed, 2);
}

/* The momentum outlives a change of sign: beta1 weighs it for the step, beta2 keeps it. */
static void momentum(void **state)
{
    struct kn_optim o = lowered(&optimizer_lion, "lr=1", NULL);
    const float g[] = {1, -0.05f, -0.2f}, want[] = {-1, -2, -1};
    float w = 0, m = 0;

    (void)state;
    /* m is 0.01, then 0.0094: 0.9 m - 0.1 * 0.05 is still above 0, 0.9 m - 0.1 * 0.2 is not. */
    for (int t = 0; t < 3; t++) {
        struct kn_optim_step s = kn_optim_begin(&o, 1, (uint32_t)t);

        kn_lion(&s, g[t], &w, &m);
        assert_near((double)w, (double)want[t], 0);
    }
    assert_near((double)m, (0.01 * 0.99 - 0.01 * 0.05) * 0.99 - 0.01 * 0.2, 1e-8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(momentum)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
