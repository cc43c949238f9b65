/* What a training step is made of beside forward and backward: mixed images and labels, class
 * weights, several batches a step, clipping, decay, averages, frozen layers, Muon. Against plain
 * loops in double. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/kernels/cpu/fixture.h"

#define SIZE 3
#define CLASSES 4
#define BATCH 6
#define FEATURES (3 * SIZE * SIZE)

/* The pixels through one linear layer: everything about a step can be written down. */
static void build_linear(struct kn_net *n)
{
    int t;

    kn_net_init(n, 3, SIZE, SIZE, CLASSES);
    t = kn_flatten(n, "flatten", 0);
    kn_linear(n, "fc", t, CLASSES, true);
}

static void open_net(struct fixture *f, void (*build)(struct kn_net *), int size, int classes)
{
    *f = (struct fixture){0};
    build(&f->net);
    open_with(f, size, classes, 2);
    state_draw(&f->state, &f->net, 3);
    f->state.average_weights = xcalloc(f->net.n_weights, sizeof(float));
    f->state.average_buffers = xcalloc(f->net.n_buffers + 1, sizeof(float));
}

static void close_net(struct fixture *f)
{
    free(f->state.average_weights);
    free(f->state.average_buffers);
    close_all(f);
}

static struct kn_hyper plain(void)
{
    struct kn_hyper h = hyper(0, KN_SGD);

    h.augment = (struct kn_augment){0, 0};
    h.loss = (struct kn_loss){.kind = KN_CROSS_ENTROPY, .alpha = 1};
    h.optim = (struct kn_optim){.kind = KN_SGD};
    return h;
}

/* A plan with these, its state set. */
static void start(struct fixture *f, struct kn_plan_desc d, struct kn_hyper h)
{
    if (f->plan)
        ops->plan_free(f->plan);
    f->plan = NULL;
    d.net = &f->net;
    d.batch = d.batch ? d.batch : BATCH;
    d.eval_batch = 10;
    d.models = 1;
    d.threads = 2;
    d.optim = h.optim.kind;
    d.exact = true;
    f->desc = d;
    if (ops->compile(f->dev, &d, f->data, &f->plan, &f->err) ||
        ops->set_hyper(f->plan, 0, &h, &f->err) || ops->set_state(f->plan, 0, &f->state, &f->err))
        fail_msg("%s", f->err.msg);
}

static double step(struct fixture *f, struct kn_batch b)
{
    double loss = 0;

    b.n = f->desc.batch;
    if (ops->train(f->plan, &b, NULL, &loss, &f->err))
        fail_msg("%s", f->err.msg);
    return loss;
}

static void get(struct fixture *f, struct kn_state *s)
{
    state_new(s, &f->net);
    s->average_weights = xcalloc(f->net.n_weights, sizeof(float));
    s->average_buffers = xcalloc(f->net.n_buffers + 1, sizeof(float));
    assert_int_equal(ops->get_state(f->plan, 0, s, &f->err), 0);
}

static void drop(struct kn_state *s)
{
    free(s->average_weights);
    free(s->average_buffers);
    state_free(s);
}

static void close_to(const float *got, const float *want, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance * (1 + fabs((double)want[i]))))
            fail_msg("number %zu is %g, not %g", i, (double)got[i], (double)want[i]);
}

/* ---- the loss ---- */

/* Feature i (channel by channel) of an image as the network sees it. */
static double feature(const struct fixture *f, const struct kn_hyper *h, int image, int i)
{
    int c = i / (SIZE * SIZE), at = i % (SIZE * SIZE);

    return (double)kn_normalise(
        f->pixels[((size_t)image * SIZE * SIZE + (size_t)at) * 3 + (size_t)c], h->mean[c],
        h->std[c]);
}

