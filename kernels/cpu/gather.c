/* Rows of the data set into a batch: augmented, normalised, in the layout of the first layer. */
#include <string.h>

#include "kernels/check.h"
#include "kernels/cpu/plan.h"
#include "kernels/math/sample.h"

/* Where channel c of pixel i of an image goes, and what a value of the source becomes there. */
struct target {
    float *x;
    size_t pixel, channel; /* floats from one to the next */
    const float *lut[3];
};

static float *at(const struct target *t, size_t pixel, int c)
{
    return t->x + pixel * t->pixel + (size_t)c * t->channel;
}

static void put_black(const struct target *t, size_t first, int count)
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < count; i++)
            *at(t, first + (size_t)i, c) = t->lut[c][0];
}

/* Columns first .. last of a row, which lie beyond the image. */
static void put_border(const struct target *t, const uint8_t *src, int w,
                       const struct kn_placement *p, size_t row, int first, int last)
{
    if (p->fill != KN_FILL_REFLECT) {
        put_black(t, row + (size_t)first, last - first);
        return;
    }
    for (int x = first; x < last; x++) {
        const uint8_t *s = src + 3 * kn_reflect((p->flip ? w - 1 - x : x) + p->dx, w);

        for (int c = 0; c < 3; c++)
            *at(t, row + (size_t)x, c) = t->lut[c][s[c]];
    }
}

/* One row of the crop: columns first .. last of it show the image, the rest is border. */
static void put_row(const struct target *t, const uint8_t *src, int w, const struct kn_placement *p,
                    size_t row)
{
    int dx = p->dx, first = dx < 0 ? -dx : 0, last = dx > 0 ? w - dx : w;

    if (first >= last) { /* the padding is wider than the image */
        put_border(t, src, w, p, row, 0, w);
        return;
    }
    if (p->flip) { /* column x of the batch is column w - 1 - x of the crop */
        int f = w - last;

        last = w - first;
        first = f;
    }
    put_border(t, src, w, p, row, 0, first);
    put_border(t, src, w, p, row, last, w);
    for (int c = 0; c < 3; c++) {
        const uint8_t *s = src + 3 * (p->flip ? w - 1 - first + dx : first + dx) + c;
        float *x = at(t, row + (size_t)first, c);
        const float *lut = t->lut[c];
        size_t pixel = t->pixel;
        int step = p->flip ? -3 : 3;

        for (int i = first; i < last; i++, s += step, x += pixel)
            *x = lut[*s];
    }
}

/* Shifted and mirrored: every pixel is one of the source. */
static void put_copy(const struct target *t, const uint8_t *src, int h, int w,
                     const struct kn_placement *p)
{
    for (int y = 0; y < h; y++) {
        int from = kn_source((p->vertical_flip ? h - 1 - y : y) + p->dy, h, p->fill);
        size_t row = (size_t)y * (size_t)w;

        if (from < 0)
            put_black(t, row, w);
        else
            put_row(t, src + (size_t)from * (size_t)w * 3, w, p, row);
    }
}

/* Pixels side by side, channel by channel: what the compiler makes vectors of. */
#define CHUNK 64
struct chunk {
    float c[3][CHUNK];
};

static void load(const struct target *t, size_t first, int count, struct chunk *ret)
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < CHUNK; i++)
            ret->c[c][i] = i < count ? *at(t, first + (size_t)i, c) : 0;
}

static void store(const struct target *t, size_t first, int count, const struct chunk *k)
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < count; i++)
            *at(t, first + (size_t)i, c) = k->c[c][i];
}

/* Do what PIXEL says to every pixel p. */
#define EACH_PIXEL(k, PIXEL)                                                         \
    for (int i = 0; i < CHUNK; i++) {                                                \
        struct kn_rgb p = {(k)->c[0][i], (k)->c[1][i], (k)->c[2][i]};                \
                                                                                     \
        p = (PIXEL);                                                                 \
        (k)->c[0][i] = p.r, (k)->c[1][i] = p.g, (k)->c[2][i] = p.b;                  \
    }

/* kn_jitter, step by step. */
static void jitter(const struct kn_colour *c, float mean, struct chunk *k)
{
    EACH_PIXEL(k, kn_brighten(c, p))
    if (c->contrast != 1.0f)
        EACH_PIXEL(k, kn_contrast(c, p, mean))
    if (c->saturation != 1.0f)
        EACH_PIXEL(k, kn_saturate(c, p))
    if (c->hue != 0.0f)
        EACH_PIXEL(k, kn_turn_hue(c->hue, p))
}

