#include "tests/trainer/models/shape.h"

extern const struct model_ops model_airbench;

/* Jordan 2024, section 3.1: 1.97 million parameters, of which the batch norms' scales, which are
 * ours as well as PyTorch's, are 2 * (64 + 256 + 256). */
static void shape(void **state)
{
    const struct kn_param *p;
    struct kn_net n;

    (void)state;
    assert_int_equal(build_net(&model_airbench, "", 32, 10, &n, NULL), 0);
    assert_int_equal(n.n_weights, 24 * 12 + 24 +
                                      9 * (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256) +
                                      4 * (64 + 256 + 256) + 256 * 10);
    assert_int_equal(count_ops(&n, KN_CONV2D), 7);
    assert_int_equal(n.tensor[n.op[0].out].h, 31);
    p = find_param(&n, "whiten.weight");
    assert_int_equal(p->init, KN_INIT_WHITEN);
    assert_int_equal(p->epochs, 0);
    assert_int_equal(find_param(&n, "whiten.bias")->epochs, 3);
    assert_int_equal(find_param(&n, "whiten.bias")->init, KN_INIT_ZERO);
    assert_int_equal(find_param(&n, "layers.3.norm2.weight")->epochs, 0);
    assert_int_equal(find_param(&n, "layers.3.norm2.bias")->epochs, KN_ALWAYS);
    assert_int_equal(find_param(&n, "layers.1.conv2.weight")->init, KN_INIT_DIRAC);
    assert_int_equal(find_param(&n, "head.weight")->dims[1], 256);
    kn_net_release(&n);
}

static void options(void **state)
{
    struct hpo_err err = {0};
    struct kn_net n;

    (void)state;
    assert_int_equal(
        build_net(&model_airbench, "width=8 growth=3 depth=3 whiten=false", 32, 5, &n, NULL), 0);
    assert_int_equal(count_ops(&n, KN_CONV2D), 10);
    assert_int_equal(count_ops(&n, KN_ADD), 3);
    assert_int_equal(find_param(&n, "layers.2.conv3.weight")->dims[0], 24);
    assert_int_equal(find_param(&n, "whiten.weight")->epochs, KN_ALWAYS);
    kn_net_release(&n);
    assert_int_equal(build_net(&model_airbench, "width=8", 64, 5, &n, NULL), 0);
    assert_int_equal(find_param(&n, "head.weight")->dims[1], 32 * 2 * 2);
    kn_net_release(&n);
    assert_int_equal(build_net(&model_airbench, "width=8", 9, 5, &n, NULL), 0);
    assert_int_equal(find_param(&n, "head.weight")->dims[1], 32);
    kn_net_release(&n);
    assert_int_equal(build_net(&model_airbench, "", 8, 10, &n, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "9 x 9 is the least"));
    kn_net_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shape), cmocka_unit_test(options)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
