/* kernels/math/colour.h - torchvision's ColorJitter on a pixel whose channels are in [0, 1], in one
 * fixed order: brightness, contrast, saturation, hue (torchvision draws the order anew for every
 * image). The formulas are those of torchvision.transforms.functional on float tensors. */
#ifndef HPO_KERNELS_MATH_COLOUR_H
#define HPO_KERNELS_MATH_COLOUR_H

#include <math.h>

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

/* Hue in [0, 1); grey has hue 0. */
HPO_HD float kn_hue_of(struct kn_rgb p, float most, float least)
{
    float d = most - least, r = (most - p.r) / d, g = (most - p.g) / d, b = (most - p.b) / d, h;

    if (most == least)
        return 0.0f;
    h = most == p.r ? b - g : most == p.g ? 2.0f + r - b : 4.0f + g - r;
    h = h / 6.0f + 1.0f;
    return h >= 1.0f ? h - 1.0f : h;
}

HPO_HD struct kn_rgb kn_turn_hue(float turn, struct kn_rgb in)
{
    float most = in.r > in.g ? in.r : in.g, least = in.r < in.g ? in.r : in.g;
    float s, h, f, p, q, t;
    struct kn_rgb out;
    int i;

    most = most > in.b ? most : in.b;
    least = least < in.b ? least : in.b;
    s = most > least ? (most - least) / most : 0.0f;
    h = kn_hue_of(in, most, least) + turn;
    h = 6.0f * (h - floorf(h));
    i = (int)h;
    f = h - (float)i;
    p = kn_clip01(most * (1.0f - s));
    q = kn_clip01(most * (1.0f - s * f));
    t = kn_clip01(most * (1.0f - s * (1.0f - f)));
    i %= 6;
    out.r = i == 0 || i == 5 ? most : i == 1 ? q : i == 4 ? t : p;
    out.g = i == 1 || i == 2 ? most : i == 3 ? q : i == 0 ? t : p;
    out.b = i == 3 || i == 4 ? most : i == 5 ? q : i == 2 ? t : p;
    return out;
}

/* What comes after brightness. mean: kn_grey of the brightened image, over all of its pixels. */
HPO_HD struct kn_rgb kn_jitter(const struct kn_colour *c, struct kn_rgb p, float mean)
{
    float grey;

    if (c->contrast != 1.0f) {
        p.r = kn_blend(c->contrast, p.r, mean);
        p.g = kn_blend(c->contrast, p.g, mean);
        p.b = kn_blend(c->contrast, p.b, mean);
    }
    if (c->saturation != 1.0f) {
        grey = kn_grey(p);
        p.r = kn_blend(c->saturation, p.r, grey);
        p.g = kn_blend(c->saturation, p.g, grey);
        p.b = kn_blend(c->saturation, p.b, grey);
    }
    return c->hue != 0.0f ? kn_turn_hue(c->hue, p) : p;
}

#endif
