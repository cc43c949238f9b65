/* tests/kernels/cpu/fixture.h - a data set of noise, networks with every operation, a plan. */
#ifndef HPO_TESTS_KERNELS_CPU_FIXTURE_H
#define HPO_TESTS_KERNELS_CPU_FIXTURE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "kernels/backend.h"
#include "tests/kernels/nets.h"

extern const struct kn_backend_ops kn_backend_cpu;
static const struct kn_backend_ops *const ops = &kn_backend_cpu;

#define IMAGES 48

/* A data set of noise, a network, and a plan for it. */
struct fixture {
    struct kn_net net;
    struct kn_images images;
    uint8_t *pixels;
    int32_t *labels, order[IMAGES];
    struct kn_dev *dev;
    void *data;
    struct kn_plan_desc desc;
    struct kn_plan *plan;
    struct kn_state state;
    struct hpo_err err;
};

static inline void state_new(struct kn_state *s, const struct kn_net *net)
{
    s->weights = xcalloc(net->n_weights, sizeof(float));
    s->buffers = xcalloc(net->n_buffers + 1, sizeof(float));
    for (int i = 0; i < KN_MAX_SLOTS; i++)
        s->slots[i] = xcalloc(net->n_weights, sizeof(float));
}

static inline void state_free(struct kn_state *s)
{
    free(s->weights);
    free(s->buffers);
    for (int i = 0; i < KN_MAX_SLOTS; i++)
        free(s->slots[i]);
}

static inline float draw(struct hpo_rng *r, double low, double high)
{
    return (float)(low + (high - low) * hpo_rng_uniform(r));
}

static inline void state_draw(struct kn_state *s, const struct kn_net *net, uint64_t seed)
{
    struct hpo_rng r = hpo_rng_for(seed, 0, 0, "test", 0);

    for (int i = 0; i < net->n_params; i++) {
        const struct kn_param *p = &net->param[i];
        float *at = (p->trained ? s->weights : s->buffers) + p->offset;
        double fan = p->n_dims > 1 ? (double)p->count / p->dims[0] : 4;
        bool near_one =
            p->n_dims == 1 && net->op[p->op].kind == KN_BATCH_NORM &&
            (p == &net->param[net->op[p->op].weight] || p == &net->param[net->op[p->op].var]);

        for (size_t k = 0; k < p->count; k++)
            at[k] = near_one ? draw(&r, 0.5, 1.5) : draw(&r, -sqrt(3 / fan), sqrt(3 / fan));
    }
    for (int i = 0; i < KN_MAX_SLOTS; i++)
        memset(s->slots[i], 0, net->n_weights * sizeof(float));
}

static inline void open_with(struct fixture *f, int size, int classes, int dev_threads)
{
    struct hpo_rng r = hpo_rng_for(11, 0, 0, "test", 1);

    f->images = (struct kn_images){.n = IMAGES, .h = size, .w = size, .classes = classes};
    f->pixels = xcalloc(IMAGES, (size_t)size * (size_t)size * 3);
    f->labels = xcalloc(IMAGES, sizeof(int32_t));
    for (size_t i = 0; i < (size_t)IMAGES * (size_t)size * (size_t)size * 3; i++)
        f->pixels[i] = (uint8_t)hpo_rng_below(&r, 256);
    for (int i = 0; i < IMAGES; i++) {
        f->labels[i] = (int32_t)hpo_rng_below(&r, (uint64_t)classes);
        f->order[i] = (i * 7) % IMAGES;
    }
    f->images.pixels = f->pixels;
    f->images.labels = f->labels;
    assert_int_equal(kn_net_finish(&f->net, &f->err), 0);
    assert_int_equal(ops->open(0, dev_threads, &f->dev, &f->err), 0);
    assert_int_equal(ops->data_open(f->dev, &f->images, &f->data, &f->err), 0);
    state_new(&f->state, &f->net);
}

static inline void compile(struct fixture *f, int batch, int models, int threads,
                           enum kn_optim_kind optim)
{
    f->desc = (struct kn_plan_desc){.net = &f->net,
                                    .batch = batch,
                                    .eval_batch = 10,
                                    .models = models,
                                    .threads = threads,
                                    .optim = optim,
                                    .exact = true};
    if (ops->compile(f->dev, &f->desc, f->data, &f->plan, &f->err))
        fail_msg("%s", f->err.msg);
}

