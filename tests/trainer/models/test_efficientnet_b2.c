#include "tests/trainer/models/shape.h"

extern const struct model_ops model_efficientnet_b2;

/* torchvision's number of parameters. */
static void shape(void **state)
{
    struct kn_net n;

    (void)state;
    assert_int_equal(build_net(&model_efficientnet_b2, "", 224, 1000, &n, NULL), 0);
    assert_int_equal(n.n_weights, 9109994);
    find_param(&n, "features.1.0.block.1.fc1.bias");
    assert_int_equal(find_param(&n, "features.2.0.block.1.0.weight")->dims[1], 1);
    find_param(&n, "features.8.1.running_var");
    assert_int_equal(find_param(&n, "classifier.1.weight")->init, KN_INIT_UNIFORM_OUT);
    assert_int_equal(find_param(&n, "features.1.0.block.1.fc2.bias")->init, KN_INIT_ZERO);
    kn_net_release(&n);
}

/* Small pictures are not halved before the first block; the head and stochastic depth add nothing
 * that is trained. */
static void options(void **state)
{
    struct kn_net n;

    (void)state;
    assert_int_equal(build_net(&model_efficientnet_b2, "dropout_samples=4", 32, 10, &n, NULL), 0);
    assert_int_equal(n.tensor[n.op[0].out].h, 32);
    assert_true(count_ops(&n, KN_DROP_PATH) > 0);
    assert_int_equal(n.tensor[n.n_tensors - 1].samples, 4);
    kn_net_release(&n);
    assert_int_equal(build_net(&model_efficientnet_b2, "stem=imagenet", 32, 10, &n, NULL), 0);
    assert_int_equal(n.tensor[n.op[0].out].h, 16);
    kn_net_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shape), cmocka_unit_test(options)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
