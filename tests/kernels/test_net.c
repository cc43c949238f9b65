#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "kernels/net.h"
#include "tests/kernels/nets.h"

static void test_shapes(void **s)
{
    struct kn_net n;
    struct hpo_err err;
    size_t at[2] = {0};
    int t;

    kn_net_init(&n, 3, 33, 31, 10);
    t = kn_conv2d(&n, "conv", 0, 8, 3, 2, 1, true, KN_INIT_KAIMING_FAN_OUT);
    assert_int_equal(n.tensor[t].c, 8);
    assert_int_equal(n.tensor[t].h, 17);
    assert_int_equal(n.tensor[t].w, 16);
    t = kn_batch_norm(&n, "bn", t);
    t = kn_relu(&n, "relu", t);
    t = kn_max_pool(&n, "pool", t, 3, 2, 0);
    assert_int_equal(n.tensor[t].h, 8);
    assert_int_equal(n.tensor[t].w, 7);
    t = kn_flatten(&n, "flatten", t);
    assert_int_equal(n.tensor[t].c, 8 * 8 * 7);
    t = kn_dropout(&n, "drop", t, 0.25f);
    kn_linear(&n, "fc", t, 10, true);
    assert_int_equal(kn_net_finish(&n, &err), 0);
    assert_int_equal(n.n_rates, 1);
    assert_true(n.rates[0] == 0.25f);
    assert_int_equal(n.n_ops, 7);
    assert_int_equal(n.n_weights, 8 * 3 * 9 + 8 + 8 + 8 + 8 * 56 * 10 + 10);
    assert_int_equal(n.n_buffers, 16);
    assert_string_equal(n.param[0].name, "conv.weight");
    assert_string_equal(n.param[4].name, "bn.running_mean");
    assert_int_equal(n.param[0].init, KN_INIT_KAIMING_FAN_OUT);
    for (int i = 0; i < n.n_params; i++) {
        size_t *next = &at[n.param[i].trained];

        assert_int_equal(n.param[i].offset, *next);
        *next += n.param[i].count;
    }
    assert_int_equal(n.op[1].mean, 4);
    assert_true(n.op[1].eps == 1e-5f && n.op[1].momentum == 0.1f);
    assert_true(kn_net_macs(&n) == 8.0 * 27 * 17 * 16 + 8.0 * 56 * 10);
    kn_net_release(&n);
    kn_net_release(&n); /* a released one is a valid empty one */
}

static void refused(struct kn_net *n, const char *word)
{
    struct hpo_err err = {0};

    assert_int_equal(kn_net_finish(n, &err), HPO_ECONFIG);
    if (!strstr(err.msg, word))
        fail_msg("'%s' says nothing of '%s'", err.msg, word);
    kn_net_release(n);
}

static void test_mistakes(void **s)
{
    struct kn_net n;
    int t;

    kn_net_init(&n, 3, 4, 4, 2);
    t = kn_max_pool(&n, "pool", 0, 5, 1, 0);
    t = kn_conv2d(&n, "later", t, 1 << 30, 3, 1, 1, false, KN_INIT_DEFAULT);
    kn_linear(&n, "fc", t, 2, true);
    refused(&n, "pool"); /* the first failure, not what follows from it */

    kn_net_init(&n, 3, 4, 4, 2);
    kn_linear(&n, "fc", 0, 2, true);
    refused(&n, "fc");

    kn_net_init(&n, 3, 4, 4, 2);
    kn_linear(&n, "fc", kn_flatten(&n, "f", 0), 3, true);
    refused(&n, "not 2 logits");

    kn_net_init(&n, 3, 4, 4, 2);
    refused(&n, "no operations");

    kn_net_init(&n, 3, 4, 4, 1);
    refused(&n, "2 or more classes");

    kn_net_init(&n, 3, 0, 4, 2);
    refused(&n, "input");

    kn_net_init(&n, 3, 4, 4, 2);
    t = kn_conv2d(&n, "c", 0, 4, 3, 1, 1, false, KN_INIT_DEFAULT);
    t = kn_conv2d(&n, "c", t, 4, 3, 1, 1, false, KN_INIT_DEFAULT);
    refused(&n, "this name");

    kn_net_init(&n, 3, 4, 4, 2);
    t = kn_conv2d(&n, "c", 0, 4, 3, 1, 1, false, KN_INIT_DEFAULT);
    kn_add(&n, "add", 0, t);
    refused(&n, "cannot be added");

    kn_net_init(&n, 3, 4, 4, 2);
    kn_relu(&n, "lost", 0);
    kn_linear(&n, "fc", kn_flatten(&n, "f", 0), 2, true);
    refused(&n, "lost");

    kn_net_init(&n, 3, 4, 4, 2);
    kn_dropout(&n, "drop", 0, 1.0f);
    refused(&n, "dropout rate");

    kn_net_init(&n, 3, 4, 4, 2);
    t = 0;
    for (int i = 0; i <= KN_MAX_RATES; i++)
        t = kn_dropout(&n, "drop", t, 0.1f);
    refused(&n, "at most");

    kn_net_init(&n, 3, 4, 4, 2);
    kn_conv2d(&n, "c", 0, 4, 3, 1, 3, false, KN_INIT_DEFAULT);
    refused(&n, "not a convolution");

    kn_net_init(&n, 3, 4, 4, 2);
    kn_relu(&n, "r", 7);
    refused(&n, "no tensor 7");

    kn_net_init(&n, 3, 4, 4, 2);
    kn_relu(&n, "a name that is far longer than any name of a layer may ever be", 0);
    refused(&n, "needs a name");

    kn_net_init(&n, 3, 4, 4, 2);
    kn_conv2d(&n, "c", 0, 1 << 21, 3, 1, 1, false, KN_INIT_DEFAULT);
    refused(&n, "too large");
}

/* He et al. 2015, table 6: ResNet-20 has 0.27 million parameters and (their plain shortcuts aside)
 * 41 million multiply-adds. */
static void test_resnet20(void **s)
{
    struct kn_net n;
    struct hpo_err err;

    net_resnet(&n, 32, 16, 3, 10);
    assert_int_equal(kn_net_finish(&n, &err), 0);
    assert_true(n.n_weights > 270000 && n.n_weights < 274000);
    assert_true(kn_net_macs(&n) > 40e6 && kn_net_macs(&n) < 42e6);
    kn_net_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_resnet20),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