static inline void close_all(struct fixture *f)
{
    ops->plan_free(f->plan);
    ops->data_close(f->dev, f->data);
    ops->close(f->dev);
    state_free(&f->state);
    free(f->pixels);
    free(f->labels);
    kn_net_release(&f->net);
}

static inline struct kn_hyper hyper(int variant, enum kn_optim_kind kind)
{
    struct kn_hyper h = {.mean = {0.5f, 0.4f, 0.3f},
                         .std = {0.2f, 0.25f, 0.3f},
                         .augment = {1, 2 + variant},
                         .seed = 99 + (uint64_t)variant,
                         .fold = variant,
                         .loss = {.kind = variant == 1 ? KN_FOCAL : KN_CROSS_ENTROPY,
                                  .smoothing = 0.1f * (float)variant,
                                  .gamma = 2,
                                  .alpha = 1}};

    for (int i = 0; i < KN_MAX_RATES; i++)
        h.rates[i] = 0.2f * (float)(variant + 1);
    h.optim = (struct kn_optim){.kind = kind,
                                .weight_decay = 1e-3f,
                                .momentum = 0.9f,
                                .nesterov = variant & 1,
                                .beta1 = 0.9f,
                                .beta2 = 0.99f,
                                .eps = 1e-8f};
    return h;
}

static inline double train_once(struct fixture *f, const int32_t *rows, uint32_t step, float lr)
{
    struct kn_batch b = {rows, f->desc.batch, 3, step, lr};
    double loss = 0;

    if (ops->train(f->plan, &b, NULL, &loss, &f->err))
        fail_msg("%s", f->err.msg);
    return loss;
}

static inline void build_convnet5(struct kn_net *n)
{
    net_convnet(n, 13, 5, 3, 0.3f, 4);
}

static inline void build_convnet20(struct kn_net *n)
{
    net_convnet(n, 16, 20, 2, 0, 7);
}

static inline void build_resnet(struct kn_net *n)
{
    net_resnet(n, 12, 6, 1, 3);
}

static inline void build_mlp(struct kn_net *n)
{
    net_mlp(n, 9, 21, 5);
}

static inline void build_zoo(struct kn_net *n)
{
    net_zoo(n, 23, 5, 6);
}

/* Operations directly on the image, dropout on a feature map, a pool with a remainder, batch norm
 * fused with a sum and a global pool. */
static inline void build_odd(struct kn_net *n)
{
    int t, u;

    kn_net_init(n, 3, 11, 11, 4);
    t = kn_max_pool(n, "p", 0, 2, 2, 0);
    t = kn_batch_norm(n, "bn", t);
    u = kn_conv2d(n, "c", t, 3, 3, 1, 1, false, KN_INIT_DEFAULT);
    u = kn_batch_norm(n, "bn2", u);
    u = kn_add(n, "add", t, u);
    u = kn_relu(n, "relu", u);
    t = kn_dropout(n, "drop", u, 0.2f);
    t = kn_conv2d(n, "d", t, 18, 3, 2, 1, false, KN_INIT_DEFAULT);
    t = kn_batch_norm(n, "bn3", t);
    t = kn_global_avg_pool(n, "gap", t);
    kn_linear(n, "fc", t, 4, false);
}

/* Dropout between pieces that share tensors: a batch norm read twice, and without ReLU. */
static inline void build_shared(struct kn_net *n)
{
    int t, u, v;

    kn_net_init(n, 3, 8, 8, 3);
    t = kn_conv2d(n, "a", 0, 17, 3, 1, 1, false, KN_INIT_DEFAULT);
    t = kn_batch_norm(n, "a.bn", t);
    u = kn_conv2d(n, "b", t, 17, 3, 1, 1, false, KN_INIT_DEFAULT);
    u = kn_relu(n, "b.relu", u);
    v = kn_conv2d(n, "c", t, 17, 1, 1, 0, false, KN_INIT_DEFAULT);
    v = kn_batch_norm(n, "c.bn", v);
    u = kn_batch_norm(n, "u.bn", u);
    u = kn_add(n, "add", u, v);
    u = kn_add(n, "add2", u, t);
    u = kn_batch_norm(n, "d.bn", u);
    u = kn_relu(n, "d.relu", u);
    u = kn_max_pool(n, "pool", u, 2, 2, 0);
    u = kn_global_avg_pool(n, "gap", u);
    u = kn_dropout(n, "drop", u, 0.5f);
    kn_linear(n, "fc", u, 3, true);
}

