/* The CUDA backend on the emulator and the fake libraries: not what it computes (test_gpu.c
 * compares that with the CPU) but how. Neither how late the device works, nor the order of threads
 * and blocks, nor replaying, nor where the images lie may change a bit; nothing stays behind,
 * nothing is misused, and training waits for nobody. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/kernels/cpu/fixture.h"
#include "tests/kernels/cuda/emu/emu.h"
#include "tests/kernels/cuda/emu/fake.h"
#include "tests/kernels/cuda/methods.h"

extern const struct kn_backend_ops hpo_cuda_backend;
static const struct kn_backend_ops *const gpu = &hpo_cuda_backend;

#define STEPS 7
#define BATCH 6
#define MODELS 2
#define EVALS 3
#define CLASSES 4

struct outcome {
    double sum[MODELS];
    float logits[EVALS][MODELS][10 * CLASSES];
    struct kn_state state[MODELS];
    long waits, launches, graph_launches; /* of the steps, before anything is asked for */
};

/* How it is run. */
struct way {
    enum kn_precision precision;
    enum kn_optim_kind optim;
    const struct method *method; /* NULL: none */
    int index;                   /* of the device */
    bool told;                   /* losses are asked for at every step */
    const char *holds;           /* fake_alive_text with the data set open; NULL: not looked at */
    long others;                 /* what is alive before and after */
};

#define OK(call)                        \
    do {                                \
        if (call)                       \
            fail_msg("%s", f->err.msg); \
    } while (0)

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

/* Model 1 sits step 3 out. */
static void train(struct fixture *f, struct kn_plan *plan, const struct way *w, struct outcome *ret)
{
    long waits = fake_waits(), launches = fake_launches(), graphs = fake_graph_launches();
    int32_t rows[MODELS][BATCH];
    double loss[MODELS];

    for (int s = 0; s < STEPS; s++) {
        struct kn_batch batch[MODELS];

        for (int m = 0; m < MODELS; m++) {
            for (int i = 0; i < BATCH; i++)
                rows[m][i] = (i * 5 + s * 11 + m) % IMAGES;
            batch[m] = (struct kn_batch){rows[m], m == 1 && s == 3 ? 0 : BATCH, (uint32_t)s / 2,
                                         (uint32_t)s, 0.01f * (float)(m + 1)};
            if (w->method)
                batch[m] = method_batch(w->method, s, m, rows[m]);
        }
        OK(gpu->train(plan, batch, NULL, w->told ? loss : NULL, &f->err));
        memset(rows, 0x7f, sizeof(rows));
        memset(batch, 0x7f, sizeof(batch));
    }
    ret->waits = fake_waits() - waits;
    ret->launches = fake_launches() - launches;
    ret->graph_launches = fake_graph_launches() - graphs;
}

static void eval(struct fixture *f, struct kn_plan *plan, struct outcome *ret)
{
    for (int e = 0; e < EVALS; e++) {
        const int32_t *index[MODELS];
        float *logits[MODELS];
        int n[MODELS];

        for (int m = 0; m < MODELS; m++) {
            index[m] = f->order + e;
            n[m] = 10 - m - e;
            logits[m] = ret->logits[e][m];
        }
        OK(gpu->eval(plan, index, n, logits, &f->err));
    }
}

static void outcome_of(struct fixture *f, const struct way *w, struct outcome *ret)
{
    struct kn_plan_desc desc = {.net = &f->net,
                                .batch = BATCH,
                                .eval_batch = 10,
                                .models = MODELS,
                                .threads = 1,
                                .precision = w->precision,
                                .optim = w->optim};
    struct kn_plan *plan;
    struct kn_dev *dev;
    void *data;
    size_t before;

    if (w->method)
        desc = method_desc(w->method, &f->net, MODELS, w->precision);
    OK(gpu->open(w->index, 1, &dev, &f->err));
    OK(gpu->data_open(dev, &f->images, &data, &f->err));
    if (w->holds)
        assert_string_equal(fake_alive_text(), w->holds);
    before = fake_memory_used();
    fake_memory_peak();
    OK(gpu->compile(dev, &desc, data, &plan, &f->err));
    assert_true((double)(fake_memory_peak() - before) <= gpu->estimate(dev, &desc));
    for (int m = 0; m < MODELS; m++) {
        struct kn_hyper h = w->method ? method_hyper(w->method, m) : hyper(m, w->optim);

        state_draw(&f->state, &f->net, 40 + (uint64_t)m);
        OK(gpu->set_hyper(plan, m, &h, &f->err));
        OK(gpu->set_state(plan, m, &f->state, &f->err));
    }
    train(f, plan, w, ret);
    OK(gpu->losses(plan, ret->sum, &f->err));
    eval(f, plan, ret);
    for (int m = 0; m < MODELS; m++)
        OK(gpu->get_state(plan, m, &ret->state[m], &f->err));
    gpu->plan_free(plan);
    gpu->data_close(dev, data);
    gpu->close(dev);
    if (fake_alive() != w->others)
        fail_msg("left behind: %s", fake_alive_text());
    assert_int_equal(fake_complaints(), 0);
}

static void same_bits(const struct kn_net *net, const struct outcome *a, const struct outcome *b)
{
    assert_memory_equal(a->sum, b->sum, sizeof(a->sum));
    assert_memory_equal(a->logits, b->logits, sizeof(a->logits));
    for (int m = 0; m < MODELS; m++) {
        assert_memory_equal(a->state[m].weights, b->state[m].weights,
                            net->n_weights * sizeof(float));
        assert_memory_equal(a->state[m].buffers, b->state[m].buffers,
                            net->n_buffers * sizeof(float));
        for (int i = 0; i < KN_MAX_SLOTS; i++)
            assert_memory_equal(a->state[m].slots[i], b->state[m].slots[i],
                                net->n_weights * sizeof(float));
        assert_memory_equal(a->state[m].average_weights, b->state[m].average_weights,
                            net->n_weights * sizeof(float));
        assert_memory_equal(a->state[m].average_buffers, b->state[m].average_buffers,
                            net->n_buffers * sizeof(float));
    }
}

