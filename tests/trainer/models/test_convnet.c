#include "tests/trainer/models/shape.h"

extern const struct model_ops model_convnet;

static void shape(void **state)
{
    struct kn_net n;
    const struct kn_param *w;

    (void)state;
    assert_int_equal(build_net(&model_convnet, "width=16 dropout=0.25", 32, 10, &n, NULL), 0);
    assert_int_equal(count_ops(&n, KN_CONV2D), 6);
    assert_int_equal(count_ops(&n, KN_BATCH_NORM), 6);
    assert_int_equal(count_ops(&n, KN_MAX_POOL), 2);
    w = find_param(&n, "stage2.conv1.weight");
    assert_int_equal(w->dims[0], 64);
    assert_int_equal(w->dims[1], 64);
    assert_int_equal(w->dims[2], 3);
    find_param(&n, "stage0.bn0.running_var");
    find_param(&n, "fc.bias");
    /* 9 * (3*16 + 16*16 + 16*32 + 32*32 + 32*64 + 64*64), 2 * 2 * (16 + 32 + 64), 650 */
    assert_int_equal(n.n_weights, 9 * 7984 + 448 + 650);
    assert_int_equal(n.n_buffers, 448);
    assert_int_equal(n.n_rates, 1);
    assert_near((double)n.rates[0], 0.25, 0);
    kn_net_release(&n);
}

/* More halvings than the picture has: said, with how many it has. */
static void too_deep(void **state)
{
    struct hpo_err err = {0};
    struct kn_net n;

    (void)state;
    assert_int_equal(build_net(&model_convnet, "stages=6", 16, 10, &n, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "at most"));
    kn_net_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shape), cmocka_unit_test(too_deep)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
