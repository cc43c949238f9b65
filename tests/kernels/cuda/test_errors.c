/* Every call of CUDA, cuDNN and cuBLAS that can fail fails once, and once together with all that
 * come after it, on the emulator and the fake libraries: what fails says why, nothing stays behind,
 * nothing is misused, and the next one works as if nothing had been. And what lacks memory says how
 * much, and is nobody else's trouble. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/cpu/fixture.h"
#include "tests/kernels/cuda/emu/fake.h"
#include "tests/kernels/cuda/methods.h"

extern const struct kn_backend_ops hpo_cuda_backend;
static const struct kn_backend_ops *const gpu = &hpo_cuda_backend;

#define BATCH 4
#define MODELS 2
#define CLASSES 3
#define SIDE 6
#define STEPS 3 /* launched one by one, recorded, replayed */

struct outcome {
    double sum[MODELS];
    float logits[MODELS][10 * METHOD_CLASSES]; /* at most */
    struct kn_state state[MODELS];
};

/* What is being walked. */
struct walk {
    enum kn_precision precision;
    enum kn_optim_kind optim;
    int models;
    int stride;                  /* calls 1, 1 + stride, ... fail */
    const struct method *method; /* NULL: none */
};

/* What a session holds, for it to be let go in order whatever failed. */
struct held {
    struct kn_dev *dev;
    void *data;
    struct kn_plan *plan;
};

static int train(struct fixture *f, const struct walk *w, struct held *h)
{
    int32_t rows[MODELS][METHOD_BATCH];
    double loss[MODELS];
    int rc = 0;

    for (int s = 0; s < (w->method ? METHOD_CALLS : STEPS) && !rc; s++) {
        struct kn_batch batch[MODELS];

        for (int m = 0; m < w->models; m++)
            batch[m] =
                w->method
                    ? method_batch(w->method, s, m, rows[m])
                    : (struct kn_batch){
                          .index = f->order + s + m, .n = BATCH, .step = (uint32_t)s, .lr = 0.01f};
        rc = gpu->train(h->plan, batch, NULL, s == 1 ? loss : NULL, &f->err);
    }
    return rc;
}

static int session(struct fixture *f, const struct walk *w, struct held *h, struct outcome *ret)
{
    struct kn_plan_desc desc = {.net = &f->net,
                                .batch = BATCH,
                                .eval_batch = 10,
                                .models = w->models,
                                .threads = 1,
                                .precision = w->precision,
                                .optim = w->optim};
    const double zero[MODELS] = {0};
    const int32_t *index[MODELS];
    float *logits[MODELS];
    int n[MODELS], rc = gpu->open(0, 1, &h->dev, &f->err);

    if (w->method)
        desc = method_desc(w->method, &f->net, w->models, w->precision);
    rc = rc ? rc : gpu->data_open(h->dev, &f->images, &h->data, &f->err);
    rc = rc ? rc : gpu->compile(h->dev, &desc, h->data, &h->plan, &f->err);
    for (int m = 0; m < w->models && !rc; m++) {
        struct kn_hyper hyp = w->method ? method_hyper(w->method, m) : hyper(m, w->optim);

        index[m] = f->order;
        n[m] = 10 - m;
        logits[m] = ret->logits[m];
        state_draw(&f->state, &f->net, 40 + (uint64_t)m);
        rc = gpu->set_hyper(h->plan, m, &hyp, &f->err);
        rc = rc ? rc : gpu->set_state(h->plan, m, &f->state, &f->err);
    }
    rc = rc ? rc : gpu->set_losses(h->plan, zero, &f->err);
    rc = rc ? rc : train(f, w, h);
    rc = rc ? rc : gpu->losses(h->plan, ret->sum, &f->err);
    for (int i = 0; i < STEPS && !rc; i++)
        rc = gpu->eval(h->plan, index, n, logits, &f->err);
    for (int m = 0; m < w->models && !rc; m++)
        rc = gpu->get_state(h->plan, m, &ret->state[m], &f->err);
    return rc;
}

/* *ret_calls: that could fail before everything was let go; NULL: not wanted. */
static int run(struct fixture *f, const struct walk *w, struct outcome *ret, long *ret_calls)
{
    struct held h = {0};
    int rc = session(f, w, &h, ret);

    if (ret_calls)
        *ret_calls = fake_calls();
    gpu->plan_free(h.plan);
    if (h.data)
        gpu->data_close(h.dev, h.data);
    gpu->close(h.dev);
    return rc;
}

static void outcome_new(struct outcome *o, const struct kn_net *net)
{
    memset(o, 0, sizeof(*o));
    for (int m = 0; m < MODELS; m++)
        method_state_new(&o->state[m], net);
}

static void outcome_free(struct outcome *o)
{
    for (int m = 0; m < MODELS; m++)
        method_state_free(&o->state[m]);
}

