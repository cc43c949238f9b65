/* Train a network on given numbers and write down what comes out, for a comparison in another
 * program (parity_torch.py):
 *
 *   parity_net NET WIDTH SIZE CLASSES BATCH STEPS sgd|adamw exact|auto IN OUT
 *
 * IN: weights, buffers (fp32, canonical), STEPS x BATCH images (uint8), their labels (int32).
 * OUT, all fp32: STEPS losses, the gradients of the first step, weights, buffers, and the logits of
 * the first BATCH images at the end. */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "kernels/backend.h"
#include "tests/kernels/nets.h"

static int die(const char *what, const struct hpo_err *err)
{
    fprintf(stderr, "parity_net: %s: %s\n", what, err ? err->msg : "failed");
    return 1;
}

struct job {
    struct kn_net net;
    int batch, steps;
    struct kn_plan_desc desc;
    struct kn_images images;
    uint8_t *pixels;
    int32_t *labels, *index;
    struct kn_state state;
    float *loss, *gradient, *logits;
};

static bool read_all(struct job *j, const char *path)
{
    FILE *f = fopen(path, "rb");
    size_t n = (size_t)j->images.n, image = (size_t)j->images.h * (size_t)j->images.w * 3;
    bool ok = f && fread(j->state.weights, 4, j->net.n_weights, f) == j->net.n_weights &&
              fread(j->state.buffers, 4, j->net.n_buffers, f) == j->net.n_buffers &&
              fread(j->pixels, image, n, f) == n && fread(j->labels, 4, n, f) == n &&
              fgetc(f) == EOF;

    if (f)
        fclose(f);
    return ok;
}

static bool write_all(const struct job *j, const char *path)
{
    FILE *f = fopen(path, "wb");
    size_t logits = (size_t)j->batch * (size_t)j->net.classes;
    bool ok = f && fwrite(j->loss, 4, (size_t)j->steps, f) == (size_t)j->steps &&
              fwrite(j->gradient, 4, j->net.n_weights, f) == j->net.n_weights &&
              fwrite(j->state.weights, 4, j->net.n_weights, f) == j->net.n_weights &&
              fwrite(j->state.buffers, 4, j->net.n_buffers, f) == j->net.n_buffers &&
              fwrite(j->logits, 4, logits, f) == logits;

    if (f)
        ok = !fclose(f) && ok;
    return ok;
}

static int train(struct job *j, struct hpo_err *err)
{
    const struct kn_backend_ops *ops = kn_backend_registry[0];
    struct kn_hyper h = {.mean = {0.49f, 0.48f, 0.45f}, .std = {0.25f, 0.24f, 0.26f},
                         .loss = {.kind = KN_CROSS_ENTROPY, .smoothing = 0.1f}};
    struct kn_dev *dev = NULL;
    struct kn_plan *plan = NULL;
    void *data = NULL;
    const int32_t *rows = j->index;
    float *logits = j->logits;
    int n = j->batch, rc;

    h.optim = j->desc.optim == KN_SGD
                  ? (struct kn_optim){.kind = KN_SGD, .weight_decay = 5e-4f, .momentum = 0.9f,
                                      .nesterov = 1}
                  : (struct kn_optim){.kind = KN_ADAMW, .weight_decay = 0.01f, .beta1 = 0.9f,
                                      .beta2 = 0.999f, .eps = 1e-5f};
    rc = ops->open(0, 0, &dev, err);
    rc = rc ? rc : ops->data_open(dev, &j->images, &data, err);
    rc = rc ? rc : ops->compile(dev, &j->desc, data, &plan, err);
    rc = rc ? rc : ops->set_hyper(plan, 0, &h, err);
    rc = rc ? rc : ops->set_state(plan, 0, &j->state, err);
    for (int s = 0; s < j->steps && !rc; s++) {
        struct kn_batch b = {j->index + s * n, n, 0, (uint32_t)s,
                             j->desc.optim == KN_SGD ? 0.02f : 1e-3f};
        double loss;

        rc = ops->train(plan, &b, NULL, &loss, err);
        j->loss[s] = (float)loss;
        if (!rc && !s)
            rc = ops->get_gradients(plan, 0, j->gradient, err);
    }
    rc = rc ? rc : ops->get_state(plan, 0, &j->state, err);
    rc = rc ? rc : ops->eval(plan, &rows, &n, &logits, err);
    ops->plan_free(plan);
    if (dev)
        ops->close(dev);
    return rc;
}

int main(int argc, char **argv)
{
    struct job j = {0};
    struct hpo_err err = {0};
    int width, size, classes, rc;

    if (argc != 11)
        return die("arguments", NULL);
    width = atoi(argv[2]);
    size = atoi(argv[3]);
    classes = atoi(argv[4]);
    j.batch = atoi(argv[5]);
    j.steps = atoi(argv[6]);
    if (!net_by_name(&j.net, argv[1], size, width, classes) || kn_net_finish(&j.net, &err))
        return die("network", &err);
    j.desc = (struct kn_plan_desc){.net = &j.net, .batch = j.batch, .eval_batch = j.batch,
                                   .models = 1, .threads = 2,
                                   .optim = strcmp(argv[7], "sgd") ? KN_ADAMW : KN_SGD,
                                   .exact = !strcmp(argv[8], "exact")};
    j.images = (struct kn_images){.n = (int64_t)j.batch * j.steps, .h = size, .w = size,
                                  .classes = classes};
    j.pixels = xcalloc((size_t)j.images.n, (size_t)size * (size_t)size * 3);
    j.labels = xcalloc((size_t)j.images.n, sizeof(int32_t));
    j.index = xcalloc((size_t)j.images.n, sizeof(int32_t));
    j.images.pixels = j.pixels;
    j.images.labels = j.labels;
    for (int i = 0; i < (int)j.images.n; i++)
        j.index[i] = i;
    j.state.weights = xcalloc(j.net.n_weights, 4);
    j.state.buffers = xcalloc(j.net.n_buffers + 1, 4);
    for (int i = 0; i < KN_MAX_SLOTS; i++)
        j.state.slots[i] = xcalloc(j.net.n_weights, 4);
    j.gradient = xcalloc(j.net.n_weights, 4);
    j.loss = xcalloc((size_t)j.steps, 4);
    j.logits = xcalloc((size_t)j.batch * (size_t)classes, 4);
    if (!read_all(&j, argv[9]))
        return die(argv[9], NULL);
    rc = train(&j, &err);
    if (rc)
        return die("training", &err);
    if (!write_all(&j, argv[10]))
        return die(argv[10], NULL);
    for (int i = 0; i < KN_MAX_SLOTS; i++)
        free(j.state.slots[i]);
    free(j.state.weights);
    free(j.state.buffers);
    free(j.pixels);
    free(j.labels);
    free(j.index);
    free(j.gradient);
    free(j.loss);
    free(j.logits);
    kn_net_release(&j.net);
    return 0;
}
