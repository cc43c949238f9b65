/* tests/kernels/cuda/methods.h - what a training step may be made of, in calls for the models of an
 * array that differ in it: with tests/kernels/cpu/fixture.h. */
#ifndef HPO_TESTS_KERNELS_CUDA_METHODS_H
#define HPO_TESTS_KERNELS_CUDA_METHODS_H

#include "tests/kernels/cpu/fixture.h"

#define METHOD_CLASSES 4
#define METHOD_SIDE 8
#define METHOD_BATCH 6
#define METHOD_CALLS 8 /* of train */
#define METHOD_CUT 4   /* here a step begins, whatever the method */

struct method {
    const char *name;
    enum kn_optim_kind optim;
    float lr;
    bool weights; /* of classes, by model */
    bool mixes, momentum, clips, decays, other;
    int micros; /* of the even models; 0: 1 */
    bool averages, estimates, freezes, factors, adopts, mirrors;
    double tolerance, loose; /* of what weights have moved by, beside the CPU: in fp32, in less */
};

static const struct method methods[] = {
    {"sgd", KN_SGD, 0.05f, .momentum = true, .tolerance = 1e-4, .loose = 3e-2},
    {"adamw", KN_ADAMW, 0.01f, .decays = true, .other = true, .tolerance = 1e-4, .loose = 3e-2},
    {"adam", KN_ADAM, 0.01f, .momentum = true, .tolerance = 1e-4, .loose = 3e-2},
    {"rmsprop", KN_RMSPROP, 0.003f, .decays = true, .tolerance = 1e-4, .loose = 3e-2},
    {"lion", KN_LION, 0.003f, .momentum = true, .other = true, .tolerance = 1e-3, .loose = 0.2},
    {"muon", KN_MUON, 0.01f, .decays = true, .other = true, .tolerance = 1e-3, .loose = 0.2},
    {"class weights", KN_SGD, 0.05f, .weights = true, .tolerance = 1e-4, .loose = 3e-2},
    {"mixing", KN_SGD, 0.05f, .mixes = true, .tolerance = 1e-4, .loose = 3e-2},
    {"mixing, class weights", KN_SGD, 0.05f, .weights = true, .mixes = true, .tolerance = 1e-4,
     .loose = 3e-2},
    {"clipping", KN_SGD, 0.05f, .clips = true, .decays = true, .tolerance = 1e-4, .loose = 3e-2},
    {"accumulation", KN_SGD, 0.05f, .micros = 2, .tolerance = 1e-4, .loose = 3e-2},
    {"averages", KN_SGD, 0.05f, .averages = true, .tolerance = 1e-4, .loose = 3e-2},
    {"estimates", KN_SGD, 0.05f, .averages = true, .estimates = true, .tolerance = 1e-4,
     .loose = 3e-2},
    {"freezing", KN_ADAM, 0.01f, .freezes = true, .tolerance = 1e-4, .loose = 3e-2},
    {"factors", KN_SGD, 0.05f, .clips = true, .decays = true, .factors = true, .tolerance = 1e-4,
     .loose = 3e-2},
    {"lookahead", KN_SGD, 0.05f, .averages = true, .adopts = true, .tolerance = 1e-4,
     .loose = 3e-2},
    {"mirroring", KN_SGD, 0.05f, .averages = true, .mirrors = true, .tolerance = 1e-4,
     .loose = 3e-2},
    {"all", KN_MUON, 0.01f, .weights = true, .mixes = true, .momentum = true, .clips = true,
     .decays = true, .other = true, .micros = 2, .averages = true, .estimates = true,
     .freezes = true, .factors = true, .adopts = true, .mirrors = true, .tolerance = 1e-3,
     .loose = 0.2},
};

/* Convolutions with batch norm or bias (not both, which leaves the bias a gradient of rounding),
 * linear layers, dropout, frozen in the middle of a block. Smooth, so that gradients differ no more
 * than what is rounded: nothing crosses a kink. */
static inline void build_method(struct kn_net *n)
{
    int t, u;

    kn_net_init(n, 3, METHOD_SIDE, METHOD_SIDE, METHOD_CLASSES);
    t = kn_conv2d(n, "a", 0, 9, 3, 2, 1, false, KN_INIT_DEFAULT);
    t = kn_batch_norm(n, "a.bn", t);
    t = kn_act_layer(n, "a.act", t, KN_SILU);
    u = kn_conv2d(n, "b", t, 9, 3, 1, 1, false, KN_INIT_DEFAULT);
    u = kn_batch_norm(n, "b.bn", u);
    t = kn_add(n, "b.add", u, t);
    t = kn_act_layer(n, "b.act", t, KN_SILU);
    t = kn_conv2d(n, "c", t, 18, 1, 1, 0, true, KN_INIT_DEFAULT);
    t = kn_act_layer(n, "c.act", t, KN_SILU);
    t = kn_depthwise(n, "dw", t, 3, 1, 1, true, KN_INIT_DEFAULT);
    t = kn_act_layer(n, "dw.act", t, KN_SILU);
    t = kn_multiply(n, "half", t, 0.5f);
    t = kn_global_avg_pool(n, "gap", t);
    t = kn_dropout_samples(n, "drop", t, 0.2f, 2);
    t = kn_linear(n, "fc1", t, 7, true);
    t = kn_act_layer(n, "fc1.act", t, KN_SILU);
    kn_linear(n, "fc2", t, METHOD_CLASSES, true);
}

