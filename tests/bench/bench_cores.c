/* How best to use the cores for several models: a thread each side by side, or all threads for one
 * after the other. Prints images per second of every way for a few networks, and what
 * tr_cores_for (trainer/session.c) chooses. The best step counts; run it on an idle machine.
 *
 *   bench_cores [threads [models]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "trainer/session.h"
#include "trainer/trainer.h"

#define IMAGES 512
#define SIDE 32
#define BATCH 128
#define SECONDS 3.0 /* of a measurement, and at least MIN_STEPS */
#define MIN_STEPS 3

static void *make_priv(struct arena *a, const struct hpo_plugin *p, const char *key,
                       const char *val)
{
    void *priv = arena_alloc(a, p->priv_size);

    hpo_opt_defaults(p->opts, priv, a);
    if (key)
        hpo_opt_set(hpo_opt_find(p->opts, key), priv, val, a, NULL);
    return priv;
}

/* Images per second of `models` models with `each` threads a model; 0: it did not work. */
static double measure(struct kn_dev *dev, const struct kn_net *net, void *data, int models,
                      int each)
{
    const struct kn_backend_ops *ops = dev->ops;
    struct kn_plan_desc desc = {.net = net, .batch = BATCH, .eval_batch = BATCH, .models = models,
                                .threads = each, .optim = KN_SGD};
    static int32_t index[BATCH];
    struct kn_batch batch[64] = {0};
    struct kn_plan *plan;
    double loss[64], best = 0;
    struct hpo_err err = {0};

    if (ops->compile(dev, &desc, data, &plan, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 0;
    }
    for (int i = 0; i < BATCH; i++)
        index[i] = i;
    for (int m = 0; m < models; m++) {
        struct kn_hyper h = {.mean = {0.5f, 0.5f, 0.5f}, .std = {0.25f, 0.25f, 0.25f},
                             .loss = {.kind = KN_CROSS_ENTROPY, .alpha = 1},
                             .optim = {.kind = KN_SGD, .momentum = 0.9f}, .fold = m};
        struct kn_state s = {.weights = calloc(net->n_weights, sizeof(float)),
                             .buffers = calloc(net->n_buffers + 1, sizeof(float)),
                             .slots = {calloc(net->n_weights, sizeof(float))}};

        ops->set_hyper(plan, m, &h, NULL);
        ops->set_state(plan, m, &s, NULL);
        free(s.weights);
        free(s.buffers);
        free(s.slots[0]);
        batch[m] = (struct kn_batch){.index = index, .n = BATCH, .lr = 1e-3f};
    }
    double start = clock_monotonic();

    for (int step = 0; step <= MIN_STEPS || clock_monotonic() - start < SECONDS; step++) {
        double from = clock_monotonic(), rate;

        ops->train(plan, batch, batch, loss, NULL);
        rate = (double)BATCH * models / (clock_monotonic() - from);
        best = step && rate > best ? rate : best; /* the first step warms up */
    }
    ops->plan_free(plan);
    return best;
}

int main(int argc, char **argv)
{
    static const char *const nets[][3] = {
        {"convnet", "width", "8"}, {"convnet", "width", "16"}, {"convnet", "width", "64"},
        {"resnet", "depth", "20"}, {"mlp", "width", "256"}};
    int threads = argc > 1 ? atoi(argv[1]) : 2, models = argc > 2 ? atoi(argv[2]) : 3;
    const struct kn_backend_ops *cpu =
        hpo_registry_find((const void *const *)kn_backend_registry, "cpu");
    struct kn_images images = {.n = IMAGES, .h = SIDE, .w = SIDE, .classes = 10};
    uint8_t *pixels = calloc(IMAGES, SIDE * SIDE * 3);
    int32_t *labels = calloc(IMAGES, sizeof(*labels));
    struct hpo_rng rng = hpo_rng_for(1, -1, -1, "bench", 0);
    struct hpo_err err = {0};
    struct kn_dev *dev;
    void *data;

    for (int i = 0; i < IMAGES * SIDE * SIDE * 3; i++)
        pixels[i] = (uint8_t)hpo_rng_below(&rng, 256);
    for (int i = 0; i < IMAGES; i++)
        labels[i] = i % 10;
    images.pixels = pixels;
    images.labels = labels;
    if (threads < 1 || models < 1 || models > 64 || cpu->open(0, threads, &dev, &err) ||
        cpu->data_open(dev, &images, &data, &err)) {
        fprintf(stderr, "bench_cores [threads [models]]: %s\n", err.msg);
        return 1;
    }
    for (size_t i = 0; i < HPO_LEN(nets); i++) {
        const struct model_ops *ops =
            hpo_registry_find((const void *const *)model_registry, nets[i][0]);
        struct tr_config c = {.seeds = 1};
        struct arena a = {0};
        struct kn_net net;

        c.model.part = (struct hpo_part){ops, make_priv(&a, &ops->plugin, nets[i][1], nets[i][2])};
        if (tr_build_net(&c, &images, &net, &err))
            return 1;
        printf("%s %s=%s, %d models on %d threads:", nets[i][0], nets[i][1], nets[i][2], models,
               threads);
        for (int each = 1; each <= threads; each *= 2)
            printf("  %d each %.0f img/s", each, measure(dev, &net, data, models, each));
        printf("  (chosen: %d)\n", tr_cores_for(models, threads));
        fflush(stdout);
        kn_net_release(&net);
        arena_release(&a);
    }
    cpu->data_close(dev, data);
    cpu->close(dev);
    free(pixels);
    free(labels);
    return 0;
}
