/* Augmented images and what was drawn for them, for a comparison with torchvision in another
 * program (parity_augment.py):
 *
 *   parity_augment "KEY=VALUE ..." HEIGHT WIDTH IMAGES EPOCH IN OUT
 *
 * IN: images (uint8, n h w 3); OUT: (n 3 h w) in fp32, as the network sees them with the mean and
 * deviation of ImageNet. A line for each image: the fields of its struct kn_placement. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "trainer/mixing.h"

static int die(const char *what, const char *why)
{
    fprintf(stderr, "parity_augment: %s: %s\n", what, why);
    return 1;
}

static int read_options(char *text, struct kn_augment *ret, struct hpo_err *err)
{
    const struct hpo_section *s = tr_sections;
    struct tr_augment_opts o;
    struct arena a = {0};
    char *save = NULL;
    int rc = 0;

    while (strcmp(s->path, "augment"))
        s++;
    hpo_opt_defaults(s->opts, &o, &a);
    for (char *w = strtok_r(text, " ", &save); w && !rc; w = strtok_r(NULL, " ", &save)) {
        char *eq = strchr(w, '=');
        const struct hpo_opt *opt;

        if (eq)
            *eq = 0;
        opt = eq ? hpo_opt_find(s->opts, w) : NULL;
        rc = opt ? hpo_opt_set(opt, &o, eq + 1, &a, err)
                 : hpo_fail(err, HPO_ECONFIG, "option %s", w);
    }
    if (!rc)
        rc = tr_augment_lower(&o, ret, err);
    arena_release(&a);
    return rc;
}

static void print(const struct kn_placement *p)
{
    const struct kn_colour *c = &p->colour;

    printf("%d %d %d %d %d %d %d %d %d %.9g %.9g %d %.9g %.9g %.9g %.9g", p->flip, p->dx, p->dy,
           p->vertical_flip, p->fill, p->resampled, p->width, p->height, p->turned,
           (double)p->cosine, (double)p->sine, c->on, (double)c->brightness, (double)c->contrast,
           (double)c->saturation, (double)c->hue);
    printf(" %d %d %d %d %d %d %d %d\n", p->erased.x0, p->erased.x1, p->erased.y0, p->erased.y1,
           p->cut.x0, p->cut.x1, p->cut.y0, p->cut.y1);
}

static int show(const struct kn_images *images, const struct kn_hyper *h, const struct kn_batch *b,
                float *ret, struct hpo_err *err)
{
    const struct kn_backend_ops *cpu =
        hpo_registry_find((const void *const *)kn_backend_registry, "cpu");
    struct kn_plan_desc desc = {.batch = b->n, .eval_batch = 1, .models = 1, .threads = 1};
    struct kn_plan *plan = NULL;
    struct kn_net net = {0};
    struct kn_dev *dev = NULL;
    void *data = NULL;
    int rc;

    kn_net_init(&net, 3, images->h, images->w, images->classes);
    kn_linear(&net, "fc", kn_flatten(&net, "flatten", 0), images->classes, true);
    desc.net = &net;
    rc = kn_net_finish(&net, err);
    if (!rc)
        rc = cpu->open(0, 1, &dev, err);
    if (!rc)
        rc = cpu->data_open(dev, images, &data, err);
    if (!rc)
        rc = cpu->compile(dev, &desc, data, &plan, err);
    if (!rc)
        rc = cpu->set_hyper(plan, 0, h, err);
    if (!rc)
        rc = cpu->show(plan, 0, b, ret, err);
    if (plan)
        cpu->plan_free(plan);
    if (dev)
        cpu->close(dev);
    kn_net_release(&net);
    return rc;
}

int main(int argc, char **argv)
{
    struct kn_hyper h = {
        .mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}, .seed = 7};
    struct kn_images images = {.classes = 2};
    struct hpo_err err = {0};
    struct kn_batch b = {0};
    size_t bytes;
    uint8_t *pixels;
    int32_t *index;
    float *out;
    FILE *f;
    bool ok;

    if (argc != 8)
        return die("usage", "parity_augment OPTIONS HEIGHT WIDTH IMAGES EPOCH IN OUT");
    if (read_options(argv[1], &h.augment, &err))
        return die(argv[1], err.msg);
    images.h = atoi(argv[2]);
    images.w = atoi(argv[3]);
    images.n = b.n = atoi(argv[4]);
    b.epoch = (uint32_t)atoi(argv[5]);
    bytes = (size_t)images.n * (size_t)images.h * (size_t)images.w * 3;
    pixels = calloc(bytes, 1);
    index = calloc((size_t)b.n, 2 * sizeof(*index));
    out = calloc(bytes, sizeof(*out));
    f = fopen(argv[6], "rb");
    if (!pixels || !index || !out || !f || fread(pixels, 1, bytes, f) != bytes)
        return die(argv[6], "cannot be read");
    fclose(f);
    for (int i = 0; i < b.n; i++)
        index[i] = i;
    images.pixels = pixels;
    images.labels = index + b.n;
    b.index = index;
    if (show(&images, &h, &b, out, &err))
        return die("show", err.msg);
    for (int i = 0; i < b.n; i++) {
        struct kn_placement p =
            kn_place(&h.augment, h.seed, h.fold, b.epoch, (uint32_t)i, images.h, images.w);

        print(&p);
    }
    f = fopen(argv[7], "wb");
    ok = f && fwrite(out, sizeof(*out), bytes, f) == bytes;
    ok = f && !fclose(f) && ok;
    free(pixels);
    free(index);
    free(out);
    return ok ? 0 : die(argv[7], "cannot be written");
}
