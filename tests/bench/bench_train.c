/* Images a second of the cpu backend on a convnet, on made-up images in memory:
 *
 *   bench_train [width [threads [models [device threads [seconds [eval]]]]]]
 *
 * threads: of each model; models run side by side on the device's threads. Prints
 * "images/s images/cpu-second peak-MiB"; the second is what is left to compare by on a busy machine. With `eval`, evaluation instead of training. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/arena.h"
#include "kernels/backend.h"
#include "tests/kernels/nets.h"

#define BATCH 128
#define IMAGES 4096
#define SIZE 32
#define MAX_MODELS 16

static double now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int argument(int argc, char **argv, int i, int def)
{
    return argc > i ? atoi(argv[i]) : def;
}

struct bench {
    struct kn_net net;
    struct kn_images images;
    uint8_t *pixels;
    int32_t *labels, *order;
    const struct kn_backend_ops *ops;
    struct kn_dev *dev;
    void *data;
    struct kn_plan *plan;
    int models;
};

static void make_images(struct bench *b)
{
    uint32_t v = 1;

    b->pixels = xmalloc((size_t)IMAGES * SIZE * SIZE * 3);
    b->labels = xcalloc(IMAGES, sizeof(int32_t));
    b->order = xcalloc(IMAGES, sizeof(int32_t));
    for (size_t i = 0; i < (size_t)IMAGES * SIZE * SIZE * 3; i++) {
        v = v * 1664525u + 1013904223u;
        b->pixels[i] = (uint8_t)(v >> 24);
    }
    for (int i = 0; i < IMAGES; i++) {
        b->labels[i] = i % 10;
        b->order[i] = (int32_t)((uint32_t)i * 1031u % IMAGES);
    }
    b->images = (struct kn_images){b->pixels, b->labels, IMAGES, SIZE, SIZE, 10};
}

static int start_model(struct bench *b, int m, struct hpo_err *err)
{
    struct kn_hyper h = {.mean = {0.49f, 0.48f, 0.45f}, .std = {0.25f, 0.24f, 0.26f},
                         .augment = {1, 4}, .fold = m,
                         .optim = {.kind = KN_SGD, .momentum = 0.9f, .nesterov = 1,
                                   .weight_decay = 5e-4f}};
    struct kn_state s = {.weights = xcalloc(b->net.n_weights, 4),
                         .buffers = xcalloc(b->net.n_buffers, 4),
                         .slots = {xcalloc(b->net.n_weights, 4), NULL}};
    uint32_t v = 7;
    int rc;

    for (size_t i = 0; i < b->net.n_weights; i++) {
        v = v * 1664525u + 1013904223u;
        s.weights[i] = ((float)(v >> 8) / 16777216.0f - 0.5f) * 0.2f;
    }
    for (int i = 0; i < b->net.n_ops; i++)
        if (b->net.op[i].kind == KN_BATCH_NORM) {
            const struct kn_param *w = &b->net.param[b->net.op[i].weight];

            for (size_t k = 0; k < w->count; k++)
                s.weights[w->offset + k] = 1;
        }
    rc = b->ops->set_hyper(b->plan, m, &h, err);
    rc = rc ? rc : b->ops->set_state(b->plan, m, &s, err);
    free(s.weights);
    free(s.buffers);
    free(s.slots[0]);
    return rc;
}

static void batch_at(const struct bench *b, uint32_t step, struct kn_batch *ret)
{
    uint32_t per_epoch = IMAGES / BATCH;

    for (int m = 0; m < b->models; m++)
        ret[m] = (struct kn_batch){b->order + (size_t)(step % per_epoch) * BATCH, BATCH,
                                   step / per_epoch, step, 0.01f};
}

static int measure(struct bench *b, double seconds, bool eval, double ret_rate[2],
                   struct hpo_err *err)
{
    struct kn_batch batch[MAX_MODELS], next[MAX_MODELS];
    double loss[MAX_MODELS], start = 0, cpu = 0;
    const int32_t *index[MAX_MODELS];
    float *logits[MAX_MODELS];
    int n[MAX_MODELS], rc = 0, steps = 0;

    for (int m = 0; m < b->models; m++) {
        index[m] = b->order;
        n[m] = BATCH;
        logits[m] = xcalloc(BATCH * 10, sizeof(float));
    }
    for (uint32_t step = 0; !rc; step++) {
        if (step == 3) { /* warm */
            start = now(CLOCK_MONOTONIC);
            cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        } else if (step > 3 && now(CLOCK_MONOTONIC) - start > seconds)
            break;
        batch_at(b, step, batch);
        batch_at(b, step + 1, next);
        rc = eval ? b->ops->eval(b->plan, index, n, logits, err)
                  : b->ops->train(b->plan, batch, next, loss, err);
        steps = (int)step - 2;
    }
    ret_rate[0] = (double)steps * BATCH * b->models / (now(CLOCK_MONOTONIC) - start);
    ret_rate[1] = (double)steps * BATCH * b->models / (now(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    for (int m = 0; m < b->models; m++)
        free(logits[m]);
    return rc;
}

int main(int argc, char **argv)
{
    struct bench b = {.ops = kn_backend_registry[0]};
    int width = argument(argc, argv, 1, 16), threads = argument(argc, argv, 2, 2), rc;
    struct kn_plan_desc desc = {.net = &b.net, .batch = BATCH, .eval_batch = BATCH,
                                .threads = threads, .optim = KN_SGD};
    bool eval = argc > 6 && !strcmp(argv[6], "eval");
    struct hpo_err err = {0};
    struct rusage use;
    double rate[2] = {0};

    b.models = desc.models = argument(argc, argv, 3, 1);
    if (b.models < 1 || b.models > MAX_MODELS)
        return 2;
    net_convnet(&b.net, SIZE, width, 3, 0.1f, 10);
    make_images(&b);
    rc = kn_net_finish(&b.net, &err);
    rc = rc ? rc : b.ops->open(0, argument(argc, argv, 4, 2), &b.dev, &err);
    rc = rc ? rc : b.ops->data_open(b.dev, &b.images, &b.data, &err);
    rc = rc ? rc : b.ops->compile(b.dev, &desc, b.data, &b.plan, &err);
    for (int m = 0; m < b.models && !rc; m++)
        rc = start_model(&b, m, &err);
    rc = rc ? rc : measure(&b, argument(argc, argv, 5, 5), eval, rate, &err);
    if (rc)
        fprintf(stderr, "bench_train: %s\n", err.msg);
    else if (!getrusage(RUSAGE_SELF, &use))
        printf("%.1f %.1f %.0f\n", rate[0], rate[1], (double)use.ru_maxrss / 1024);
    b.ops->plan_free(b.plan);
    if (b.dev)
        b.ops->close(b.dev);
    free(b.pixels);
    free(b.labels);
    free(b.order);
    kn_net_release(&b.net);
    return rc ? 1 : 0;
}
