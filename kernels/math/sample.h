/* kernels/math/sample.h - one pixel of an augmented image, read from its source once, whatever was
 * done to the geometry: bilinear, as torch.nn.functional.interpolate and grid_sample with
 * align_corners=False. */
#ifndef HPO_KERNELS_MATH_SAMPLE_H
#define HPO_KERNELS_MATH_SAMPLE_H

#include "kernels/math/augment.h"
#include "kernels/math/colour.h"

/* An axis of the source as a pixel of the batch sees it: two neighbours and their weights, which
 * add up to 1, or to less where the pixel shows black. */
struct kn_tap {
    int a, b;
    float of_a, of_b;
};

/* floorf, for what fits into an int: no call where a processor has no instruction for it. */
HPO_HD int kn_floor(float v)
{
    int i = (int)v;

    return i - ((float)i > v);
}

/* Mirror i into [0, n) about the middles of the outermost pixels (numpy's and torch's "reflect"),
 * as often as it takes. */
HPO_HD int kn_reflect(int i, int n)
{
    int period = 2 * (n - 1);

    if (n == 1)
        return 0;
    i = (i < 0 ? -i : i) % period;
    return i < n ? i : period - i;
}

HPO_HD float kn_reflect_real(float u, int n)
{
    float last = (float)(n - 1), period = 2.0f * last;

    if (n == 1)
        return 0.0f;
    u = u < 0.0f ? -u : u;
    u = u < period ? u : u - period * (float)kn_floor(u / period);
    return u > last ? period - u : u;
}

/* Where an index of the source outside of it leads: -1 is black. */
HPO_HD int kn_source(int i, int n, int fill)
{
    if (i >= 0 && i < n)
        return i;
    return fill == KN_FILL_REFLECT ? kn_reflect(i, n) : -1;
}

/* u: the coordinate of a pixel in the crop, already scaled to `size`, the image's own; the crop is
 * from .. from + extent of the source. What lies beyond the crop is not seen, even where the source
 * goes on. */
HPO_HD struct kn_tap kn_tap_at(float u, int from, int extent, int size, int fill)
{
    float last = (float)(size - 1), low = (float)from, high = (float)(from + extent - 1);
    float seen = 1.0f, s, f;
    struct kn_tap t;

    if (fill == KN_FILL_REFLECT) {
        u = kn_reflect_real(u, size);
    } else {
        seen = u < 0.0f ? 1.0f + u : u > last ? 1.0f + last - u : 1.0f;
        seen = seen < 0.0f ? 0.0f : seen;
        u = u < 0.0f ? 0.0f : u > last ? last : u;
    }
    s = low + ((u + 0.5f) * ((float)extent / (float)size) - 0.5f);
    s = s < low ? low : s > high ? high : s;
    t.a = kn_floor(s);
    f = s - (float)t.a;
    t.b = t.a + 1 < from + extent ? t.a + 1 : t.a;
    t.a = kn_source(t.a, size, fill);
    t.b = kn_source(t.b, size, fill);
    t.of_a = t.a < 0 ? 0.0f : seen * (1.0f - f);
    t.of_b = t.b < 0 ? 0.0f : seen * f;
    t.a = t.a < 0 ? 0 : t.a;
    t.b = t.b < 0 ? 0 : t.b;
    return t;
}

/* The coordinate in the crop that pixel (x, y) of the batch shows: turned back about the middle,
 * then mirrored back. */
HPO_HD void kn_unturn(const struct kn_placement *p, int x, int y, int h, int w, float *ret_u,
                      float *ret_v)
{
    float cx = 0.5f * (float)(w - 1), cy = 0.5f * (float)(h - 1);
    float u = (float)x - cx, v = (float)y - cy, t = p->cosine * u - p->sine * v;

    v = p->sine * u + p->cosine * v + cy;
    u = t + cx;
    *ret_u = p->flip ? (float)(w - 1) - u : u;
    *ret_v = p->vertical_flip ? (float)(h - 1) - v : v;
}

HPO_HD struct kn_tap kn_tap_x(const struct kn_placement *p, float u, int w)
{
    return kn_tap_at(u, p->dx, p->width, w, p->fill);
}

HPO_HD struct kn_tap kn_tap_y(const struct kn_placement *p, float v, int h)
{
    return kn_tap_at(v, p->dy, p->height, h, p->fill);
}

/* A pixel of the source (rows of w pixels of 3 bytes), in [0, 1]. */
HPO_HD struct kn_rgb kn_sample(const uint8_t *src, int w, struct kn_tap x, struct kn_tap y)
{
    const uint8_t *a = src + 3 * ((int64_t)y.a * w), *b = src + 3 * ((int64_t)y.b * w);
    const uint8_t *p = a + 3 * x.a, *q = a + 3 * x.b, *r = b + 3 * x.a, *s = b + 3 * x.b;
    float v[3];
    struct kn_rgb rgb;

    for (int c = 0; c < 3; c++)
        v[c] = (y.of_a * (x.of_a * (float)p[c] + x.of_b * (float)q[c]) +
                y.of_b * (x.of_a * (float)r[c] + x.of_b * (float)s[c])) *
               (1.0f / 255.0f);
    rgb.r = v[0];
    rgb.g = v[1];
    rgb.b = v[2];
    return rgb;
}

#endif
