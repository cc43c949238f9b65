/* kernels/math/colour.h - torchvision's ColorJitter on a pixel whose channels are in [0, 1], in one
 * fixed order: brightness, contrast, saturation, hue (torchvision draws the order anew for every
 * image). The formulas are those of torchvision.transforms.functional on float tensors. */
#ifndef HPO_KERNELS_MATH_COLOUR_H
#define HPO_KERNELS_MATH_COLOUR_H

#include "base/compiler.h"

struct kn_rgb {
    float r, g, b;
};

/* Factors: 1 leaves the first three as they are, 0 the hue, which is a share of the circle. */
struct kn_colour {
    int on; /* 0: nothing changes, whatever the factors are */
    float brightness, contrast, saturation, hue;
};

HPO_HD float kn_clip01(float v)
{
    return v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v;
}

HPO_HD float kn_blend(float ratio, float a, float b)
{
    return kn_clip01(ratio * a + (1.0f - ratio) * b);
}

/* ITU-R 601-2 luma, with torchvision's digits. */
HPO_HD float kn_grey(struct kn_rgb p)
{
    return 0.2989f * p.r + 0.587f * p.g + 0.114f * p.b;
}

HPO_HD struct kn_rgb kn_brighten(const struct kn_colour *c, struct kn_rgb p)
{
    struct kn_rgb q = {kn_clip01(p.r * c->brightness), kn_clip01(p.g * c->brightness),
                       kn_clip01(p.b * c->brightness)};

    return q;
}

/* A channel of the pixel with hue h (0 to 6 around the circle), value `most`, chroma d; from: 5 for
 * red, 3 for green, 1 for blue. */
HPO_HD float kn_channel(float h, float from, float most, float d)
{
    float k = h + from, rise;

    k = k >= 6.0f ? k - 6.0f : k;
    rise = k < 4.0f - k ? k : 4.0f - k;
    return most - d * kn_clip01(rise);
}

/* To hue, saturation and value, and back with another hue. Saturation and value stay, so all that
 * is needed of them is the largest channel and its distance from the smallest. Grey stays grey.
 * turn: -0.5 to 0.5. */
HPO_HD struct kn_rgb kn_turn_hue(float turn, struct kn_rgb p)
{
    float most = p.r > p.g ? p.r : p.g, least = p.r < p.g ? p.r : p.g, d, up, from, h;
    struct kn_rgb q;

    most = most > p.b ? most : p.b;
    least = least < p.b ? least : p.b;
    d = most - least;
    up = most == p.r ? p.g - p.b : most == p.g ? p.b - p.r : p.r - p.g;
    from = most == p.r ? 0.0f : most == p.g ? 2.0f : 4.0f;
    h = up / (d > 0.0f ? d : 1.0f) + from + 6.0f * turn;
    h = h < 0.0f ? h + 6.0f : h;
    h = h >= 6.0f ? h - 6.0f : h;
    q.r = kn_channel(h, 5.0f, most, d);
    q.g = kn_channel(h, 3.0f, most, d);
    q.b = kn_channel(h, 1.0f, most, d);
    return q;
}

HPO_HD struct kn_rgb kn_contrast(const struct kn_colour *c, struct kn_rgb p, float mean)
{
    struct kn_rgb q = {kn_blend(c->contrast, p.r, mean), kn_blend(c->contrast, p.g, mean),
                       kn_blend(c->contrast, p.b, mean)};

    return q;
}

HPO_HD struct kn_rgb kn_saturate(const struct kn_colour *c, struct kn_rgb p)
{
    float grey = kn_grey(p);
    struct kn_rgb q = {kn_blend(c->saturation, p.r, grey), kn_blend(c->saturation, p.g, grey),
                       kn_blend(c->saturation, p.b, grey)};

    return q;
}

/* All four. mean: kn_grey of the brightened image, over all of its pixels. */
HPO_HD struct kn_rgb kn_jitter(const struct kn_colour *c, struct kn_rgb p, float mean)
{
    p = kn_brighten(c, p);
    if (c->contrast != 1.0f)
        p = kn_contrast(c, p, mean);
    if (c->saturation != 1.0f)
        p = kn_saturate(c, p);
    return c->hue != 0.0f ? kn_turn_hue(c->hue, p) : p;
}

#endif