/* The loss of a batch by the book, weights w (CLASSES, FEATURES) and bias after it. */
static double book_loss(const struct fixture *f, const struct kn_hyper *h, const int32_t *rows,
                        const struct kn_mix *mix)
{
    double sum = 0, weight = 0;

    for (int n = 0; n < BATCH; n++) {
        int a = rows[n], b = rows[BATCH - 1 - n], la = f->labels[a], lb = f->labels[b];
        double z[CLASSES], m = 0, q[CLASSES] = {0}, lambda = 1;

        if (mix->kind != KN_MIX_NONE)
            lambda = (double)mix->lambda;
        for (int k = 0; k < CLASSES; k++) {
            z[k] = (double)f->state.weights[CLASSES * FEATURES + k];
            for (int i = 0; i < FEATURES; i++) {
                int y = i % (SIZE * SIZE) / SIZE, x = i % SIZE;
                bool inside = y >= mix->y0 && y < mix->y1 && x >= mix->x0 && x < mix->x1;
                double v = feature(f, h, a, i);

                if (mix->kind == KN_MIXUP)
                    v = lambda * v + (1 - lambda) * feature(f, h, b, i);
                if (mix->kind == KN_CUTMIX && inside)
                    v = feature(f, h, b, i);
                z[k] += v * (double)f->state.weights[k * FEATURES + i];
            }
            m += exp(z[k]);
        }
        q[la] += lambda;
        q[lb] += 1 - lambda;
        for (int k = 0; k < CLASSES; k++) {
            double w = h->class_weights ? (double)h->class_weights[k] : 1;
            double s = (double)h->loss.smoothing;

            sum -= w * ((1 - s) * q[k] + s / CLASSES) * (z[k] - log(m));
        }
        weight += h->class_weights && mix->kind == KN_MIX_NONE ? (double)h->class_weights[la] : 1;
    }
    return sum / weight;
}

static void test_losses(void **s)
{
    static const float weights[CLASSES] = {0.5f, 2, 1, 3};
    static const struct kn_mix mixes[] = {{0},
                                          {.kind = KN_MIXUP, .lambda = 0.3f},
                                          {.kind = KN_CUTMIX, .lambda = 5.0f / 9, .y1 = 2, .x1 = 2},
                                          {.kind = KN_CUTMIX, .lambda = 1}};
    struct fixture f;

    open_net(&f, build_linear, SIZE, CLASSES);
    for (int w = 0; w < 2; w++)
        for (int smooth = 0; smooth < 2; smooth++)
            for (size_t m = 0; m < HPO_LEN(mixes); m++) {
                struct kn_hyper h = plain();

                h.class_weights = w ? weights : NULL;
                h.loss.smoothing = smooth ? 0.1f : 0;
                start(&f, (struct kn_plan_desc){0}, h);
                assert_float_equal(step(&f, (struct kn_batch){.index = f.order, .mix = mixes[m]}),
                                   book_loss(&f, &h, f.order, &mixes[m]), 1e-5);
            }
    close_net(&f);
}

/* Gradients of all of it, along themselves. */
static void test_loss_gradients(void **s)
{
    static const float weights[CLASSES] = {0.5f, 2, 1, 3};
    const struct kn_mix mix = {.kind = KN_MIXUP, .lambda = 0.3f};
    struct kn_hyper h = plain();
    struct fixture f;
    double norm = 0;
    float *g;

    open_net(&f, build_linear, SIZE, CLASSES);
    g = xcalloc(f.net.n_weights, sizeof(*g));
    h.class_weights = weights;
    h.loss.smoothing = 0.1f;
    start(&f, (struct kn_plan_desc){0}, h);
    step(&f, (struct kn_batch){.index = f.order, .mix = mix});
    assert_int_equal(ops->get_gradients(f.plan, 0, g, &f.err), 0);
    for (size_t i = 0; i < f.net.n_weights; i++)
        norm += (double)g[i] * (double)g[i];
    {
        double loss[2], eps = 1e-3 / sqrt(norm);

        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < f.net.n_weights; i++)
                f.state.weights[i] += (float)((side ? -2 : 1) * eps) * g[i];
            loss[side] = book_loss(&f, &h, f.order, &mix);
        }
        assert_float_equal((loss[0] - loss[1]) / (2 * eps), norm, 1e-2 * norm);
    }
    free(g);
    close_net(&f);
}

/* ---- several batches a step, clipping, decay ---- */