static void build_small(struct kn_net *n)
{
    net_convnet(n, 9, 5, 2, 0.3f, CLASSES);
}

static void build_blocks(struct kn_net *n)
{
    net_resnet(n, 8, 4, 1, CLASSES);
}

static int setup_net(void **state, void (*net)(struct kn_net *), int size)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    net(&f->net);
    open_with(f, size, CLASSES, 1);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_net(state, build_small, 9);
}

static int setup_blocks(void **state)
{
    return setup_net(state, build_blocks, 8);
}

static int setup_mobile(void **state)
{
    return setup_net(state, build_mobile_hard, 15);
}

static int setup_methods(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    build_method(&f->net);
    open_with(f, METHOD_SIDE, CLASSES, 1);
    method_averages_new(&f->state, &f->net);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fake_eager(false);
    emu_order(0);
    emu_strict(false);
    fake_devices(1);
    fake_register_allowed(true);
    fake_memory_total((size_t)4 << 30);
    unsetenv("HPO_CUDA_GRAPH");
    method_averages_free(&f->state);
    close_all(f);
    free(f);
    return 0;
}

static void check_same_bits(struct fixture *f, const struct method *method)
{
    struct outcome want, got;

    outcome_new(&want, &f->net);
    outcome_new(&got, &f->net);
    for (int p = KN_FP32; p <= KN_FP16; p++) {
        struct way way = {.precision = (enum kn_precision)p,
                          .optim = p & 1 ? KN_ADAMW : KN_SGD,
                          .method = method};

        outcome_of(f, &way, &want);
        /* A device that works at once, where a lazy one finds what the host wrote since. */
        fake_eager(true);
        outcome_of(f, &way, &got);
        same_bits(&f->net, &want, &got);
        fake_eager(false);
        way.told = true;
        outcome_of(f, &way, &got);
        same_bits(&f->net, &want, &got);
        way.told = false;
        /* Other orders of threads and blocks, and shared memory that is garbage in every block. */
        emu_strict(true);
        for (unsigned order = 1; order <= 3; order++) {
            emu_order(order);
            outcome_of(f, &way, &got);
            same_bits(&f->net, &want, &got);
        }
        emu_order(0);
        emu_strict(false);
        setenv("HPO_CUDA_GRAPH", "0", 1);
        outcome_of(f, &way, &got);
        same_bits(&f->net, &want, &got);
        assert_int_equal(got.graph_launches, 0);
        unsetenv("HPO_CUDA_GRAPH");
    }
    outcome_free(&want);
    outcome_free(&got);
}

static void test_same_bits(void **state)
{
    check_same_bits(*state, NULL);
}

/* All that a step may be made of, at once. */
static void test_methods(void **state)
{
    check_same_bits(*state, &methods[HPO_LEN(methods) - 1]);
}

/* The first step is launched piece by piece, the others by one call each, and the host waits only
 * for slots that are still on their way. */
static void test_does_not_wait(void **state)
{
    struct fixture *f = *state;
    struct way way = {.precision = KN_FP32};
    struct outcome o;

    outcome_new(&o, &f->net);
    outcome_of(f, &way, &o);
    assert_int_equal(o.graph_launches, STEPS - 1);
    assert_int_equal(o.waits, STEPS - 4);
    way.told = true;
    outcome_of(f, &way, &o);
    assert_int_equal(o.graph_launches, STEPS - 1);
    assert_true(o.waits >= STEPS);
    outcome_free(&o);
}

/* Another device is as good; so is host memory for images that leave no room for networks, where
 * they are or, if the system does not let them be pinned, as a copy. */
static void test_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct way way = {.precision = KN_FP32, .holds = "2 cudaMalloc"};
    struct outcome want, got;
    void *taken = NULL;

    outcome_new(&want, &f->net);
    outcome_new(&got, &f->net);
    outcome_of(f, &way, &want);
    fake_devices(2);
    way.index = 1;
    outcome_of(f, &way, &got);
    same_bits(&f->net, &want, &got);
    way.index = 0;

    fake_memory_total((size_t)64 << 20);
    assert_int_equal(cudaSetDevice(0), 0);
    assert_int_equal(cudaMalloc(&taken, (size_t)52 << 20), 0);
    way.others = 1;
    way.holds = "2 cudaMalloc, 1 registered memory";
    outcome_of(f, &way, &got);
    same_bits(&f->net, &want, &got);
    fake_register_allowed(false);
    way.holds = "2 cudaMalloc, 1 pinned memory";
    outcome_of(f, &way, &got);
    same_bits(&f->net, &want, &got);
    cudaFree(taken);
    outcome_free(&want);
    outcome_free(&got);
}

int main(void)
{
#define TEST(f, s) cmocka_unit_test_setup_teardown(f, s, teardown)
    const struct CMUnitTest tests[] = {
        {"convnet", test_same_bits, setup, teardown, NULL},
        {"resnet", test_same_bits, setup_blocks, teardown, NULL},
        {"mobile", test_same_bits, setup_mobile, teardown, NULL},
        TEST(test_methods, setup_methods),
        TEST(test_does_not_wait, setup),
        TEST(test_elsewhere, setup),
    };

    setenv("HPO_CUDA_TUNE", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