static void same_bits(const struct kn_net *net, const struct walk *w, const struct outcome *a,
                      const struct outcome *b, long call)
{
    for (int m = 0; m < w->models; m++)
        if (a->sum[m] != b->sum[m] || memcmp(a->logits[m], b->logits[m], sizeof(a->logits[m])) ||
            memcmp(a->state[m].weights, b->state[m].weights, net->n_weights * sizeof(float)) ||
            memcmp(a->state[m].buffers, b->state[m].buffers, net->n_buffers * sizeof(float)))
            fail_msg("other bits although call %ld did not fail it", call);
}

/* Whatever happened, nothing is left of it. */
static void nothing_left(long call, const char *which)
{
    if (fake_alive())
        fail_msg("call %ld, %s: left behind: %s", call, which, fake_alive_text());
    if (fake_complaints())
        fail_msg("call %ld, %s: misuse", call, which);
}

static void failed_well(struct fixture *f, int rc, long call, const char *which)
{
    if (rc != HPO_ENOMEM && rc != HPO_EDEVICE)
        fail_msg("call %ld, %s: ended with %d", call, which, rc);
    if (rc != f->err.rc || strlen(f->err.msg) < 10)
        fail_msg("call %ld, %s: said '%s'", call, which, f->err.msg);
}

static void walk(struct fixture *f, const struct walk *w)
{
    struct outcome want, got;
    long calls, used, walked = 0, tolerated = 0;
    char which[64];

    outcome_new(&want, &f->net);
    outcome_new(&got, &f->net);
    fake_fail_at(0);
    if (run(f, w, &want, &used))
        fail_msg("%s", f->err.msg);
    calls = fake_calls();
    nothing_left(0, "none");
    for (long n = 1; n <= calls; n += w->stride) {
        int rc;

        fake_fail_at(n);
        f->err = (struct hpo_err){0};
        rc = run(f, w, &got, NULL);
        snprintf(which, sizeof(which), "%s", fake_failed());
        nothing_left(n, which);
        if (rc)
            failed_well(f, rc, n, which);
        else
            same_bits(&f->net, w, &want, &got, n);
        tolerated += !rc;
        walked++;
    }
    printf("%ld calls; %ld failed, %ld of them without harm\n", calls, walked, tolerated);
    assert_true(calls > 500);
    /* What was measured at first is remembered by now. */
    fake_fail_at(0);
    if (run(f, w, &got, &used))
        fail_msg("%s", f->err.msg);
    /* The device lost: everything fails from there on, and must not be waited for. */
    for (long n = 1; n <= used; n += 3 * w->stride) {
        fake_break_at(n);
        f->err = (struct hpo_err){0};
        failed_well(f, run(f, w, &got, NULL), n, fake_failed());
        nothing_left(n, "lost");
    }
    fake_fail_at(0);
    if (run(f, w, &got, NULL))
        fail_msg("%s", f->err.msg);
    same_bits(&f->net, w, &want, &got, 0);
    outcome_free(&want);
    outcome_free(&got);
}

static void build_walked(struct kn_net *n)
{
    int t;

    kn_net_init(n, 3, SIDE, SIDE, CLASSES);
    t = kn_conv2d(n, "conv", 0, 4, 3, 1, 1, true, KN_INIT_DEFAULT);
    t = kn_batch_norm(n, "bn", t);
    t = kn_relu(n, "relu", t);
    t = kn_conv2d(n, "conv2", t, 4, 1, 1, 0, false, KN_INIT_DEFAULT);
    t = kn_max_pool(n, "pool", t, 2, 2, 0);
    t = kn_global_avg_pool(n, "gap", t);
    t = kn_dropout(n, "drop", t, 0.3f);
    kn_linear(n, "fc", t, CLASSES, true);
}

/* An inverted residual. */
static void build_inverted(struct kn_net *n)
{
    int t, u, v, rate;

    kn_net_init(n, 3, SIDE, SIDE, CLASSES);
    rate = kn_rate(n, "depth", 0.5f);
    t = kn_conv2d(n, "conv", 0, 4, 1, 1, 0, false, KN_INIT_DEFAULT);
    u = kn_depthwise(n, "dw", t, 3, 1, 1, true, KN_INIT_DEFAULT);
    u = kn_act_layer(n, "act", u, KN_SILU);
    v = kn_global_avg_pool(n, "squeeze", u);
    v = kn_act_layer(n, "gate", v, KN_SIGMOID);
    u = kn_scale(n, "scale", u, v);
    u = kn_drop_path(n, "path", u, rate, 1);
    t = kn_add(n, "add", t, u);
    t = kn_max_pool(n, "pool", t, 3, 2, 1);
    t = kn_global_avg_pool(n, "gap", t);
    t = kn_dropout_samples(n, "drop", t, 0.3f, 2);
    kn_linear(n, "fc", t, CLASSES, true);
}

static int setup_net(void **state, void (*net)(struct kn_net *))
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    net(&f->net);
    open_with(f, SIDE, CLASSES, 1);
    fake_quiet(true);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_net(state, build_walked);
}

static int setup_inverted(void **state)
{
    return setup_net(state, build_inverted);
}

