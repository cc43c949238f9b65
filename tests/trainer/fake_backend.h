/* tests/trainer/fake_backend.h - a backend without arithmetic worth the name: each bit of its state
 * depends on every argument of every call, so that a trainer that passes something else, forgets
 * something or repeats something ends elsewhere. It checks the contract of kernels/backend.h and
 * fails on demand. */
#ifndef TESTS_TRAINER_FAKE_BACKEND_H
#define TESTS_TRAINER_FAKE_BACKEND_H

#include "tests/trainer/parts.h"

#include <stdlib.h>

#include "kernels/backend.h"

struct fake_model {
    struct kn_hyper hyper;
    struct kn_state state;
    int32_t *promised; /* the rows announced as the next batch; NULL: none were */
    double loss_sum;
    bool set;
};

struct fake_plan {
    struct kn_plan base;
    const struct kn_images *images;
    struct fake_model *model;
    bool announced;
    int steps;
};

/* One model's share of a train or eval call. */
struct fake_call {
    int model, fold, n;
    uint32_t epoch, step;
    float lr;
    int32_t row[64];
};
#define FAKE_LOG 512

/* What tests set and read. */
static struct {
    struct fake_call train[FAKE_LOG], eval[FAKE_LOG];
    int n_train, n_eval;
    struct fake_plan *plan; /* the last one compiled */
    double bytes;           /* of the plans that live, by the estimate */
    double each;            /* that estimate, of a model; 0: 1 MB */
    int nan_at;      /* the train call of this number of a plan returns NaN; -1: none */
    int nan_eval;    /* this eval call returns NaN */
    int no_memory;   /* so many compiles fail */
    bool async;      /* plans tell losses only when asked */
    int trains, evals, compiles, frees, opens, closes;
} fake;

static void fake_reset(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.nan_at = fake.nan_eval = -1;
}

static int fake_count(const char **ret_why)
{
    (void)ret_why;
    return 1;
}

static int fake_describe(int index, struct kn_device_info *ret, struct hpo_err *err)
{
    (void)index, (void)err;
    *ret = (struct kn_device_info){.name = "fake", .memory_total = 1e9};
    return 0;
}

static int fake_open(int index, int threads, struct kn_dev **ret, struct hpo_err *err)
{
    (void)index, (void)err;
    assert_true(threads >= 0);
    *ret = calloc(1, sizeof(**ret));
    fake.opens++;
    return 0;
}

static void fake_close(struct kn_dev *d)
{
    fake.closes++;
    free(d);
}

static int fake_data_open(struct kn_dev *d, const struct kn_images *images, void **ret,
                          struct hpo_err *err)
{
    struct kn_images *copy = malloc(sizeof(*copy));

    (void)d, (void)err;
    *copy = *images;
    *ret = copy;
    fake.opens++;
    return 0;
}

static void fake_data_close(struct kn_dev *d, void *data)
{
    (void)d;
    fake.closes++;
    free(data);
}

static double fake_estimate(struct kn_dev *d, const struct kn_plan_desc *desc)
{
    (void)d;
    return (fake.each > 0 ? fake.each : 1e6) * desc->models;
}

static int fake_compile(struct kn_dev *d, const struct kn_plan_desc *desc, void *data,
                        struct kn_plan **ret, struct hpo_err *err)
{
    struct fake_plan *p;

    if (fake.no_memory && fake.no_memory--)
        return hpo_fail(err, HPO_ENOMEM, "the fake device is full");
    p = calloc(1, sizeof(*p));
    p->base.net = desc->net;
    p->base.batch = desc->batch;
    p->base.eval_batch = desc->eval_batch;
    p->base.models = desc->models;
    p->base.optim = desc->optim;
    p->images = data;
    p->model = calloc((size_t)desc->models, sizeof(*p->model));
    for (int m = 0; m < desc->models; m++) {
        struct kn_state *s = &p->model[m].state;

        s->weights = calloc(desc->net->n_weights, sizeof(float));
        s->buffers = calloc(desc->net->n_buffers + 1, sizeof(float));
        for (int i = 0; i < kn_optim_slots(desc->optim); i++)
            s->slots[i] = calloc(desc->net->n_weights, sizeof(float));
        p->model[m].promised = calloc((size_t)desc->batch, sizeof(int32_t));
    }
    fake.compiles++;
    extern const struct kn_backend_ops fake_backend, fake_async_backend;
    p->base.ops = fake.async ? &fake_async_backend : &fake_backend;
    fake.plan = p;
    fake.bytes += fake_estimate(d, desc);
    *ret = &p->base;
    return 0;
}

