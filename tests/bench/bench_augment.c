/* Images a second that one thread gathers and augments, method by method:
 *
 *   bench_augment [side [seconds]]
 *
 * A line each: the method, images a second, how many times the time of flip and padded crop. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "kernels/cpu/plan.h"

#define BATCH 64
#define IMAGES 512

static const struct {
    const char *name;
    struct kn_augment augment;
    struct kn_mix mix;
} methods[] = {
    {"flip, padded crop", {.flip = 1, .crop_padding = 4}, {0}},
    {"none", {0}, {0}},
    {"reflected crop", {.flip = 1, .crop_padding = 4, .fill = KN_FILL_REFLECT}, {0}},
    {"resized crop", {.flip = 1, .resized_crop = 1, .crop = {0.08f, 1, -0.2877f, 0.2877f}}, {0}},
    {"rotation", {.flip = 1, .rotation = 15}, {0}},
    {"brightness", {.flip = 1, .brightness = 0.4f}, {0}},
    {"colour", {.flip = 1, .brightness = 0.4f, .contrast = 0.4f, .saturation = 0.4f}, {0}},
    {"colour and hue",
     {.flip = 1, .brightness = 0.4f, .contrast = 0.4f, .saturation = 0.4f, .hue = 0.1f},
     {0}},
    {"erasing",
     {.flip = 1, .crop_padding = 4, .erasing = 0.5f, .erase = {0.02f, 0.33f, -1.2f, 1.2f}},
     {0}},
    {"cutout", {.flip = 1, .crop_padding = 4, .cutout = 8}, {0}},
    {"mixup", {.flip = 1, .crop_padding = 4}, {.kind = KN_MIXUP, .lambda = 0.3f}},
    {"cutmix",
     {.flip = 1, .crop_padding = 4},
     {.kind = KN_CUTMIX, .lambda = 0.75f, .y0 = 2, .y1 = 6, .x0 = 2, .x1 = 6}},
    {"all",
     {.flip = 1,
      .resized_crop = 1,
      .crop = {0.08f, 1, -0.2877f, 0.2877f},
      .rotation = 15,
      .brightness = 0.4f,
      .contrast = 0.4f,
      .saturation = 0.4f,
      .hue = 0.1f,
      .cutout = 8},
     {.kind = KN_MIXUP, .lambda = 0.3f}},
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double measure(struct cpu_plan *p, const int32_t *order, size_t which, double seconds)
{
    struct kn_hyper h = {.mean = {0.49f, 0.48f, 0.45f},
                         .std = {0.25f, 0.24f, 0.26f},
                         .augment = methods[which].augment};
    struct cpu_pick pick = {.index = order, .n = BATCH, .augment = true, .mix = methods[which].mix};
    double start, spent = 0;

    if (p->base.ops->set_hyper(&p->base, 0, &h, NULL))
        return NAN;
    cpu_gather(p, &p->model[0], &pick, p->model[0].batch[0].x);
    start = now();
    for (pick.epoch = 1; spent < seconds; pick.epoch++) {
        pick.index = order + pick.epoch % (IMAGES / BATCH) * BATCH;
        cpu_gather(p, &p->model[0], &pick, p->model[0].batch[0].x);
        spent = now() - start;
    }
    return (double)(pick.epoch - 1) * BATCH / spent;
}

int main(int argc, char **argv)
{
    int side = argc > 1 ? atoi(argv[1]) : 32;
    double seconds = argc > 2 ? atof(argv[2]) : 1, first = 0;
    struct kn_images images = {.n = IMAGES, .h = side, .w = side, .classes = 2};
    size_t bytes = (size_t)IMAGES * (size_t)side * (size_t)side * 3;
    uint8_t *pixels = xmalloc(bytes);
    int32_t *rows = xcalloc(IMAGES, 2 * sizeof(*rows));
    struct kn_net net;
    struct kn_plan_desc desc = {
        .net = &net, .batch = BATCH, .eval_batch = 1, .models = 1, .threads = 1};
    const struct kn_backend_ops *cpu = &kn_backend_cpu;
    struct hpo_err err = {0};
    struct kn_plan *plan = NULL;
    struct kn_dev *dev = NULL;
    uint32_t v = 1;
    int rc;

    for (size_t i = 0; i < bytes; i++)
        pixels[i] = (uint8_t)((v = v * 1664525u + 1013904223u) >> 24);
    for (int i = 0; i < IMAGES; i++)
        rows[i] = i;
    images.pixels = pixels;
    images.labels = rows + IMAGES;
    kn_net_init(&net, 3, side, side, 2);
    kn_linear(&net, "fc", kn_flatten(&net, "flatten", kn_conv2d(&net, "conv", 0, 8, 3, 1, 1, false, KN_INIT_DEFAULT)), 2,
              true);
    rc = kn_net_finish(&net, &err);
    rc = rc ? rc : cpu->open(0, 1, &dev, &err);
    rc = rc ? rc : cpu->compile(dev, &desc, &images, &plan, &err);
    if (rc)
        fprintf(stderr, "bench_augment: %s\n", err.msg);
    for (size_t i = 0; i < HPO_LEN(methods) && !rc; i++) {
        double rate = measure((struct cpu_plan *)plan, rows, i, seconds);

        first = i ? first : rate;
        printf("%-18s %9.0f  %5.2f\n", methods[i].name, rate, first / rate);
    }
    if (plan)
        cpu->plan_free(plan);
    if (dev)
        cpu->close(dev);
    kn_net_release(&net);
    free(pixels);
    free(rows);
    return rc ? 1 : 0;
}
