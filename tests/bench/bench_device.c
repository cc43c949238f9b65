/* Images a second of training on any device, on made-up images:
 *
 *   bench_device DEVICE NETWORK WIDTH BATCH PRECISION [MODELS [SECONDS]]
 *   bench_device cuda:0 resnet20 16 256 bf16
 *   bench_device shapes NETWORK WIDTH
 *
 * NETWORK: see tests/kernels/nets.h. MODELS: networks trained in lock-step. Prints "images/s (all
 * models together), MiB of the plan". Losses are asked for once at the end, as the trainer does
 * once an epoch. Status 77, with a line: there is no such device. shapes: prints the weights, a
 * line each, name and dimensions, for peers to show that they train the same network. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/str.h"
#include "kernels/backend.h"
#include "tests/kernels/nets.h"

#define IMAGES 8192
#define SIZE 32
#define CLASSES 10
#define MAX_MODELS 64
#define WARM_STEPS 10

struct bench {
    struct kn_net net;
    struct kn_images images;
    uint8_t *pixels;
    int32_t *labels, *order;
    const struct kn_backend_ops *ops;
    struct kn_dev *dev;
    void *data;
    struct kn_plan *plan;
    struct kn_plan_desc desc;
};

static void make_images(struct bench *b)
{
    size_t bytes = (size_t)IMAGES * SIZE * SIZE * 3;
    uint32_t v = 1;

    b->pixels = xmalloc(bytes);
    b->labels = xcalloc(IMAGES, sizeof(int32_t));
    b->order = xcalloc(2 * IMAGES, sizeof(int32_t)); /* twice: a batch may begin anywhere */
    for (size_t i = 0; i < bytes; i++) {
        v = v * 1664525u + 1013904223u;
        b->pixels[i] = (uint8_t)(v >> 24);
    }
    for (int i = 0; i < 2 * IMAGES; i++)
        b->order[i] = (int32_t)((uint32_t)i * 1031u % IMAGES);
    for (int i = 0; i < IMAGES; i++)
        b->labels[i] = i % CLASSES;
    b->images = (struct kn_images){b->pixels, b->labels, IMAGES, SIZE, SIZE, CLASSES};
}

