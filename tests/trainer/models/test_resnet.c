#include <stdio.h>

#include "tests/trainer/models/shape.h"

extern const struct model_ops model_resnet;

/* The paper's table 6 gives 0.27 M weights for depth 20; the projections add 2,560 and their batch
 * norms 192. */
static void shape(void **state)
{
    struct kn_net n;
    const struct kn_param *w;

    (void)state;
    assert_int_equal(build_net(&model_resnet, "", 32, 10, &n, NULL), 0);
    assert_int_equal(count_ops(&n, KN_CONV2D), 19 + 2);
    assert_int_equal(count_ops(&n, KN_ADD), 9);
    assert_int_equal(n.n_weights, 269722 + 2560 + 192);
    w = find_param(&n, "layer2.0.downsample.0.weight");
    assert_int_equal(w->dims[0], 32);
    assert_int_equal(w->dims[1], 16);
    assert_int_equal(w->dims[2], 1);
    assert_int_equal(w->init, KN_INIT_KAIMING_FAN_OUT);
    find_param(&n, "layer2.0.downsample.1.running_mean");
    find_param(&n, "layer1.0.conv1.weight");
    find_param(&n, "layer3.2.bn2.weight");
    find_param(&n, "bn1.bias");
    assert_int_equal(find_param(&n, "fc.weight")->dims[1], 64);
    kn_net_release(&n);
}

static void depths(void **state)
{
    struct hpo_err err = {0};
    struct kn_net n;

    (void)state;
    for (int depth = 8; depth <= 110; depth++) {
        char sets[32];
        int rc;

        snprintf(sets, sizeof(sets), "depth=%d width=2", depth);
        rc = build_net(&model_resnet, sets, 8, 2, &n, &err);
        assert_int_equal(rc, depth % 6 == 2 ? 0 : HPO_ECONFIG);
        if (!rc) /* weight layers, the projections not counted */
            assert_int_equal(count_ops(&n, KN_CONV2D) - 2 + 1, depth);
        kn_net_release(&n);
    }
    assert_int_equal(build_net(&model_resnet, "depth=18", 32, 10, &n, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "14 or 20, not 18"));
    kn_net_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shape), cmocka_unit_test(depths)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