static void fake_plan_free(struct kn_plan *base)
{
    struct fake_plan *p = (struct fake_plan *)base;

    fake.bytes -= 1e6 * base->models;
    for (int m = 0; m < base->models; m++) {
        free(p->model[m].state.weights);
        free(p->model[m].state.buffers);
        for (int i = 0; i < KN_MAX_SLOTS; i++)
            free(p->model[m].state.slots[i]);
        free(p->model[m].promised);
    }
    free(p->model);
    free(p);
    fake.frees++;
}

static int fake_set_hyper(struct kn_plan *base, int model, const struct kn_hyper *h,
                          struct hpo_err *err)
{
    (void)err;
    assert_int_equal(h->optim.kind, base->optim);
    ((struct fake_plan *)base)->model[model].hyper = *h;
    return 0;
}

static void fake_copy(const struct kn_plan *p, struct kn_state *to, const struct kn_state *from)
{
    memcpy(to->weights, from->weights, p->net->n_weights * sizeof(float));
    memcpy(to->buffers, from->buffers, p->net->n_buffers * sizeof(float));
    for (int i = 0; i < kn_optim_slots(p->optim); i++)
        memcpy(to->slots[i], from->slots[i], p->net->n_weights * sizeof(float));
}

static int fake_set_state(struct kn_plan *base, int model, const struct kn_state *s,
                          struct hpo_err *err)
{
    struct fake_plan *p = (struct fake_plan *)base;

    (void)err;
    fake_copy(base, &p->model[model].state, s);
    p->model[model].set = true;
    p->announced = false;
    return 0;
}

static int fake_get_state(struct kn_plan *base, int model, struct kn_state *ret,
                          struct hpo_err *err)
{
    (void)err;
    fake_copy(base, ret, &((struct fake_plan *)base)->model[model].state);
    return 0;
}

static void fake_log(struct fake_call *log, int *n, const struct fake_call *call,
                     const int32_t *rows)
{
    if (*n == FAKE_LOG || !call->n)
        return;
    log[*n] = *call;
    memcpy(log[*n].row, rows, (size_t)(call->n < 64 ? call->n : 64) * sizeof(int32_t));
    ++*n;
}

static float fake_unit(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdull;
    h ^= h >> 33;
    return (float)(h >> 40) * 0x1p-24f;
}

static double fake_step(struct fake_plan *p, struct fake_model *m, const struct kn_batch *b)
{
    const struct kn_hyper *h = &m->hyper;
    uint64_t sum = h->seed + (uint64_t)h->fold * 977 + b->epoch * 31 + b->step;
    double loss = (double)h->mean[0] + (double)h->std[1] + (double)h->rates[0];

    for (int i = 0; i < b->n; i++) {
        assert_in_range(b->index[i], 0, p->images->n - 1);
        sum = sum * 1000003 + (uint64_t)b->index[i];
    }
    for (size_t i = 0; i < p->base.net->n_weights; i++) {
        float g = fake_unit(sum + i) - 0.5f;

        m->state.slots[0][i] = 0.9f * m->state.slots[0][i] + g;
        if (m->state.slots[1])
            m->state.slots[1][i] = 0.99f * m->state.slots[1][i] + g * g;
        m->state.weights[i] -= b->lr * m->state.slots[0][i];
        loss += (double)(m->state.weights[i] * m->state.weights[i]);
    }
    for (size_t i = 0; i < p->base.net->n_buffers; i++)
        m->state.buffers[i] = 0.9f * m->state.buffers[i] + fake_unit(sum ^ i);
    return loss;
}

