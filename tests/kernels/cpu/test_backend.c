#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/cpu/fixture.h"

/* ---- bits ---- */

struct run {
    struct kn_state state;
    double loss[4];
    float logits[10 * 8];
};

/* Four steps of models first .. first + models - 1, in one plan; models' results into ret. */
static void run_array(struct fixture *f, int first, int models, bool prefetch, bool eval_between,
                      struct run *ret)
{
    int32_t rows[3][4][IMAGES];
    struct kn_batch batch[4][3];
    const int32_t *index[3];
    float *logits[3], waste[3][80];
    double loss[3];
    int n[3];

    for (int m = 0; m < models; m++) {
        struct kn_hyper h = hyper(first + m, f->desc.optim);

        assert_int_equal(ops->set_hyper(f->plan, m, &h, &f->err), 0);
        state_draw(&f->state, &f->net, 40 + (uint64_t)(first + m));
        assert_int_equal(ops->set_state(f->plan, m, &f->state, &f->err), 0);
        for (int s = 0; s < 4; s++) {
            for (int i = 0; i < IMAGES; i++)
                rows[m][s][i] = (i * 5 + s * 11 + first + m) % IMAGES;
            batch[s][m] = (struct kn_batch){rows[m][s], f->desc.batch, (uint32_t)s / 2, (uint32_t)s,
                                            0.05f * (float)(first + m + 1)};
        }
        n[m] = 10 - 3 * (first + m);
        index[m] = rows[m][0];
        logits[m] = waste[m];
    }
    for (int s = 0; s < 4; s++) {
        assert_int_equal(ops->train(f->plan, batch[s], prefetch && s < 3 ? batch[s + 1] : NULL, loss,
                                    &f->err), 0);
        for (int m = 0; m < models; m++)
            ret[m].loss[s] = loss[m];
        if (eval_between)
            assert_int_equal(ops->eval(f->plan, index, n, logits, &f->err), 0);
    }
    for (int m = 0; m < models; m++) {
        memset(ret[m].logits, 0, sizeof(ret[m].logits));
        logits[m] = ret[m].logits;
    }
    assert_int_equal(ops->eval(f->plan, index, n, logits, &f->err), 0);
    for (int m = 0; m < models; m++)
        assert_int_equal(ops->get_state(f->plan, m, &ret[m].state, &f->err), 0);
}

static void same(const struct kn_net *net, const struct run *a, const struct run *b)
{
    assert_memory_equal(a->loss, b->loss, sizeof(a->loss));
    assert_memory_equal(a->logits, b->logits, sizeof(a->logits));
    assert_memory_equal(a->state.weights, b->state.weights, net->n_weights * sizeof(float));
    assert_memory_equal(a->state.buffers, b->state.buffers, net->n_buffers * sizeof(float));
    for (int i = 0; i < KN_MAX_SLOTS; i++)
        assert_memory_equal(a->state.slots[i], b->state.slots[i], net->n_weights * sizeof(float));
}

static void bits_of(void (*build)(struct kn_net *), int size, int classes, int threads,
                    enum kn_optim_kind optim)
{
    struct fixture f = {0};
    struct run one[3] = {0}, other[3] = {0};

    build(&f.net);
    open_with(&f, size, classes, 2);
    for (int m = 0; m < 3; m++) {
        state_new(&one[m].state, &f.net);
        state_new(&other[m].state, &f.net);
    }
    compile(&f, 9, 3, threads, optim);
    run_array(&f, 0, 3, false, false, one);
    assert_true(isfinite(one[0].loss[3]) && one[0].loss[0] != one[0].loss[1]);
    run_array(&f, 0, 3, false, false, other);
    for (int m = 0; m < 3; m++)
        same(&f.net, &one[m], &other[m]); /* again */
    run_array(&f, 0, 3, true, true, other);
    for (int m = 0; m < 3; m++)
        same(&f.net, &one[m], &other[m]); /* fetched ahead, evaluated in between */
    ops->plan_free(f.plan);
    compile(&f, 9, 1, threads, optim);
    for (int m = 0; m < 3; m++) {
        run_array(&f, m, 1, m == 1, m == 2, &other[m]);
        same(&f.net, &one[m], &other[m]); /* alone */
    }
    for (int m = 0; m < 3; m++) {
        state_free(&one[m].state);
        state_free(&other[m].state);
    }
    close_all(&f);
}

