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

void cpu_gather(const struct cpu_plan *p, const struct cpu_model *m, const int32_t *index, int first,
                int last, bool augment, uint32_t epoch, float *x)
{
    const struct kn_images *im = p->images;
    const struct cpu_tensor *in = &p->tensor[0];
    size_t pixels = (size_t)im->h * (size_t)im->w;
    struct target t = {.pixel = in->plain ? 1 : (size_t)p->dev->block,
                       .channel = in->plain ? pixels : 1};

    for (int n = first; n < last; n++) {
        struct kn_placement place = {0, 0, 0};

        if (augment)
            place = kn_place(m->hyper.augment, m->hyper.seed, m->hyper.fold, epoch,
                             (uint32_t)index[n]);
        t.x = x + in->row * (size_t)n;
        if (!in->plain)
            memset(t.x, 0, sizeof(float) * in->row);
        put_image(m, &t, im->pixels + (size_t)index[n] * pixels * 3, im->h, im->w, place);
    }
}

void cpu_gather_parallel(const struct cpu_plan *p, const struct cpu_model *m, const int32_t *index,
                         int n, bool augment, uint32_t epoch, float *x)
{
    int threads = p->threads;

#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++)
        cpu_gather(p, m, index, cpu_part(n, t, threads), cpu_part(n, t + 1, threads), augment, epoch,
                   x);
}