static float brightened_grey(const struct target *t, const struct kn_colour *c, int pixels)
{
    double sum = 0;
    struct chunk k;

    for (int first = 0; first < pixels; first += CHUNK) {
        int count = pixels - first < CHUNK ? pixels - first : CHUNK;

        load(t, (size_t)first, count, &k);
        for (int i = 0; i < CHUNK; i++) {
            struct kn_rgb p = {k.c[0][i], k.c[1][i], k.c[2][i]};

            k.c[0][i] = kn_grey(kn_brighten(c, p));
        }
        for (int i = 0; i < count; i++)
            sum += (double)k.c[0][i];
    }
    return (float)(sum / pixels);
}

/* Values in [0, 1] become what the network sees, in place. */
static void recolour(const struct target *t, const struct kn_hyper *h, const struct kn_colour *c,
                     int pixels)
{
    float mean = c->on && c->contrast != 1.0f ? brightened_grey(t, c, pixels) : 0;
    struct chunk k;

    for (int first = 0; first < pixels; first += CHUNK) {
        int count = pixels - first < CHUNK ? pixels - first : CHUNK;

        load(t, (size_t)first, count, &k);
        if (c->on)
            jitter(c, mean, &k);
        for (int j = 0; j < 3; j++)
            for (int i = 0; i < CHUNK; i++)
                k.c[j][i] = kn_normalise_real(k.c[j][i], h->mean[j], h->std[j]);
        store(t, (size_t)first, count, &k);
    }
}

/* Scaled and turned. Without a turn the columns' neighbours are the same in every row. */
static void put_sampled(const struct target *t, const uint8_t *src, int h, int w,
                        const struct kn_placement *p)
{
    struct kn_tap column[CHUNK], tx, ty = {0};
    float u, v;

    for (int x0 = 0; x0 < w; x0 += CHUNK) {
        int count = w - x0 < CHUNK ? w - x0 : CHUNK;

        for (int i = 0; i < count && !p->turned; i++)
            column[i] = kn_tap_x(p, (float)(p->flip ? w - 1 - x0 - i : x0 + i), w);
        for (int y = 0; y < h; y++) {
            size_t row = (size_t)y * (size_t)w + (size_t)x0;

            if (!p->turned)
                ty = kn_tap_y(p, (float)(p->vertical_flip ? h - 1 - y : y), h);
            for (int i = 0; i < count; i++) {
                struct kn_rgb q;

                if (p->turned) {
                    kn_unturn(p, x0 + i, y, h, w, &u, &v);
                    tx = kn_tap_x(p, u, w);
                    ty = kn_tap_y(p, v, h);
                } else {
                    tx = column[i];
                }
                q = kn_sample(src, w, tx, ty);
                *at(t, row + (size_t)i, 0) = q.r;
                *at(t, row + (size_t)i, 1) = q.g;
                *at(t, row + (size_t)i, 2) = q.b;
            }
        }
    }
}

static void cut_out(const struct target *t, int w, struct kn_hole q)
{
    for (int c = 0; c < 3; c++)
        for (int y = q.y0; y < q.y1; y++)
            for (int x = q.x0; x < q.x1; x++)
                *at(t, (size_t)y * (size_t)w + (size_t)x, c) = 0;
}

static void put_image(const struct cpu_model *m, struct target *t, const uint8_t *src, int h, int w,
                      const struct kn_placement *p)
{
    bool late = p->resampled || p->colour.on; /* values are normalised when all else is done */

    for (int c = 0; c < 3; c++)
        t->lut[c] = late ? m->share : m->lut[c];
    if (p->resampled)
        put_sampled(t, src, h, w, p);
    else
        put_copy(t, src, h, w, p);
    if (late)
        recolour(t, &m->hyper, &p->colour, h * w);
    cut_out(t, w, p->erased);
    cut_out(t, w, p->cut);
}

