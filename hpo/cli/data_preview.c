#include "hpo/cli/data_preview.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "hpo/cli/paths.h"
#include "hpo/cli/study_data.h"
#include "trainer/data/folds.h"
#include "trainer/preview.h"

/* Images are blown up to this side at least, and stand so many pixels apart. */
#define SIDE 96
#define GAP 4
#define PAPER 240

/* Everything a preview is made from. */
struct source {
    struct study_config config;
    struct trial_config middle;
    struct tr_dataset data;
    struct tr_folds folds;
    struct tr_preview view;
};

struct sheet {
    int cell, wide, high; /* pixels */
    int scale;
    uint8_t *rgb;
};

static int open_source(struct source *s, const struct preview_args *a, const char *study,
                       struct arena *arena, struct hpo_err *err)
{
    struct study_config *c = &s->config;
    const char *file;
    double *values;
    int rc = study_file_find(study, a->runs ? a->runs : DEFAULT_RUNS, arena, &file, err);

    if (rc == HPO_EMISSING)
        rc = err->rc = HPO_ECONFIG;
    if (!rc)
        rc = study_read(c, file, a->sets.item, a->sets.n, err);
    if (rc)
        return rc;
    if (!c->data.path)
        return hpo_fail(err, HPO_ECONFIG,
                        "%s: this study trains no network: there is nothing to see", file);
    values = ARENA_ARRAY(arena, double, c->space.n + 1);
    study_middle(&c->space, values);
    rc = study_config_trial(c, values, arena, &s->middle, err);
    if (rc)
        return rc;
    c->data.image_size = s->middle.image_size;
    rc = study_data_open(c, &s->data, NULL, NULL, err);
    if (!rc)
        rc = study_config_make_folds(c, &s->data, &s->folds, err);
    if (!rc)
        rc = study_config_settle_folds(c, &s->data, err);
    return rc;
}

static int look(struct source *s, const struct preview_args *a, struct hpo_err *err)
{
    const struct study_config *c = &s->config;
    const struct kn_backend_ops *cpu =
        hpo_registry_find((const void *const *)kn_backend_registry, "cpu");
    struct tr_session *session = NULL;
    struct tr_job job = {
        .config = &s->middle.trainer,
        .data = &s->data,
        .folds = &s->folds,
        .run = study_config_folds_run(c),
        .seed = (uint64_t)c->study.seed,
    };
    int rc = tr_session_open(cpu, 0, 0, &session, err);

    if (!rc)
        rc = tr_preview(session, &job, a->fold, a->images, a->epochs, &s->view, err);
    tr_session_close(session);
    return rc;
}

static void put_pixel(struct sheet *s, int column, int row, int x, int y, const uint8_t rgb[3])
{
    int x0 = GAP + column * (s->cell + GAP) + x * s->scale,
        y0 = GAP + row * (s->cell + GAP) + y * s->scale;

    for (int j = y0; j < y0 + s->scale; j++)
        for (int i = x0; i < x0 + s->scale; i++)
            memcpy(s->rgb + 3 * ((size_t)j * (size_t)s->wide + (size_t)i), rgb, 3);
}

static uint8_t to_byte(float v)
{
    return v <= 0 ? 0 : v >= 1 ? 255 : (uint8_t)(v * 255.0f + 0.5f);
}

/* A column an image: as it is, then as it is in each epoch. */
static void draw(const struct source *s, struct sheet *ret)
{
    const struct tr_preview *p = &s->view;
    size_t plane = (size_t)p->h * (size_t)p->w;
    uint8_t rgb[3];

    memset(ret->rgb, PAPER, 3 * (size_t)ret->wide * (size_t)ret->high);
    for (int i = 0; i < p->n; i++)
        for (size_t k = 0; k < plane; k++) {
            int x = (int)(k % (size_t)p->w), y = (int)(k / (size_t)p->w);

            put_pixel(ret, i, 0, x, y,
                      s->data.images.pixels + 3 * ((size_t)p->image[i] * plane + k));
            for (int e = 0; e < p->epochs; e++) {
                size_t slot = (size_t)e * (size_t)p->n + (size_t)i;

                if (p->view[slot].step < 0)
                    continue;
                for (size_t c = 0; c < 3; c++)
                    rgb[c] = to_byte(p->pixels[(slot * 3 + c) * plane + k]);
                put_pixel(ret, i, e + 1, x, y, rgb);
            }
        }
}

