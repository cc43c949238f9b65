#include "tests/trainer/models/shape.h"

extern const struct model_ops model_wide_resnet;

/* The paper's table 4 gives 36.5 M for WRN-28-10. */
static void shape(void **state)
{
    struct kn_net n;

    (void)state;
    assert_int_equal(build_net(&model_wide_resnet, "depth=28 width=10", 32, 10, &n, NULL), 0);
    assert_int_equal(n.n_weights, 36479194);
    assert_int_equal(count_ops(&n, KN_CONV2D), 25 + 3);
    find_param(&n, "layer2.0.shortcut.weight");
    kn_net_release(&n);
}

static void options(void **state)
{
    struct hpo_err err = {0};
    struct kn_net n;

    (void)state;
    assert_int_equal(build_net(&model_wide_resnet, "depth=20", 32, 10, &n, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "16 or 22, not 20"));
    kn_net_release(&n);
    assert_int_equal(build_net(&model_wide_resnet, "block_dropout=0.3", 32, 10, &n, &err), 0);
    assert_int_equal(n.n_weights, 2748890);
    assert_int_equal(count_ops(&n, KN_DROPOUT), 6 + 1);
    for (int i = 0, last = -1; i < n.n_ops; i++)
        if (n.op[i].kind == KN_DROPOUT) {
            assert_int_not_equal(n.op[i].layer, last); /* masks of its own */
            last = n.op[i].layer;
        }
    kn_net_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shape), cmocka_unit_test(options)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