static void test_bits(void **s)
{
    bits_of(build_convnet5, 13, 4, 1, KN_SGD);
    bits_of(build_convnet20, 16, 7, 2, KN_ADAMW);
    bits_of(build_resnet, 12, 3, 1, KN_ADAMW);
    bits_of(build_shared, 8, 3, 2, KN_SGD);
    bits_of(build_odd, 11, 4, 3, KN_SGD); /* more threads than the device has */
}

/* What was fetched ahead is used only when it is what is then asked for: not for other rows, another
 * epoch, or other augmentation. */
static void test_fetched_in_vain(void **s)
{
    struct fixture f = {0};
    int32_t other[6] = {5, 4, 3, 2, 1, 0};
    double want[3], got;

    build_convnet5(&f.net);
    open_with(&f, 13, 4, 2);
    compile(&f, 6, 1, 2, KN_SGD);
    for (int changed = 0; changed < 3; changed++)
        for (int ahead = 0; ahead < 2; ahead++) {
            struct kn_hyper h = hyper(0, KN_SGD);
            struct kn_batch now = {f.order, 6, 0, 0, 0.1f}, then = {f.order + 6, 6, 0, 1, 0.1f};

            state_draw(&f.state, &f.net, 70);
            assert_int_equal(ops->set_hyper(f.plan, 0, &h, &f.err), 0);
            assert_int_equal(ops->set_state(f.plan, 0, &f.state, &f.err), 0);
            assert_int_equal(ops->train(f.plan, &now, ahead ? &then : NULL, &got, &f.err), 0);
            if (changed == 0)
                then.index = other;
            else if (changed == 1)
                then.epoch = 1;
            h.seed++;
            if (changed == 2)
                assert_int_equal(ops->set_hyper(f.plan, 0, &h, &f.err), 0);
            assert_int_equal(ops->train(f.plan, &then, NULL, &got, &f.err), 0);
            if (ahead)
                assert_true(got == want[changed]);
            want[changed] = got;
        }
    close_all(&f);
}

/* ---- state ---- */

static void test_state_round_trip(void **s)
{
    struct fixture f = {0};
    struct kn_state back;

    net_zoo(&f.net, 23, 19, 6);
    open_with(&f, 23, 6, 2);
    compile(&f, 4, 2, 1, KN_ADAMW);
    state_new(&back, &f.net);
    state_draw(&f.state, &f.net, 3);
    for (size_t i = 0; i < f.net.n_weights; i++) {
        f.state.slots[0][i] = (float)i;
        f.state.slots[1][i] = -(float)i;
    }
    assert_int_equal(ops->set_state(f.plan, 1, &f.state, &f.err), 0);
    assert_int_equal(ops->get_state(f.plan, 1, &back, &f.err), 0);
    assert_memory_equal(back.weights, f.state.weights, f.net.n_weights * sizeof(float));
    assert_memory_equal(back.buffers, f.state.buffers, f.net.n_buffers * sizeof(float));
    for (int i = 0; i < 2; i++)
        assert_memory_equal(back.slots[i], f.state.slots[i], f.net.n_weights * sizeof(float));
    state_free(&back);
    close_all(&f);
}

static void test_sitting_out(void **s)
{
    struct fixture f = {0};
    struct kn_state before, after;
    struct kn_batch b[2] = {{0}};
    double loss[2] = {-1, -1};

    build_convnet5(&f.net);
    open_with(&f, 13, 4, 2);
    compile(&f, 6, 2, 1, KN_SGD);
    state_new(&before, &f.net);
    state_new(&after, &f.net);
    for (int m = 0; m < 2; m++) {
        struct kn_hyper h = hyper(m, KN_SGD);

        assert_int_equal(ops->set_hyper(f.plan, m, &h, &f.err), 0);
        state_draw(&before, &f.net, 60 + (uint64_t)m);
        assert_int_equal(ops->set_state(f.plan, m, &before, &f.err), 0);
    }
    b[0] = (struct kn_batch){f.order, 6, 0, 0, 0.1f};
    assert_int_equal(ops->train(f.plan, b, b, loss, &f.err), 0);
    assert_true(loss[0] > 0 && loss[1] == 0);
    assert_int_equal(ops->get_state(f.plan, 1, &after, &f.err), 0);
    assert_memory_equal(after.weights, before.weights, f.net.n_weights * sizeof(float));
    assert_memory_equal(after.buffers, before.buffers, f.net.n_buffers * sizeof(float));
    assert_memory_equal(after.slots[0], before.slots[0], f.net.n_weights * sizeof(float));
    state_free(&before);
    state_free(&after);
    close_all(&f);
}