/* Without batch norm, two batches of three are one of six; steps count optimizer steps. */
static void test_accumulation(void **s)
{
    for (int kind = KN_SGD; kind < KN_N_OPTIMS; kind++) {
        struct kn_hyper h = plain();
        struct kn_state one, two;
        struct fixture f;

        h.optim = (struct kn_optim){.kind = (enum kn_optim_kind)kind,
                                    .momentum = 0.9f,
                                    .beta1 = 0.9f,
                                    .beta2 = 0.99f,
                                    .eps = 1e-3f,
                                    .ns_steps = 5,
                                    .clip = 0.5f,
                                    .weight_decay = 0.01f};
        open_net(&f, build_mlp, 9, 5);
        memset(h.rates, 0, sizeof(h.rates));
        start(&f, (struct kn_plan_desc){0}, h);
        for (uint32_t t = 0; t < 3; t++)
            step(&f, (struct kn_batch){.index = f.order + BATCH * t, .step = t, .lr = 0.01f});
        get(&f, &one);
        start(&f, (struct kn_plan_desc){.batch = BATCH / 2, .accumulate = true}, h);
        for (uint32_t t = 0; t < 6; t++)
            step(&f, (struct kn_batch){.index = f.order + BATCH / 2 * t,
                                       .step = t,
                                       .behind = t - t / 2,
                                       .micro = (int)(t % 2),
                                       .micros = 2,
                                       .lr = 0.01f});
        get(&f, &two);
        close_to(two.weights, one.weights, f.net.n_weights, kind == KN_LION ? 2e-2 : 2e-4);
        drop(&one);
        drop(&two);
        close_net(&f);
    }
}

static void test_clipping(void **s)
{
    struct kn_hyper h = plain();
    struct kn_state after;
    struct fixture f;
    double length = 0;

    open_net(&f, build_convnet5, 13, 4);
    h.optim.clip = 0.01f;
    start(&f, (struct kn_plan_desc){0}, h);
    step(&f, (struct kn_batch){.index = f.order, .lr = 1});
    get(&f, &after);
    for (size_t i = 0; i < f.net.n_weights; i++)
        length += pow((double)after.weights[i] - (double)f.state.weights[i], 2);
    assert_float_equal(sqrt(length), 0.01, 1e-5);
    drop(&after);
    close_net(&f);
}

/* Decay alone (the gradient is clipped to nothing) moves matrices and leaves vectors. */
static void test_decay(void **s)
{
    struct kn_hyper h = plain();
    struct kn_state after;
    struct fixture f;

    open_net(&f, build_convnet5, 13, 4);
    h.optim.clip = 1e-30f;
    h.optim.weight_decay = 0.5f;
    h.optim.keep_vectors = 1;
    start(&f, (struct kn_plan_desc){0}, h);
    step(&f, (struct kn_batch){.index = f.order, .lr = 0.1f});
    get(&f, &after);
    for (int i = 0; i < f.net.n_params; i++) {
        const struct kn_param *p = &f.net.param[i];
        double keep = p->n_dims == 1 ? 1 : 1 - 0.1 * 0.5;

        for (size_t k = p->offset; p->trained && k < p->offset + p->count; k++)
            assert_float_equal(after.weights[k], keep * (double)f.state.weights[k], 1e-6);
    }
    drop(&after);
    close_net(&f);
}

/* ---- averages ---- */

static void test_averages(void **s)
{
    const float decay[] = {0, 0.5f, 0.9f, 1};
    float *logits[2], *average, *stats;
    struct kn_hyper h = plain();
    const int32_t *rows;
    struct kn_state now;
    struct fixture f;
    int n = 10;

    open_net(&f, build_convnet5, 13, 4);
    average = xcalloc(f.net.n_weights, sizeof(*average));
    stats = xcalloc(f.net.n_buffers, sizeof(*stats));
    rows = f.order;
    memset(h.rates, 0, sizeof(h.rates));
    start(&f, (struct kn_plan_desc){.averaged = true}, h);
    for (uint32_t t = 0; t < 4; t++) {
        step(&f,
             (struct kn_batch){.index = f.order + t, .step = t, .lr = 0.1f, .average = decay[t]});
        get(&f, &now);
        for (size_t i = 0; i < f.net.n_weights; i++)
            average[i] = kn_average(average[i], now.weights[i], decay[t]);
        for (size_t i = 0; i < f.net.n_buffers; i++)
            stats[i] = kn_average(stats[i], now.buffers[i], decay[t]);
        close_to(now.average_weights, average, f.net.n_weights, 1e-7);
        close_to(now.average_buffers, stats, f.net.n_buffers, 1e-6);
        drop(&now);
    }
    /* Evaluations are those of a plain plan with the averages as its weights. */
    for (int k = 0; k < 2; k++) {
        logits[k] = xcalloc(40, sizeof(float));
        if (k) {
            memcpy(f.state.weights, average, f.net.n_weights * sizeof(*average));
            memcpy(f.state.buffers, stats, f.net.n_buffers * sizeof(*stats));
            start(&f, (struct kn_plan_desc){0}, h);
        }
        assert_int_equal(ops->eval(f.plan, &rows, &n, &logits[k], &f.err), 0);
    }
    close_to(logits[0], logits[1], 40, 1e-5);
    for (int k = 0; k < 2; k++)
        free(logits[k]);
    free(average);
    free(stats);
    close_net(&f);
}