#define METHOD_FREEZE 4 /* operations: "b.bn" is trained */

static inline struct kn_plan_desc method_desc(const struct method *w, const struct kn_net *net,
                                              int models, enum kn_precision precision)
{
    return (struct kn_plan_desc){.net = net,
                                 .batch = METHOD_BATCH,
                                 .eval_batch = 10,
                                 .models = models,
                                 .threads = 1,
                                 .precision = precision,
                                 .optim = w->optim,
                                 .exact = true,
                                 .averaged = w->averages,
                                 .accumulate = w->micros > 1,
                                 .freeze = w->freezes ? METHOD_FREEZE : 0};
}

/* Model 0's factor of parameter i: some are 0, which freezes. */
static inline struct kn_factor method_factor(int i)
{
    return (struct kn_factor){0.5f * (float)(i % 4), 0.75f * (float)(i % 3)};
}

/* The model's loss is one of three, whatever the method. */
static inline struct kn_hyper method_hyper(const struct method *w, int model)
{
    static const float weights[2][METHOD_CLASSES] = {{0.5f, 2, 1, 3}, {4, 0.25f, 1, 1}};
    static struct kn_factor factors[64]; /* copied by set_hyper */
    struct kn_hyper h = hyper(model % 3, w->optim);

    h.rates[0] = 0.2f;
    h.optim.eps = 1e-3f; /* steps do not depend on the last digits of small gradients */
    h.optim.ns_steps = 5 - model;
    if (w->weights && model < 2)
        h.class_weights = weights[model];
    if (w->clips && model < 2)
        h.optim.clip = model ? 0.05f : 0.5f;
    if (w->decays) {
        h.optim.weight_decay = 0.1f;
        h.optim.keep_vectors = model != 1;
    }
    for (int i = 0; i < (int)HPO_LEN(factors); i++)
        factors[i] = method_factor(i);
    h.mirror = w->mirrors && model != 1;
    if (w->factors && model == 0)
        h.factors = factors;
    if (w->other && model < 2) {
        h.optim.other_lr = 0.25f;
    }
    return h;
}

/* Model m's share of a call; rows: METHOD_BATCH of its own. With estimates, model 1 makes one
 * amidst the others' training, and all of them at the end. It sits call 2 out. */
static inline struct kn_batch method_batch(const struct method *w, int call, int m, int32_t *rows)
{
    int micros = w->micros > 1 && m % 2 == 0 ? w->micros : 1, done = call / micros;
    struct kn_batch b = {.index = rows,
                         .n = m == 1 && call == 2 ? 0 : METHOD_BATCH,
                         .epoch = (uint32_t)call / 2,
                         .step = (uint32_t)call,
                         .lr = w->lr / (float)(1 + m),
                         .micro = call % micros,
                         .micros = w->micros ? micros : 0,
                         .behind = (uint32_t)(call - done)};

    for (int i = 0; i < METHOD_BATCH; i++)
        rows[i] = (i * 5 + call * 11 + m) % IMAGES;
    if (w->mixes && (call + m) % 3 == 1)
        b.mix = (struct kn_mix){.kind = KN_MIXUP, .lambda = 0.3f};
    if (w->mixes && (call + m) % 3 == 2)
        b.mix = (struct kn_mix){
            .kind = KN_CUTMIX, .lambda = 1 - 15.0f / 64, .y0 = 1, .y1 = 6, .x0 = 4, .x1 = 7};
    if (w->momentum && call % 2)
        b.momentum = 0.8f;
    if (w->averages)
        b.average = done % 2 ? 1 : (float)done / (float)(done + 2);
    b.adopt = w->adopts && done % 3 == 2;
    if (w->estimates && ((m == 1 && call == 5) || call > 5))
        b.estimate = call > 5 ? call - 5 : 1;
    return b;
}

static inline void method_averages_new(struct kn_state *s, const struct kn_net *net)
{
    s->average_weights = xcalloc(net->n_weights, sizeof(float));
    s->average_buffers = xcalloc(net->n_buffers + 1, sizeof(float));
}

static inline void method_averages_free(struct kn_state *s)
{
    free(s->average_weights);
    free(s->average_buffers);
}

static inline void method_state_new(struct kn_state *s, const struct kn_net *net)
{
    state_new(s, net);
    method_averages_new(s, net);
}

static inline void method_state_free(struct kn_state *s)
{
    method_averages_free(s);
    state_free(s);
}

#endif