/* Rows of an evaluation do not depend on each other or on how many there are. */
static void test_eval_partial(void **s)
{
    struct fixture f = {0};
    struct kn_hyper h = hyper(2, KN_SGD);
    float all[10 * 6], some[10 * 6];
    const int32_t *index = f.order;
    float *out = all;
    int n = 10;

    build_zoo(&f.net);
    open_with(&f, 23, 6, 2);
    compile(&f, 4, 1, 2, KN_SGD);
    state_draw(&f.state, &f.net, 8);
    assert_int_equal(ops->set_hyper(f.plan, 0, &h, &f.err), 0);
    assert_int_equal(ops->set_state(f.plan, 0, &f.state, &f.err), 0);
    assert_int_equal(ops->eval(f.plan, &index, &n, &out, &f.err), 0);
    out = some;
    for (n = 1; n < 10; n += 2) {
        memset(some, 0xff, sizeof(some));
        assert_int_equal(ops->eval(f.plan, &index, &n, &out, &f.err), 0);
        assert_memory_equal(some, all, sizeof(float) * (size_t)n * 6);
        assert_int_equal(((unsigned char *)some)[sizeof(float) * (size_t)n * 6], 0xff);
    }
    n = 0;
    assert_int_equal(ops->eval(f.plan, &index, &n, &out, &f.err), 0);
    close_all(&f);
}

/* A diverged network must say so: NaN is not washed away by ReLU, pooling or the loss. */
static void test_nan_shows(void **s)
{
    struct fixture f = {0};
    struct kn_hyper h = hyper(0, KN_SGD);

    build_convnet5(&f.net);
    open_with(&f, 13, 4, 2);
    compile(&f, 6, 1, 2, KN_SGD);
    state_draw(&f.state, &f.net, 8);
    f.state.weights[0] = NAN;
    assert_int_equal(ops->set_hyper(f.plan, 0, &h, &f.err), 0);
    assert_int_equal(ops->set_state(f.plan, 0, &f.state, &f.err), 0);
    assert_true(isnan(train_once(&f, f.order, 0, 0.1f)));
    close_all(&f);
}

/* One image through flip and crop, seen through the gradient of a linear layer: with one row, the
 * gradient of the weights is dz times the input. */
static void test_augmentation(void **s)
{
    struct fixture f = {0};
    struct kn_hyper h = hyper(0, KN_SGD);
    int size = 5, seen_flip = 0;
    float *g;

    kn_net_init(&f.net, 3, size, size, 2);
    kn_linear(&f.net, "fc", kn_flatten(&f.net, "flatten", 0), 2, true);
    open_with(&f, size, 2, 1);
    compile(&f, 1, 1, 1, KN_SGD);
    state_draw(&f.state, &f.net, 8);
    g = xcalloc(f.net.n_weights, sizeof(float));
    assert_int_equal(ops->set_hyper(f.plan, 0, &h, &f.err), 0);
    for (uint32_t epoch = 0; epoch < 8; epoch++) {
        int32_t row = 9;
        struct kn_batch b = {&row, 1, epoch, 0, 0};
        struct kn_placement p = kn_place(&h.augment, h.seed, h.fold, epoch, 9, size, size);
        double loss;

        assert_int_equal(ops->set_state(f.plan, 0, &f.state, &f.err), 0);
        assert_int_equal(ops->train(f.plan, &b, NULL, &loss, &f.err), 0);
        assert_int_equal(ops->get_gradients(f.plan, 0, g, &f.err), 0);
        seen_flip |= 1 << p.flip;
        for (int c = 0; c < 3; c++)
            for (int y = 0; y < size; y++)
                for (int x = 0; x < size; x++) {
                    int sy = y + p.dy, sx = (p.flip ? size - 1 - x : x) + p.dx, v = 0;
                    double want, dz = g[2 * 3 * size * size]; /* the bias's gradient */

                    if (sy >= 0 && sy < size && sx >= 0 && sx < size)
                        v = f.pixels[((9 * size + sy) * size + sx) * 3 + c];
                    want = dz * kn_normalise(v, h.mean[c], h.std[c]);
                    assert_float_equal(g[(c * size + y) * size + x], want, 1e-5);
                }
    }
    assert_int_equal(seen_flip, 3);
    free(g);
    close_all(&f);
}

/* ---- what is refused, and the device ---- */