static int write_png(const struct sheet *s, const char *path, struct hpo_err *err)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)s->wide,
                       .height = (png_uint_32)s->high,
                       .format = PNG_FORMAT_RGB};
    png_alloc_size_t n = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *bytes = xmalloc(n);
    int rc;

    if (png_image_write_to_memory(&image, bytes, &n, 0, s->rgb, 0, NULL))
        rc = file_replace(path, bytes, n, err);
    else
        rc = hpo_fail(err, HPO_EIO, "%s: %s", path, image.message);
    free(bytes);
    return rc;
}

static int write_sheet(const struct source *s, const char *path, struct hpo_err *err)
{
    const struct tr_preview *p = &s->view;
    int longest = p->h > p->w ? p->h : p->w, rc;
    struct sheet sheet = {.scale = longest < SIDE ? (SIDE + longest - 1) / longest : 1};

    sheet.cell = longest * sheet.scale;
    sheet.wide = GAP + p->n * (sheet.cell + GAP);
    sheet.high = GAP + (p->epochs + 1) * (sheet.cell + GAP);
    sheet.rgb = xmalloc(3 * (size_t)sheet.wide * (size_t)sheet.high);
    draw(s, &sheet);
    rc = write_png(&sheet, path, err);
    free(sheet.rgb);
    return rc;
}

/* Class names come from folders or a manifest, which may hold anything. */
static void add_name(struct str *ret, const char *name)
{
    for (; *name; name++)
        str_addc(ret, (unsigned char)*name < 0x20 || *name == 0x7f ? '?' : *name);
}

static void add_view(const struct source *s, const struct tr_view *v, struct str *ret)
{
    if (v->step < 0) {
        str_add(ret, "left over");
        return;
    }
    if (v->mix.kind == KN_MIX_NONE) {
        str_add(ret, "-");
        return;
    }
    str_addf(ret, "%s %.3f, %.3f ", v->mix.kind == KN_MIXUP ? "mixup" : "cutmix",
             (double)v->mix.lambda, 1 - (double)v->mix.lambda);
    add_name(ret, s->data.class_names[s->data.images.labels[v->other]]);
}

static void print_table(const struct source *s, int fold, const char *path)
{
    const struct tr_preview *p = &s->view;
    struct str t = {0};

    str_addf(&t,
             "%s: fold %d, %d image%s in the first %d epoch%s; above them as they are\n"
             "a batch is mixed: the share of the image, the share and the class of the other\n\n"
             "column  epoch  batch  class, mixed with\n",
             path, fold, p->n, p->n == 1 ? "" : "s", p->epochs, p->epochs == 1 ? "" : "s");
    for (int i = 0; i < p->n; i++)
        for (int e = 0; e < p->epochs; e++) {
            const struct tr_view *v = &p->view[e * p->n + i];

            str_addf(&t, "%6d  %5d  ", i + 1, e + 1);
            str_addf(&t, v->step < 0 ? "    -  " : "%5d  ", v->step + 1);
            add_name(&t, s->data.class_names[s->data.images.labels[p->image[i]]]);
            str_add(&t, ", ");
            add_view(s, v, &t);
            str_addc(&t, '\n');
        }
    if (s->config.space.n)
        str_add(&t, "\nsearched options are at the middle of their ranges; --set trainer.KEY=VALUE "
                    "changes those that are not\n");
    fputs(str_c(&t), stdout);
    str_release(&t);
}

int data_preview(const struct preview_args *a, const char *study, struct hpo_err *err)
{
    struct source s = {0};
    struct arena arena = {0};
    const char *path;
    int rc;

    if (a->images < 1 || a->images > 64 || a->epochs < 1 || a->epochs > 64)
        return hpo_fail(err, HPO_ECONFIG, "data preview: --images and --epochs are from 1 to 64");
    rc = open_source(&s, a, study, &arena, err);
    if (!rc)
        rc = look(&s, a, err);
    if (!rc) {
        path = a->out ? a->out : arena_printf(&arena, "%s-preview.png", s.config.study.name);
        rc = write_sheet(&s, path, err);
        if (!rc)
            print_table(&s, a->fold, path);
    }
    tr_preview_release(&s.view);
    tr_folds_release(&s.folds);
    tr_dataset_close(&s.data);
    study_config_release(&s.config);
    arena_release(&arena);
    return rc;
}