static int setup_methods(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    build_method(&f->net);
    open_with(f, METHOD_SIDE, METHOD_CLASSES, 1);
    method_averages_new(&f->state, &f->net);
    fake_quiet(true);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fake_fail_at(0);
    fake_memory_total((size_t)4 << 30);
    method_averages_free(&f->state);
    close_all(f);
    free(f);
    return 0;
}

static void test_fp32(void **state)
{
    walk(*state, &(struct walk){KN_FP32, KN_SGD, 1, 1, NULL});
}

/* With loss scales, packed weights of several models, and a copy of 16 bits. */
static void test_fp16(void **state)
{
    walk(*state, &(struct walk){KN_FP16, KN_ADAMW, MODELS, 4, NULL});
}

/* All that a step may be made of. */
static void test_methods(void **state)
{
    walk(*state, &(struct walk){.precision = KN_BF16,
                                .models = MODELS,
                                .stride = 13,
                                .method = &methods[HPO_LEN(methods) - 1]});
}

static void test_inverted(void **state)
{
    walk(*state, &(struct walk){KN_BF16, KN_SGD, MODELS, 7, NULL});
}

/* Algorithms measured and remembered: what fails there costs no plan. */
static void test_tuned(void **state)
{
    char folder[] = "/tmp/hpo-errors-XXXXXX", command[64];

    assert_non_null(mkdtemp(folder));
    setenv("XDG_CACHE_HOME", folder, 1);
    setenv("HPO_CUDA_TUNE", "1", 1);
    walk(*state, &(struct walk){KN_BF16, KN_SGD, 1, 13, NULL});
    setenv("HPO_CUDA_TUNE", "0", 1);
    unsetenv("XDG_CACHE_HOME");
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* Too large for the device: the numbers, and whoever is there goes on. */
static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;
    const struct walk w = {KN_FP32, KN_SGD, 1, 1, NULL};
    struct kn_plan_desc big = {.net = &f->net,
                               .batch = 1 << 15,
                               .eval_batch = 1 << 15,
                               .models = 64,
                               .threads = 1,
                               .precision = KN_FP32,
                               .optim = KN_SGD};
    struct kn_plan *none = NULL;
    struct held h = {0};
    struct outcome want, got;

    outcome_new(&want, &f->net);
    outcome_new(&got, &f->net);
    assert_int_equal(run(f, &w, &want, NULL), 0);
    fake_memory_total((size_t)64 << 20);
    assert_int_equal(session(f, &w, &h, &got), 0);
    assert_int_equal(gpu->compile(h.dev, &big, h.data, &none, &f->err), HPO_ENOMEM);
    assert_null(none);
    assert_non_null(strstr(f->err.msg, "GiB of device memory are needed"));
    assert_non_null(strstr(f->err.msg, "are free"));
    assert_int_equal(train(f, &w, &h), 0);
    gpu->plan_free(h.plan);
    gpu->data_close(h.dev, h.data);
    gpu->close(h.dev);
    nothing_left(0, "memory");
    same_bits(&f->net, &w, &want, &got, 0);
    outcome_free(&want);
    outcome_free(&got);
}

/* No device, one that is not there, one that is too old for what is asked. */
static void test_no_device(void **state)
{
    struct fixture *f = *state;
    struct kn_plan_desc desc = {.net = &f->net,
                                .batch = BATCH,
                                .eval_batch = 10,
                                .models = 1,
                                .precision = KN_BF16,
                                .optim = KN_SGD};
    struct kn_plan *plan = NULL;
    struct kn_dev *dev = NULL;
    const char *why = "";
    void *data;

    assert_int_equal(gpu->open(1, 1, &dev, &f->err), HPO_EDEVICE);
    assert_non_null(strstr(f->err.msg, "there is no cuda:1"));
    fake_devices(0);
    assert_int_equal(gpu->count(&why), 0);
    assert_non_null(strstr(why, "no GPU is visible"));
    assert_int_equal(gpu->open(0, 1, &dev, &f->err), HPO_EDEVICE);
    fake_devices(1);
    fake_capability(70);
    assert_int_equal(gpu->open(0, 1, &dev, &f->err), 0);
    assert_int_equal(gpu->data_open(dev, &f->images, &data, &f->err), 0);
    assert_int_equal(gpu->compile(dev, &desc, data, &plan, &f->err), HPO_ECONFIG);
    assert_non_null(strstr(f->err.msg, "bf16 needs compute capability 8.0, the device has 7.0"));
    gpu->data_close(dev, data);
    gpu->close(dev);
    fake_capability(90);
    nothing_left(0, "no device");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_fp32),
        TEST(test_fp16),
        TEST(test_tuned),
        TEST(test_out_of_memory),
        TEST(test_no_device),
        cmocka_unit_test_setup_teardown(test_inverted, setup_inverted, teardown),
        cmocka_unit_test_setup_teardown(test_methods, setup_methods, teardown),
    };

    setenv("HPO_CUDA_TUNE", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