/* The average is what weights and statistics become, and training goes on from there. */
static void test_adoption(void **s)
{
    struct kn_hyper h = plain();
    struct kn_state want, got;
    struct fixture f;

    open_net(&f, build_convnet5, 13, 4);
    memset(h.rates, 0, sizeof(h.rates));
    h.optim.momentum = 0.9f;
    start(&f, (struct kn_plan_desc){.averaged = true}, h);
    step(&f, (struct kn_batch){.index = f.order, .lr = 0.1f, .average = 0.75f});
    get(&f, &want);
    start(&f, (struct kn_plan_desc){.averaged = true}, h);
    step(&f, (struct kn_batch){.index = f.order, .lr = 0.1f, .average = 0.75f, .adopt = 1});
    get(&f, &got);
    for (size_t i = 0; i < f.net.n_weights; i++)
        assert_true(got.weights[i] == want.average_weights[i]);
    for (size_t i = 0; i < f.net.n_buffers; i++)
        assert_true(got.buffers[i] == want.average_buffers[i]);
    assert_memory_equal(got.average_weights, want.average_weights, f.net.n_weights * sizeof(float));
    assert_memory_equal(got.slots[0], want.slots[0], f.net.n_weights * sizeof(float));
    drop(&want);
    drop(&got);
    close_net(&f);
}

/* The mean of the logits of two data sets, of which one is the other in a mirror. */
static void test_mirror(void **s)
{
    float one[2][IMAGES * 5], both[IMAGES * 5], *out;
    struct kn_hyper h = plain();
    const int32_t *rows;
    struct fixture f;
    int n = 7, side = 13;

    open_net(&f, build_convnet5, side, 4);
    rows = f.order;
    for (int k = 0; k < 3; k++) {
        h.mirror = k == 1;
        start(&f, (struct kn_plan_desc){0}, h);
        out = k == 1 ? both : one[k / 2];
        assert_int_equal(ops->eval(f.plan, &rows, &n, &out, &f.err), 0);
        for (int i = 0; k == 1 && i < IMAGES * side; i++) {
            uint8_t *row = f.pixels + (size_t)i * (size_t)side * 3;

            for (int x = 0; x < side / 2; x++)
                for (int c = 0; c < 3; c++) {
                    uint8_t v = row[x * 3 + c], *other = &row[(side - 1 - x) * 3 + c];

                    row[x * 3 + c] = *other;
                    *other = v;
                }
        }
    }
    assert_memory_not_equal(one[0], one[1], sizeof(float) * 28);
    for (int i = 0; i < 28; i++)
        assert_float_equal(both[i], ((double)one[0][i] + (double)one[1][i]) / 2, 1e-6);
    close_net(&f);
}

/* Statistics of the average weights: of one batch they are that batch's, of several their mean; the
 * weights and their own statistics stay. */