static int start_model(struct bench *b, int m, struct hpo_err *err)
{
    struct kn_hyper h = {
        .mean = {0.49f, 0.48f, 0.45f},
        .std = {0.25f, 0.24f, 0.26f},
        .augment = {1, 4},
        .fold = m,
        .optim = {.kind = KN_SGD, .momentum = 0.9f, .nesterov = 1, .weight_decay = 5e-4f}};
    struct kn_state s = {.weights = xcalloc(b->net.n_weights, 4),
                         .buffers = xcalloc(b->net.n_buffers + 1, 4),
                         .slots = {xcalloc(b->net.n_weights, 4), NULL}};
    uint32_t v = 7 + (uint32_t)m;
    int rc;

    for (size_t i = 0; i < b->net.n_weights; i++) {
        v = v * 1664525u + 1013904223u;
        s.weights[i] = ((float)(v >> 8) / 16777216.0f - 0.5f) * 0.1f;
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
    uint32_t begin = step * (uint32_t)b->desc.batch % IMAGES;

    for (int m = 0; m < b->desc.models; m++)
        ret[m] = (struct kn_batch){b->order + begin, b->desc.batch, step, step, 0.001f};
}

/* The device works behind us: what counts ends when the losses have come. The first steps load and
 * record what the others repeat. */
static int measure(struct bench *b, double seconds, double *ret_rate, struct hpo_err *err)
{
    struct kn_batch batch[MAX_MODELS], next[MAX_MODELS];
    double sum[MAX_MODELS], begin = 0;
    uint32_t step = 0;
    int rc = 0;

    for (; !rc; step++) {
        if (step == WARM_STEPS) {
            rc = b->ops->losses(b->plan, sum, err);
            begin = clock_monotonic();
        }
        /* A step that is queued is not yet done; looking at the clock alone would queue for ever.
         */
        if (step > WARM_STEPS && step % 64 == 0 && !rc)
            rc = b->ops->losses(b->plan, sum, err);
        if (rc || (step > WARM_STEPS + 3 && clock_monotonic() - begin > seconds))
            break;
        batch_at(b, step, batch);
        batch_at(b, step + 1, next);
        rc = b->ops->train(b->plan, batch, next, NULL, err);
    }
    if (!rc)
        rc = b->ops->losses(b->plan, sum, err);
    *ret_rate =
        (double)(step - WARM_STEPS) * b->desc.batch * b->desc.models / (clock_monotonic() - begin);
    return rc;
}

static int print_shapes(const char *network, const char *width)
{
    struct hpo_err err = {0};
    struct kn_net net = {0};
    int64_t channels;
    int rc;

    if (!str_to_int(width, &channels) || channels < 1 || channels > 4096 ||
        !net_by_name(&net, network, SIZE, (int)channels, CLASSES))
        return 2;
    rc = kn_net_finish(&net, &err);
    if (rc)
        fprintf(stderr, "bench_device: %s\n", err.msg);
    for (int i = 0; i < net.n_params && !rc; i++) {
        const struct kn_param *p = &net.param[i];

        if (!p->trained)
            continue;
        printf("%s", p->name);
        for (int d = 0; d < p->n_dims; d++)
            printf(" %d", p->dims[d]);
        putchar('\n');
    }
    kn_net_release(&net);
    return rc ? 1 : 0;
}

static bool parse(struct bench *b, int argc, char **argv, int *ret_device, double *ret_seconds)
{
    static const char *const words[] = {"auto", "fp32", "tf32", "bf16", "fp16"};
    int64_t width, batch, models = 1, device = 0, seconds = 3;
    char *colon = argc > 1 ? strchr(argv[1], ':') : NULL;
    int precision = 0;

    if (argc < 6 || !str_to_int(argv[3], &width) || !str_to_int(argv[4], &batch))
        return false;
    if (colon) {
        *colon = '\0';
        if (!str_to_int(colon + 1, &device))
            return false;
    }
    if ((argc > 6 && !str_to_int(argv[6], &models)) || (argc > 7 && !str_to_int(argv[7], &seconds)))
        return false;
    while (precision < (int)HPO_LEN(words) && strcmp(words[precision], argv[5]))
        precision++;
    b->ops = hpo_registry_find((const void *const *)kn_backend_registry, argv[1]);
    *ret_device = (int)device;
    *ret_seconds = (double)seconds;
    b->desc = (struct kn_plan_desc){.net = &b->net,
                                    .batch = (int)batch,
                                    .eval_batch = 64,
                                    .models = (int)models,
                                    .threads = 1,
                                    .optim = KN_SGD,
                                    .precision = (enum kn_precision)precision};
    return width > 0 && width <= 4096 && batch > 0 && batch <= IMAGES && models > 0 &&
           models <= MAX_MODELS && precision < (int)HPO_LEN(words) &&
           net_by_name(&b->net, argv[2], SIZE, (int)width, CLASSES);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct hpo_err err = {0};
    const char *why = "this build has no such device";
    double rate = 0, bytes = 0, seconds;
    int device, rc;

    if (argc == 4 && !strcmp(argv[1], "shapes"))
        return print_shapes(argv[2], argv[3]);
    if (!parse(&b, argc, argv, &device, &seconds)) {
        fprintf(stderr,
                "usage: bench_device DEVICE NETWORK WIDTH BATCH PRECISION [MODELS [SECONDS]]\n"
                "       bench_device shapes NETWORK WIDTH\n");
        return 2;
    }
    if (!b.ops || device >= b.ops->count(&why)) {
        printf("skipped: %s\n", why);
        return 77;
    }
    make_images(&b);
    rc = kn_net_finish(&b.net, &err);
    rc = rc ? rc : b.ops->open(device, 0, &b.dev, &err);
    rc = rc ? rc : b.ops->data_open(b.dev, &b.images, &b.data, &err);
    if (!rc)
        bytes = b.ops->estimate(b.dev, &b.desc);
    rc = rc ? rc : b.ops->compile(b.dev, &b.desc, b.data, &b.plan, &err);
    for (int m = 0; m < b.desc.models && !rc; m++)
        rc = start_model(&b, m, &err);
    rc = rc ? rc : measure(&b, seconds, &rate, &err);
    if (rc)
        fprintf(stderr, "bench_device: %s\n", err.msg);
    else
        printf("%.0f %.0f\n", rate, bytes / 1048576);
    b.ops->plan_free(b.plan);
    if (b.data)
        b.ops->data_close(b.dev, b.data);
    if (b.dev)
        b.ops->close(b.dev);
    free(b.pixels);
    free(b.labels);
    free(b.order);
    kn_net_release(&b.net);
    return rc ? 1 : 0;
}
