#include "tests/trainer/models/shape.h"

extern const struct model_ops model_resnet18;

/* torchvision's number of parameters. */
static void shape(void **state)
{
    struct kn_net n;

    (void)state;
    assert_int_equal(build_net(&model_resnet18, "", 224, 1000, &n, NULL), 0);
    assert_int_equal(n.n_weights, 11689512);
    find_param(&n, "layer1.0.bn1.running_mean");
    assert_int_equal(find_param(&n, "conv1.weight")->dims[2], 7);
    find_param(&n, "layer2.0.downsample.1.weight");
    find_param(&n, "layer4.1.conv2.weight");
    assert_int_equal(n.tensor[n.n_tensors - 3].h, 7);
    kn_net_release(&n);
}

/* Small pictures are not halved before the first block; the head and stochastic depth add nothing
 * that is trained. */
static void options(void **state)
{
    struct kn_net n;

    (void)state;
    assert_int_equal(build_net(&model_resnet18,
                               "stochastic_depth=0.1 dropout=0.5 dropout_samples=4", 32, 10, &n,
                               NULL),
                     0);
    assert_int_equal(n.tensor[n.op[0].out].h, 32);
    assert_true(count_ops(&n, KN_DROP_PATH) > 0);
    assert_int_equal(n.tensor[n.n_tensors - 1].samples, 4);
    kn_net_release(&n);
    assert_int_equal(build_net(&model_resnet18, "stem=imagenet", 32, 10, &n, NULL), 0);
    assert_int_equal(n.tensor[n.op[0].out].h, 16);
    kn_net_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shape), cmocka_unit_test(options)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