static void test_refusals(void **s)
{
    struct fixture f = {0};
    struct kn_hyper h = hyper(0, KN_ADAMW);
    struct kn_plan *plan = NULL;
    struct kn_batch b = {f.order, 3, 0, 0, 0.1f};
    int32_t beyond[6] = {0, 1, 2, IMAGES, 4, 5};
    const int32_t *index = f.order;
    float *out = NULL;
    double loss;
    int n = 11;

    build_convnet5(&f.net);
    open_with(&f, 13, 4, 2);
    compile(&f, 6, 1, 2, KN_SGD);
    f.desc.precision = KN_BF16;
    assert_int_equal(ops->compile(f.dev, &f.desc, f.data, &plan, &f.err), HPO_ECONFIG);
    assert_non_null(strstr(f.err.msg, "fp32"));
    assert_null(plan);
    f.desc.precision = KN_TF32;
    f.images.h = 14;
    assert_int_equal(ops->compile(f.dev, &f.desc, f.data, &plan, &f.err), HPO_ECONFIG);
    f.images.h = 13;
    assert_int_equal(ops->set_hyper(f.plan, 0, &h, &f.err), HPO_ECONFIG);
    h.optim.kind = KN_SGD;
    assert_int_equal(ops->set_hyper(f.plan, 1, &h, &f.err), HPO_ECONFIG);
    h.rates[0] = 1;
    assert_int_equal(ops->set_hyper(f.plan, 0, &h, &f.err), HPO_ECONFIG);
    assert_int_equal(ops->train(f.plan, &b, NULL, &loss, &f.err), HPO_ECONFIG);
    b = (struct kn_batch){beyond, 6, 0, 0, 0.1f};
    assert_int_equal(ops->train(f.plan, &b, NULL, &loss, &f.err), HPO_ECONFIG);
    assert_int_equal(ops->eval(f.plan, &index, &n, &out, &f.err), HPO_ECONFIG);
    f.desc = (struct kn_plan_desc){.net = &f.net, .batch = 0, .eval_batch = 1, .models = 1};
    assert_int_equal(ops->compile(f.dev, &f.desc, f.data, &plan, &f.err), HPO_ECONFIG);
    f.labels[7] = 4;
    assert_int_equal(ops->data_open(f.dev, &f.images, &f.data, &f.err), HPO_ECONFIG);
    assert_int_equal(ops->open(1, 0, &f.dev, &f.err), HPO_ECONFIG);
    close_all(&f);
}

/* A network that no machine has the memory for is an ordinary failure with a number. */
static void test_out_of_memory(void **s)
{
    struct fixture f = {0};
    struct kn_plan *plan = NULL;
    double bytes;
    int rc;

    kn_net_init(&f.net, 3, 128, 128, 4);
    kn_linear(&f.net, "fc",
              kn_global_avg_pool(&f.net, "gap",
                                 kn_relu(&f.net, "r",
                                         kn_conv2d(&f.net, "c", 0, 8192, 1, 1, 0, false,
                                                   KN_INIT_DEFAULT))),
              4, true);
    open_with(&f, 128, 4, 2);
    f.desc = (struct kn_plan_desc){.net = &f.net, .batch = 1 << 15, .eval_batch = 1, .models = 1,
                                   .threads = 2, .exact = true};
    bytes = ops->estimate(f.dev, &f.desc);
    assert_true(bytes > 3e13); /* activations of conv and ReLU: 2 x 17.6 TB */
    rc = ops->compile(f.dev, &f.desc, f.data, &plan, &f.err);
    if (rc) { /* a machine may be set to promise any amount */
        assert_int_equal(rc, HPO_ENOMEM);
        assert_non_null(strstr(f.err.msg, "bytes"));
    }
    f.plan = plan;
    close_all(&f);
}

static void test_device(void **s)
{
    const char *why = NULL;
    struct kn_device_info info;
    struct hpo_err err;

    assert_int_equal(ops->count(&why), 1);
    assert_int_equal(ops->describe(0, &info, &err), 0);
    assert_non_null(strstr(info.name, "thread"));
    assert_non_null(strstr(info.detail, "oneDNN"));
    assert_true(info.memory_total > 0 && info.memory_free <= info.memory_total);
    assert_int_equal(ops->describe(1, &info, &err), HPO_ECONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),              cmocka_unit_test(test_state_round_trip),
        cmocka_unit_test(test_sitting_out),       cmocka_unit_test(test_eval_partial),
        cmocka_unit_test(test_nan_shows),         cmocka_unit_test(test_augmentation),
        cmocka_unit_test(test_refusals),          cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_device),            cmocka_unit_test(test_fetched_in_vain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