static int fake_train(struct kn_plan *base, const struct kn_batch *batch,
                      const struct kn_batch *next, double *ret_loss, struct hpo_err *err)
{
    struct fake_plan *p = (struct fake_plan *)base;
    int training = 0;
    double loss;

    (void)err;
    for (int i = 0; i < base->models; i++) {
        struct fake_model *m = &p->model[i];

        assert_true(m->set);
        assert_true(batch[i].n == 0 || batch[i].n == base->batch);
        if (p->announced && batch[i].n)
            assert_memory_equal(m->promised, batch[i].index,
                                (size_t)base->batch * sizeof(int32_t));
        loss = batch[i].n ? fake_step(p, m, &batch[i]) : 0;
        training += batch[i].n > 0;
        fake_log(fake.train, &fake.n_train,
                 &(struct fake_call){.model = i, .fold = m->hyper.fold, .n = batch[i].n,
                                     .epoch = batch[i].epoch, .step = batch[i].step,
                                     .lr = batch[i].lr}, batch[i].index);
        if (fake.trains == fake.nan_at && batch[i].n)
            loss = NAN;
        m->loss_sum += loss;
        if (ret_loss)
            ret_loss[i] = loss;
        if (next && next[i].n)
            memcpy(m->promised, next[i].index, (size_t)base->batch * sizeof(int32_t));
    }
    assert_true(training > 0);
    p->announced = next != NULL;
    fake.trains++;
    return 0;
}

static int fake_losses(struct kn_plan *base, double *ret_sum, struct hpo_err *err)
{
    (void)err;
    for (int i = 0; i < base->models; i++)
        ret_sum[i] = ((struct fake_plan *)base)->model[i].loss_sum;
    return 0;
}

static int fake_set_losses(struct kn_plan *base, const double *sum, struct hpo_err *err)
{
    (void)err;
    for (int i = 0; i < base->models; i++)
        ((struct fake_plan *)base)->model[i].loss_sum = sum[i];
    return 0;
}

static int fake_eval(struct kn_plan *base, const int32_t *const *index, const int *n,
                     float *const *ret_logits, struct hpo_err *err)
{
    struct fake_plan *p = (struct fake_plan *)base;
    int k = base->net->classes;

    (void)err;
    for (int m = 0; m < base->models; m++) {
        const struct kn_state *s = &p->model[m].state;

        assert_in_range(n[m], 0, base->eval_batch);
        fake_log(fake.eval, &fake.n_eval,
                 &(struct fake_call){.model = m, .fold = p->model[m].hyper.fold, .n = n[m]},
                 index[m]);
        for (int i = 0; i < n[m]; i++)
            for (int c = 0; c < k; c++)
                ret_logits[m][i * k + c] = fake.evals == fake.nan_eval ? NAN :
                    3 * fake_unit((uint64_t)index[m][i] * 7 + (uint64_t)c) * s->weights[c] +
                    fake_unit((uint64_t)c) * s->buffers[0];
    }
    fake.evals++;
    return 0;
}

/* Both ways of telling losses: at once, and when asked. The plan's ops are those it was opened with. */
#define FAKE_OPS \
    .plugin = {"fake", "for tests", 0, NULL}, \
    .count = fake_count, \
    .describe = fake_describe, \
    .open = fake_open, \
    .close = fake_close, \
    .data_open = fake_data_open, \
    .data_close = fake_data_close, \
    .estimate = fake_estimate, \
    .compile = fake_compile, \
    .plan_free = fake_plan_free, \
    .set_hyper = fake_set_hyper, \
    .set_state = fake_set_state, \
    .get_state = fake_get_state, \
    .train = fake_train, \
    .losses = fake_losses, \
    .set_losses = fake_set_losses, \
    .eval = fake_eval,

extern const struct kn_backend_ops fake_backend, fake_async_backend;
const struct kn_backend_ops fake_backend = {FAKE_OPS};
const struct kn_backend_ops fake_async_backend = {FAKE_OPS .async = true};

#endif