static void put_rows(const struct cpu_plan *p, const struct cpu_model *m,
                     const struct cpu_pick *pick, int first, int last, float *x)
{
    const struct kn_images *im = p->images;
    const struct cpu_tensor *in = &p->tensor[0];
    size_t pixels = (size_t)im->h * (size_t)im->w;
    struct target t = {.pixel = in->plain ? 1 : (size_t)p->dev->block,
                       .channel = in->plain ? pixels : 1};

    for (int n = first; n < last; n++) {
        struct kn_placement place = {.flip = pick->mirror};

        if (pick->augment)
            place = kn_place(&m->hyper.augment, m->hyper.seed, m->hyper.fold, pick->epoch,
                             (uint32_t)pick->index[n], im->h, im->w);
        t.x = x + in->row * (size_t)n;
        if (!in->plain)
            memset(t.x, 0, sizeof(float) * in->row);
        put_image(m, &t, im->pixels + (size_t)pick->index[n] * pixels * 3, im->h, im->w, &place);
    }
}

/* Two images become two mixtures, each the other's mirror image: in place. */
static void mix_pair(const struct kn_mix *mix, float *a, float *b, size_t n)
{
    float l = mix->lambda;

    for (size_t i = 0; i < n; i++) {
        float u = a[i], v = b[i];

        a[i] = mix->kind == KN_CUTMIX ? v : l * u + (1.0f - l) * v;
        b[i] = mix->kind == KN_CUTMIX ? u : l * v + (1.0f - l) * u;
    }
}

/* Pairs first .. last: row i and row n - 1 - i. */
static void mix_rows(const struct cpu_plan *p, const struct cpu_pick *pick, int first, int last,
                     float *x)
{
    const struct cpu_tensor *in = &p->tensor[0];
    const struct kn_mix *mix = &pick->mix;
    size_t block = in->plain ? 1 : (size_t)p->dev->block,
           planes = in->row / block / ((size_t)in->h * (size_t)in->w);

    for (int i = first; i < last; i++) {
        float *a = x + in->row * (size_t)i, *b = x + in->row * (size_t)(pick->n - 1 - i);

        if (mix->kind == KN_MIXUP)
            mix_pair(mix, a, b, in->row);
        for (size_t c = 0; mix->kind == KN_CUTMIX && c < planes; c++)
            for (int y = mix->y0; y < mix->y1; y++) {
                size_t at =
                    ((c * (size_t)in->h + (size_t)y) * (size_t)in->w + (size_t)mix->x0) * block;

                mix_pair(mix, a + at, b + at, (size_t)(mix->x1 - mix->x0) * block);
            }
    }
}

void cpu_gather(const struct cpu_plan *p, const struct cpu_model *m, const struct cpu_pick *pick,
                float *x)
{
    put_rows(p, m, pick, 0, pick->n, x);
    if (pick->mix.kind != KN_MIX_NONE)
        mix_rows(p, pick, 0, pick->n / 2, x);
}

void cpu_gather_parallel(const struct cpu_plan *p, const struct cpu_model *m,
                         const struct cpu_pick *pick, float *x)
{
    int threads = p->threads, pairs = pick->n / 2;

#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++)
        put_rows(p, m, pick, cpu_part(pick->n, t, threads), cpu_part(pick->n, t + 1, threads), x);
    if (pick->mix.kind == KN_MIX_NONE)
        return;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++)
        mix_rows(p, pick, cpu_part(pairs, t, threads), cpu_part(pairs, t + 1, threads), x);
}

/* The batch that train would make, in the place of one that was fetched ahead. */
int cpu_show(struct kn_plan *plan, int model, const struct kn_batch *b, float *ret,
             struct hpo_err *err)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;
    const struct cpu_tensor *in = &p->tensor[0];
    size_t pixels = (size_t)in->h * (size_t)in->w, block = in->plain ? 1 : (size_t)p->dev->block;
    struct cpu_model *m;
    struct cpu_batch *room;
    struct cpu_team team;
    int rc = kn_check_model(plan, model, err);

    if (!rc)
        rc = kn_check_batch(plan, b, p->images->n, err);
    if (rc)
        return rc;
    m = &p->model[model];
    room = &m->batch[m->front];
    room->n = 0;
    team = cpu_team_enter(p->threads);
    cpu_gather_parallel(
        p, m,
        &(struct cpu_pick){
            .index = b->index, .n = b->n, .augment = true, .epoch = b->epoch, .mix = b->mix},
        room->x);
    cpu_team_leave(team);
    for (int n = 0; n < b->n; n++)
        for (size_t c = 0; c < 3; c++)
            for (size_t i = 0; i < pixels; i++)
                ret[((size_t)n * 3 + c) * pixels + i] =
                    room->x[in->row * (size_t)n + (in->plain ? c * pixels + i : i * block + c)];
    return HPO_OK;
}
