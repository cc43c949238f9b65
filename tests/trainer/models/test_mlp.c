#include "tests/trainer/models/shape.h"

extern const struct model_ops model_mlp;

static void shape(void **state)
{
    struct kn_net n;

    (void)state;
    assert_int_equal(build_net(&model_mlp, "layers=2 width=64 dropout=0.5", 8, 10, &n, NULL), 0);
    assert_int_equal(n.n_weights, 192 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10);
    assert_int_equal(n.n_buffers, 0);
    assert_int_equal(n.n_rates, 2);
    assert_int_equal(find_param(&n, "fc0.weight")->dims[1], 192);
    assert_int_equal(find_param(&n, "fc.weight")->dims[0], 10);
    kn_net_release(&n);
}

static void extremes(void **state)
{
    struct kn_net n;

    (void)state;
    assert_int_equal(build_net(&model_mlp, "layers=0", 8, 2, &n, NULL), 0);
    assert_int_equal(n.n_weights, 192 * 2 + 2);
    kn_net_release(&n);
    assert_int_equal(build_net(&model_mlp, "layers=8 width=4", 8, 2, &n, NULL), 0);
    kn_net_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shape), cmocka_unit_test(extremes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
