/* Rows of the data set into a batch: augmented, normalised, in the layout of the first layer. */
#include <string.h>

#include "kernels/check.h"
#include "kernels/cpu/gather.h"
#include "kernels/math/sample.h"

static void put_black(const struct cpu_target *t, size_t first, int count)
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < count; i++)
            *cpu_at(t, first + (size_t)i, c) = t->lut[c][0];
}

/* Columns first .. last of a row, which lie beyond the image. */
static void put_border(const struct cpu_target *t, const uint8_t *src, int w,
                       const struct kn_placement *p, size_t row, int first, int last)
{
    if (p->fill != KN_FILL_REFLECT) {
        put_black(t, row + (size_t)first, last - first);
        return;
    }
    for (int x = first; x < last; x++) {
        const uint8_t *s = src + 3 * kn_reflect((p->flip ? w - 1 - x : x) + p->dx, w);

        for (int c = 0; c < 3; c++)
            *cpu_at(t, row + (size_t)x, c) = t->lut[c][s[c]];
    }
}

static void copy_channel(float *x, size_t pixel, const float *lut, const uint8_t *s, int step,
                         int count)
{
    if (pixel == 1)
        for (int i = 0; i < count; i++, s += step)
            x[i] = lut[*s];
    else
        for (int i = 0; i < count; i++, s += step, x += pixel)
            *x = lut[*s];
}

/* One row of the crop: columns first .. last of it show the image, the rest is border. */
static void put_row(const struct cpu_target *t, const uint8_t *src, int w,
                    const struct kn_placement *p, size_t row)
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

        copy_channel(cpu_at(t, row + (size_t)first, c), t->pixel, t->lut[c], s, p->flip ? -3 : 3,
                     last - first);
    }
}

/* Shifted and mirrored: every pixel is one of the source. */
static void put_copy(const struct cpu_target *t, const uint8_t *src, int h, int w,
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

static void cut_out(const struct cpu_target *t, int w, struct kn_hole q)
{
    for (int c = 0; c < 3; c++)
        for (int y = q.y0; y < q.y1; y++)
            for (int x = q.x0; x < q.x1; x++)
                *cpu_at(t, (size_t)y * (size_t)w + (size_t)x, c) = 0;
}

static void put_image(const struct cpu_model *m, struct cpu_target *t, const uint8_t *src, int h,
                      int w, const struct kn_placement *p)
{
    bool late = p->resampled || p->colour.on; /* values are normalised when all else is done */

    for (int c = 0; c < 3; c++)
        t->lut[c] = late ? m->share : m->lut[c];
    if (p->resampled)
        cpu_put_sampled(t, src, h, w, p);
    else
        put_copy(t, src, h, w, p);
    if (late)
        cpu_recolour(t, &m->hyper, &p->colour, h * w);
    cut_out(t, w, p->erased);
    cut_out(t, w, p->cut);
}

static void put_rows(const struct cpu_plan *p, const struct cpu_model *m,
                     const struct cpu_pick *pick, int first, int last, float *x)
{
    const struct kn_images *im = p->images;
    const struct cpu_tensor *in = &p->tensor[0];
    size_t pixels = (size_t)im->h * (size_t)im->w;
    struct cpu_target t = {.pixel = in->plain ? 1 : (size_t)p->dev->block,
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
