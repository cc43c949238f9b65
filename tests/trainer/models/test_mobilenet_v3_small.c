#include "tests/trainer/models/shape.h"

extern const struct model_ops model_mobilenet_v3_small;

/* torchvision's number of parameters. */
static void shape(void **state)
{
    struct kn_net n;

    (void)state;
    assert_int_equal(build_net(&model_mobilenet_v3_small, "", 224, 1000, &n, NULL), 0);
    assert_int_equal(n.n_weights, 2542856);
    find_param(&n, "features.1.block.1.fc1.bias");
    find_param(&n, "features.4.block.0.1.running_mean");
    assert_int_equal(find_param(&n, "features.4.block.1.0.weight")->dims[2], 5);
    assert_int_equal(find_param(&n, "classifier.0.weight")->init, KN_INIT_NORMAL_01);
    assert_int_equal(find_param(&n, "classifier.3.weight")->dims[1], 1024);
    kn_net_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shape)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