/* An inverted residual with squeeze-and-excite, as EfficientNet and MobileNet have it: depthwise
 * convolutions, activations, stochastic depth, a padded pool; several samples of the head's
 * dropout. */
static inline void net_mobile(struct kn_net *n, enum kn_act_kind act, enum kn_act_kind gate,
                              int samples)
{
    int t, u, v, rate;

    kn_net_init(n, 3, 15, 15, 4);
    rate = kn_rate(n, "depth", 0.3f);
    t = kn_conv2d(n, "stem", 0, 11, 3, 1, 1, false, KN_INIT_DEFAULT);
    t = kn_batch_norm_with(n, "stem.bn", t, 1e-3f, 0.01f);
    t = kn_act_layer(n, "stem.act", t, act);
    t = kn_max_pool(n, "pool", t, 3, 2, 1);
    u = kn_conv2d(n, "expand", t, 21, 1, 1, 0, false, KN_INIT_DEFAULT);
    u = kn_batch_norm(n, "expand.bn", u);
    u = kn_act_layer(n, "expand.act", u, act);
    u = kn_depthwise(n, "dw", u, 5, 1, 2, false, KN_INIT_DEFAULT);
    u = kn_batch_norm(n, "dw.bn", u);
    u = kn_act_layer(n, "dw.act", u, act);
    v = kn_global_avg_pool(n, "se.pool", u);
    v = kn_conv2d(n, "se.fc1", v, 5, 1, 1, 0, true, KN_INIT_DEFAULT);
    v = kn_act_layer(n, "se.act", v, KN_SILU);
    v = kn_conv2d(n, "se.fc2", v, 21, 1, 1, 0, true, KN_INIT_DEFAULT);
    v = kn_act_layer(n, "se.gate", v, gate);
    u = kn_scale(n, "se.scale", u, v);
    u = kn_conv2d(n, "project", u, 11, 1, 1, 0, false, KN_INIT_DEFAULT);
    u = kn_batch_norm(n, "project.bn", u);
    u = kn_drop_path(n, "path", u, rate, 0.5f);
    t = kn_add(n, "add", t, u);
    t = kn_depthwise(n, "dw2", t, 3, 2, 1, true, KN_INIT_DEFAULT);
    t = kn_act_layer(n, "dw2.act", t, act);
    t = kn_global_avg_pool(n, "gap", t);
    t = kn_dropout_samples(n, "drop", t, 0.4f, samples);
    t = kn_linear(n, "fc1", t, 13, true);
    t = kn_act_layer(n, "fc1.act", t, act);
    kn_linear(n, "fc", t, 4, true);
}

/* Even kernels and no padding, a pool of three, features that are multiplied: as in airbench. */
static inline void build_small_steps(struct kn_net *n)
{
    int t;

    kn_net_init(n, 3, 16, 16, 5);
    t = kn_conv2d(n, "whiten", 0, 24, 2, 1, 0, true, KN_INIT_DEFAULT);
    t = kn_act_layer(n, "act0", t, KN_GELU);
    t = kn_conv2d(n, "conv1", t, 19, 3, 1, 1, false, KN_INIT_DIRAC);
    t = kn_max_pool(n, "pool1", t, 2, 2, 0);
    t = kn_batch_norm_with(n, "norm1", t, 1e-12f, 0.4f);
    t = kn_act_layer(n, "act1", t, KN_GELU);
    t = kn_max_pool(n, "pool2", t, 3, 3, 0);
    t = kn_flatten(n, "flatten", t);
    t = kn_multiply(n, "scale", t, 1.0f / 9);
    kn_linear(n, "head", t, 5, false);
}

static inline void build_mobile(struct kn_net *n)
{
    net_mobile(n, KN_SILU, KN_SIGMOID, 1);
}

static inline void build_mobile_hard(struct kn_net *n)
{
    net_mobile(n, KN_HARDSWISH, KN_HARDSIGMOID, 3);
}

static inline void build_mobile_gelu(struct kn_net *n)
{
    net_mobile(n, KN_GELU, KN_SIGMOID, 5);
}

#endif