static void test_estimates(void **s)
{
    struct kn_hyper h = plain();
    struct kn_state before, one[2], both;
    struct fixture f;

    open_net(&f, build_convnet5, 13, 4);
    memset(h.rates, 0, sizeof(h.rates));
    start(&f, (struct kn_plan_desc){.averaged = true}, h);
    step(&f, (struct kn_batch){.index = f.order, .lr = 0.1f});
    get(&f, &before);
    for (int k = 0; k < 2; k++) {
        step(&f, (struct kn_batch){.index = f.order + 7 * k, .estimate = 1});
        get(&f, &one[k]);
    }
    for (int k = 0; k < 2; k++)
        step(&f, (struct kn_batch){.index = f.order + 7 * k, .estimate = k + 1});
    get(&f, &both);
    for (size_t i = 0; i < f.net.n_buffers; i++)
        assert_float_equal(
            both.average_buffers[i],
            ((double)one[0].average_buffers[i] + (double)one[1].average_buffers[i]) / 2, 1e-5);
    assert_memory_equal(both.weights, before.weights, f.net.n_weights * sizeof(float));
    assert_memory_equal(both.buffers, before.buffers, f.net.n_buffers * sizeof(float));
    assert_memory_equal(both.average_weights, before.average_weights,
                        f.net.n_weights * sizeof(float));
    drop(&before);
    drop(&one[0]);
    drop(&one[1]);
    drop(&both);
    close_net(&f);
}

/* ---- frozen layers ---- */

static void test_freezing(void **s)
{
    for (int kind = KN_SGD; kind < KN_N_OPTIMS; kind++) {
        struct kn_hyper h = plain();
        struct kn_state after;
        struct fixture f;
        int freeze;

        open_net(&f, build_resnet, 12, 3);
        h.optim = (struct kn_optim){.kind = (enum kn_optim_kind)kind,
                                    .momentum = 0.9f,
                                    .beta1 = 0.9f,
                                    .beta2 = 0.99f,
                                    .eps = 1e-3f,
                                    .ns_steps = 5,
                                    .clip = 5,
                                    .weight_decay = 0.01f};
        freeze = f.net.n_ops / 2;
        start(&f, (struct kn_plan_desc){.freeze = freeze}, h);
        for (uint32_t t = 0; t < 2; t++)
            step(&f, (struct kn_batch){.index = f.order, .step = t, .lr = 0.01f});
        get(&f, &after);
        for (int i = 0; i < f.net.n_params; i++) {
            const struct kn_param *p = &f.net.param[i];
            const float *was = (p->trained ? f.state.weights : f.state.buffers) + p->offset;
            const float *is = (p->trained ? after.weights : after.buffers) + p->offset;
            bool same = !memcmp(was, is, p->count * sizeof(float));

            if (same != (p->op < freeze))
                fail_msg("%s %s", p->name, same ? "stayed" : "moved");
        }
        drop(&after);
        close_net(&f);
    }
}

/* ---- rates and decays of single parameters ---- */

static struct kn_hyper every_optim(int kind)
{
    struct kn_hyper h = plain();

    h.optim = (struct kn_optim){.kind = (enum kn_optim_kind)kind,
                                .momentum = 0.9f,
                                .nesterov = 1,
                                .beta1 = 0.9f,
                                .beta2 = 0.99f,
                                .eps = 1e-3f,
                                .ns_steps = 5,
                                .weight_decay = 0.5f};
    return h;
}

static bool same_floats(const float *a, const float *b, const struct kn_param *p)
{
    return !memcmp(a + p->offset, b + p->offset, p->count * sizeof(float));
}

/* Factors of 1 change no bit. A parameter with others gets, in a first step, what a plan gives it
 * that has its rate and its decay for everything; with 0 it stays, and so do its slots. */
