/* Images that are more than copies: scaled, turned, of other colours. */
#include "kernels/cpu/gather.h"
#include "kernels/math/sample.h"

/* Pixels side by side, channel by channel: what the compiler makes vectors of. */
#define CHUNK 64
struct chunk {
    float c[3][CHUNK];
};

static void load(const struct cpu_target *t, size_t first, int count, struct chunk *ret)
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < CHUNK; i++)
            ret->c[c][i] = i < count ? *cpu_at(t, first + (size_t)i, c) : 0;
}

static void store(const struct cpu_target *t, size_t first, int count, const struct chunk *k)
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < count; i++)
            *cpu_at(t, first + (size_t)i, c) = k->c[c][i];
}

/* Do what PIXEL says to every pixel p. */
#define EACH_PIXEL(k, PIXEL)                                          \
    for (int i = 0; i < CHUNK; i++) {                                 \
        struct kn_rgb p = {(k)->c[0][i], (k)->c[1][i], (k)->c[2][i]}; \
                                                                      \
        p = (PIXEL);                                                  \
        (k)->c[0][i] = p.r, (k)->c[1][i] = p.g, (k)->c[2][i] = p.b;   \
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

static float brightened_grey(const struct cpu_target *t, const struct kn_colour *c, int pixels)
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

void cpu_recolour(const struct cpu_target *t, const struct kn_hyper *h, const struct kn_colour *c,
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

/* Without a turn the columns' neighbours are the same in every row. */
void cpu_put_sampled(const struct cpu_target *t, const uint8_t *src, int h, int w,
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
                *cpu_at(t, row + (size_t)i, 0) = q.r;
                *cpu_at(t, row + (size_t)i, 1) = q.g;
                *cpu_at(t, row + (size_t)i, 2) = q.b;
            }
        }
    }
}
