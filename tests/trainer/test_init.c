/* PyTorch's initial values: ranges, deviations, and who shares them. */
#include "tests/trainer/parts.h"

#include <stdlib.h>

#include "trainer/init.h"
#include "trainer/model.h"

extern const struct model_ops model_resnet, model_mlp;

struct built {
    struct kn_net net;
    struct kn_state state;
};

static void make(struct built *b, const struct model_ops *ops, const char *sets, uint64_t seed,
                 int fold)
{
    struct arena a = {0};
    struct model_input in = {3, 16, 16, 10};

    kn_net_init(&b->net, 3, 16, 16, 10);
    ops->build(make_priv(&a, &ops->plugin, sets), &in, &b->net);
    assert_int_equal(kn_net_finish(&b->net, NULL), 0);
    arena_release(&a);
    b->state.weights = calloc(b->net.n_weights, sizeof(float));
    b->state.buffers = calloc(b->net.n_buffers + 1, sizeof(float));
    b->state.slots[0] = malloc(b->net.n_weights * sizeof(float));
    memset(b->state.slots[0], 1, b->net.n_weights * sizeof(float));
    tr_init_state(&b->net, seed, fold, 1, &b->state);
}

static void drop(struct built *b)
{
    free(b->state.weights);
    free(b->state.buffers);
    free(b->state.slots[0]);
    kn_net_release(&b->net);
}

static const struct kn_param *param(const struct built *b, const char *name)
{
    for (int i = 0; i < b->net.n_params; i++)
        if (!strcmp(b->net.param[i].name, name))
            return &b->net.param[i];
    fail_msg("%s", name);
    return NULL;
}

static void moments(const float *p, size_t n, double *ret_mean, double *ret_std, double *ret_max)
{
    double s = 0, q = 0, top = 0;

    for (size_t i = 0; i < n; i++) {
        s += (double)p[i];
        q += (double)p[i] * (double)p[i];
        top = fmax(top, fabs((double)p[i]));
    }
    *ret_mean = s / (double)n;
    *ret_std = sqrt(q / (double)n - *ret_mean * *ret_mean);
    *ret_max = top;
}

/* U(+-1 / sqrt fan_in): deviation bound / sqrt 3, weights and biases. */
static void linear(void **state)
{
    struct built b;
    const struct kn_param *w, *bias;
    double mean, std, top, bound = 1 / sqrt(768);

    (void)state;
    make(&b, &model_mlp, "layers=1 width=128", 1, 0);
    w = param(&b, "fc0.weight");
    moments(b.state.weights + w->offset, w->count, &mean, &std, &top);
    assert_near(mean, 0, 4 * bound / sqrt(3 * (double)w->count));
    assert_near(std, bound / sqrt(3), 0.01 * bound);
    assert_true(top <= bound && top > 0.99 * bound);
    bias = param(&b, "fc0.bias");
    moments(b.state.weights + bias->offset, bias->count, &mean, &std, &top);
    assert_true(top <= bound && top > 0.9 * bound);
    for (size_t i = 0; i < b.net.n_weights; i++)
        assert_true(b.state.slots[0][i] == 0);
    drop(&b);
}

/* kaiming_normal_(mode="fan_out", nonlinearity="relu"); batch norm 1, 0, 0, 1. */
static void residual(void **state)
{
    struct built b;
    const struct kn_param *w;
    double mean, std, top, want = sqrt(2.0 / (64 * 9));

    (void)state;
    make(&b, &model_resnet, "depth=8", 1, 0);
    w = param(&b, "layer3.0.conv2.weight");
    moments(b.state.weights + w->offset, w->count, &mean, &std, &top);
    assert_near(mean, 0, 4 * want / sqrt((double)w->count));
    assert_near(std, want, 0.02 * want);
    assert_true(top > 3.2 * want);
    for (int i = 0; i < b.net.n_ops; i++) {
        const struct kn_op *op = &b.net.op[i];

        if (op->kind != KN_BATCH_NORM)
            continue;
        for (size_t c = 0; c < b.net.param[op->weight].count; c++) {
            assert_true(b.state.weights[b.net.param[op->weight].offset + c] == 1.0f);
            assert_true(b.state.weights[b.net.param[op->bias].offset + c] == 0.0f);
            assert_true(b.state.buffers[b.net.param[op->mean].offset + c] == 0.0f);
            assert_true(b.state.buffers[b.net.param[op->var].offset + c] == 1.0f);
        }
    }
    drop(&b);
}

/* The same for every trial; another for another fold or seed. */
static void streams(void **state)
{
    struct built a, b;

    (void)state;
    make(&a, &model_mlp, "", 5, 1);
    make(&b, &model_mlp, "dropout=0.5", 5, 1);
    assert_memory_equal(a.state.weights, b.state.weights, a.net.n_weights * sizeof(float));
    drop(&b);
    make(&b, &model_mlp, "", 5, 2);
    assert_memory_not_equal(a.state.weights, b.state.weights, a.net.n_weights * sizeof(float));
    drop(&b);
    make(&b, &model_mlp, "", 6, 1);
    assert_memory_not_equal(a.state.weights, b.state.weights, a.net.n_weights * sizeof(float));
    drop(&b);
    drop(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(linear), cmocka_unit_test(residual),
                                       cmocka_unit_test(streams)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
