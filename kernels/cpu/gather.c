/* Rows of the data set into a batch: crop, flip, normalise, in the layout of the first layer. */
#include <string.h>

#include "kernels/cpu/plan.h"

/* Where channel c of pixel i of an image goes. */
struct target {
    float *x;
    size_t pixel, channel; /* floats from one to the next */
};

static void put_black(const struct cpu_model *m, const struct target *t, size_t at, int count)
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < count; i++)
            t->x[(at + (size_t)i) * t->pixel + (size_t)c * t->channel] = m->lut[c][0];
}

/* One row of the crop: columns first .. last of it show the image, the rest is border. */
static void put_row(const struct cpu_model *m, const struct target *t, const uint8_t *src, int w,
                    int dx, bool flip, size_t at)
{
    int first = dx < 0 ? -dx : 0, last = dx > 0 ? w - dx : w;

    if (flip) { /* column x of the batch is column w - 1 - x of the crop */
        int f = w - last;

        last = w - first;
        first = f;
    }
    put_black(m, t, at, first);
    put_black(m, t, at + (size_t)last, w - last);
    for (int c = 0; c < 3; c++) {
        const uint8_t *s = src + 3 * (flip ? w - 1 - first + dx : first + dx) + c;
        float *x = t->x + (at + (size_t)first) * t->pixel + (size_t)c * t->channel;
        const float *lut = m->lut[c];
        int step = flip ? -3 : 3;

        for (int i = first; i < last; i++, s += step, x += t->pixel)
            *x = lut[*s];
    }
}

static void put_image(const struct cpu_model *m, const struct target *t, const uint8_t *src, int h,
                      int w, struct kn_placement place)
{
    for (int y = 0; y < h; y++) {
        int from = y + place.dy;
        size_t at = (size_t)y * (size_t)w;

        if (from < 0 || from >= h || place.dx >= w || place.dx <= -w)
            put_black(m, t, at, w);
        else
            put_row(m, t, src + (size_t)from * (size_t)w * 3, w, place.dx, place.flip, at);
    }
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
        struct kn_placement place = {0, 0, 0};

        if (pick->augment)
            place = kn_place(m->hyper.augment, m->hyper.seed, m->hyper.fold, pick->epoch,
                             (uint32_t)pick->index[n]);
        t.x = x + in->row * (size_t)n;
        if (!in->plain)
            memset(t.x, 0, sizeof(float) * in->row);
        put_image(m, &t, im->pixels + (size_t)pick->index[n] * pixels * 3, im->h, im->w, place);
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