static void test_factors(void **s)
{
    static const struct kn_factor choice[] = {{1, 1}, {4, 0.25f}, {0.5f, 0}, {0, 1}};

    for (int kind = KN_SGD; kind < KN_N_OPTIMS; kind++) {
        struct kn_hyper h = every_optim(kind);
        struct kn_state whole[HPO_LEN(choice)], after;
        struct kn_factor *factors;
        struct fixture f;

        open_net(&f, build_mobile, 15, 4);
        memset(h.rates, 0, sizeof(h.rates));
        factors = xcalloc((size_t)f.net.n_params, sizeof(*factors));
        for (size_t c = 0; c < HPO_LEN(choice); c++) {
            struct kn_hyper one = h;

            one.optim.weight_decay *= choice[c].decay;
            start(&f, (struct kn_plan_desc){0}, one);
            step(&f, (struct kn_batch){.index = f.order, .lr = 0.0625f * choice[c].lr});
            get(&f, &whole[c]);
        }
        h.factors = factors;
        for (int mixed = 0; mixed < 2; mixed++) {
            for (int i = 0; i < f.net.n_params; i++)
                factors[i] = choice[mixed ? (size_t)i % HPO_LEN(choice) : 0];
            start(&f, (struct kn_plan_desc){0}, h);
            step(&f, (struct kn_batch){.index = f.order, .lr = 0.0625f});
            get(&f, &after);
            for (int i = 0; i < f.net.n_params; i++) {
                const struct kn_param *p = &f.net.param[i];
                const struct kn_state *want = &whole[mixed ? (size_t)i % HPO_LEN(choice) : 0];
                bool frozen = mixed && factors[i].lr == 0;

                if (!p->trained)
                    continue;
                if (!same_floats(after.weights, frozen ? f.state.weights : want->weights, p))
                    fail_msg("optimizer %d, %s: not its rate or decay", kind, p->name);
                for (int k = 0; k < kn_optim_slots(h.optim.kind); k++)
                    if (!same_floats(after.slots[k], (frozen ? &f.state : want)->slots[k], p))
                        fail_msg("optimizer %d, %s: slot %d", kind, p->name, k);
            }
            drop(&after);
        }
        for (size_t c = 0; c < HPO_LEN(choice); c++)
            drop(&whole[c]);
        free(factors);
        close_net(&f);
    }
}

/* The gradients that count are as long as the step, whatever the frozen ones are. */
static void test_factors_clipping(void **s)
{
    struct kn_hyper h = plain();
    struct kn_factor *factors;
    struct kn_state after;
    struct fixture f;
    double length = 0;

    open_net(&f, build_convnet5, 13, 4);
    factors = xcalloc((size_t)f.net.n_params, sizeof(*factors));
    for (int i = 0; i < f.net.n_params; i++)
        factors[i] = (struct kn_factor){(float)(i % 2), 1};
    h.optim.clip = 0.01f;
    h.factors = factors;
    start(&f, (struct kn_plan_desc){0}, h);
    memset(factors, 0xff, (size_t)f.net.n_params * sizeof(*factors)); /* it has a copy */
    step(&f, (struct kn_batch){.index = f.order, .lr = 1});
    get(&f, &after);
    for (size_t i = 0; i < f.net.n_weights; i++)
        length += pow((double)after.weights[i] - (double)f.state.weights[i], 2);
    assert_float_equal(sqrt(length), 0.01, 1e-5);
    h.factors = factors; /* NaN */
    assert_int_equal(ops->set_hyper(f.plan, 0, &h, &f.err), HPO_ECONFIG);
    free(factors);
    drop(&after);
    close_net(&f);
}

/* ---- Muon ---- */

/* (rows, cols) by the book, in double. */
static void book_newton_schulz(double *x, int rows, int cols, int steps)
{
    double *gram = xcalloc((size_t)rows * (size_t)rows, sizeof(double)), norm = 0;
    double *b = xcalloc((size_t)rows * (size_t)rows, sizeof(double));
    double *y = xcalloc((size_t)rows * (size_t)cols, sizeof(double));

    for (int i = 0; i < rows * cols; i++)
        norm += x[i] * x[i];
    for (int i = 0; i < rows * cols; i++)
        x[i] /= sqrt(norm);
    for (int t = 0; t < steps; t++) {
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < rows; j++) {
                gram[i * rows + j] = 0;
                for (int k = 0; k < cols; k++)
                    gram[i * rows + j] += x[i * cols + k] * x[j * cols + k];
            }
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < rows; j++) {
                b[i * rows + j] = -4.7750 * gram[i * rows + j];
                for (int k = 0; k < rows; k++)
                    b[i * rows + j] += 2.0315 * gram[i * rows + k] * gram[k * rows + j];
            }
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < cols; j++) {
                y[i * cols + j] = 3.4445 * x[i * cols + j];
                for (int k = 0; k < rows; k++)
                    y[i * cols + j] += b[i * rows + k] * x[k * cols + j];
            }
        memcpy(x, y, sizeof(double) * (size_t)rows * (size_t)cols);
    }
    free(gram);
    free(b);
    free(y);
}

static void test_muon(void **s)
{
    struct kn_hyper h = plain();
    struct kn_state after;
    struct fixture f;
    float *g;

    h.optim = (struct kn_optim){.kind = KN_MUON,
                                .momentum = 0.9f,
                                .nesterov = 1,
                                .beta1 = 0.9f,
                                .beta2 = 0.99f,
                                .eps = 1e-8f,
                                .ns_steps = 5,
                                .weight_decay = 0.1f,
                                .other_lr = 0.5f};
    open_net(&f, build_mobile, 15, 4); /* wide, tall and depthwise matrices */
    memset(h.rates, 0, sizeof(h.rates));
    g = xcalloc(f.net.n_weights, sizeof(*g));
    /* The gradient's place is used by the step: the same gradient, by a plan that keeps it. */
    {
        struct kn_hyper sgd = plain();

        memset(sgd.rates, 0, sizeof(sgd.rates));
        start(&f, (struct kn_plan_desc){0}, sgd);
        step(&f, (struct kn_batch){.index = f.order});
        assert_int_equal(ops->get_gradients(f.plan, 0, g, &f.err), 0);
    }
    start(&f, (struct kn_plan_desc){0}, h);
    step(&f, (struct kn_batch){.index = f.order, .lr = 0.1f});
    get(&f, &after);
    for (int i = 0; i < f.net.n_params; i++) {
        const struct kn_param *p = &f.net.param[i];
        int rows = p->dims[0], cols = (int)(p->count / (size_t)rows), wide = rows <= cols;
        bool matrix = p->trained && p->n_dims > 1 && p->op != f.net.n_ops - 1;
        double *x = xcalloc(p->count, sizeof(double));

        /* One step from no momentum: buf = 0.1 g, update = g + 0.9 (buf - g), along g. */
        for (size_t k = 0; matrix && k < p->count; k++)
            x[wide ? k : k % (size_t)cols * (size_t)rows + k / (size_t)cols] =
                (double)g[p->offset + k];
        if (matrix)
            book_newton_schulz(x, wide ? rows : cols, wide ? cols : rows, 5);
        for (size_t k = 0; matrix && k < p->count; k++) {
            double u = x[wide ? k : k % (size_t)cols * (size_t)rows + k / (size_t)cols];
            double want = (double)f.state.weights[p->offset + k] * (1 - 0.1 * 0.1) -
                          0.1 * sqrt(fmax(1, (double)rows / cols)) * u;

            if (fabs((double)after.weights[p->offset + k] - want) > 1e-4)
                fail_msg("%s, %zu: %g, not %g", p->name, k, (double)after.weights[p->offset + k],
                         want);
        }
        free(x);
    }
    free(g);
    drop(&after);
    close_net(&f);
}

/* ---- what is refused ---- */

static void test_refusals(void **s)
{
    struct kn_batch bad[] = {
        {.micro = 2, .micros = 2},
        {.micros = 2},
        {.average = 2},
        {.estimate = 1},
        {.adopt = 1},
        {.mix = {.kind = KN_MIXUP, .lambda = 1.5f}},
        {.mix = {.kind = KN_CUTMIX, .y1 = SIZE + 1}},
    };
    struct kn_plan_desc d;
    struct kn_plan *plan;
    struct fixture f;

    open_net(&f, build_linear, SIZE, CLASSES);
    start(&f, (struct kn_plan_desc){0}, plain());
    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        bad[i].index = f.order;
        bad[i].n = BATCH;
        assert_int_equal(ops->train(f.plan, &bad[i], NULL, NULL, &f.err), HPO_ECONFIG);
    }
    d = f.desc;
    d.freeze = f.net.n_ops;
    assert_int_equal(ops->compile(f.dev, &d, f.data, &plan, &f.err), HPO_ECONFIG);
    close_net(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses),       cmocka_unit_test(test_loss_gradients),
        cmocka_unit_test(test_accumulation), cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_decay),        cmocka_unit_test(test_averages),
        cmocka_unit_test(test_estimates),    cmocka_unit_test(test_freezing),
        cmocka_unit_test(test_adoption),     cmocka_unit_test(test_mirror),
        cmocka_unit_test(test_factors),      cmocka_unit_test(test_factors_clipping),
        cmocka_unit_test(test_muon),         cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
