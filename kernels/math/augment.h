/* kernels/math/augment.h - what happens to an image on its way into a batch, as a pure function of
 * (seed, fold, epoch, image), the same on every device: nothing here calls a mathematical library.
 *
 * Geometry, in this order: a crop (RandomCrop(size, padding), or RandomResizedCrop), flips, a
 * rotation; sampled once (kernels/math/sample.h). Then colour (kernels/math/colour.h),
 * normalisation, RandomErasing and Cutout. All but the last are torchvision's, with its parameters;
 * Cutout is that of DeVries and Taylor, 2017. docs/augmentation.md has the formulas. */
#ifndef HPO_KERNELS_MATH_AUGMENT_H
#define HPO_KERNELS_MATH_AUGMENT_H

#include <math.h>

#include "kernels/math/colour.h"
#include "kernels/math/hash.h"

enum kn_flip { KN_FLIP_NONE, KN_FLIP_RANDOM, KN_FLIP_ALTERNATING };
enum kn_fill { KN_FILL_ZERO, KN_FILL_REFLECT };

/* A rectangle of a random share of the image's area, and a random ratio of its sides. */
struct kn_shape {
    float scale_min, scale_max;
    float log_ratio_min, log_ratio_max; /* natural logarithms */
};

struct kn_augment {
    int flip;         /* enum kn_flip: mirror left-right half of the images, drawn in each epoch; or
                         drawn once, and from then on in every other epoch (Jordan, "94% on CIFAR-10 in
                         3.29 seconds", 2024) */
    int crop_padding; /* pixels on each side, then a random crop of the old size */
    int fill;         /* enum kn_fill: what is beyond the image */
    int vertical_flip; /* 1: top-bottom, with probability 1/2 */
    int resized_crop; /* 1: RandomResizedCrop of `crop`, in place of the padded one; ratio: width by
                         height */
    struct kn_shape crop;
    float rotation; /* degrees to either side */
    float brightness, contrast, saturation, hue;
    float erasing;         /* the probability */
    struct kn_shape erase; /* ratio: height by width */
    int cutout;            /* the side of a square around a random pixel; 0: none */
};

struct kn_hole {
    int x0, x1, y0, y1; /* x1 and y1 are the first beyond it */
};

/* All zeros: the image as it is. */
struct kn_placement {
    int flip;   /* mirror the crop */
    int dx, dy; /* source column = column + dx (before the flip), row likewise */
    int vertical_flip, fill;
    int resampled; /* 1: the crop is of `width` x `height` source pixels, and turned */
    int width, height;
    int turned; /* 0: cosine and sine are 1 and 0 */
    float cosine, sine;
    struct kn_colour colour;
    struct kn_hole erased, cut; /* the network sees 0 there */
};

/* ---- what is drawn is the same on every device: arithmetic that IEEE 754 fixes, and no other ----
 */

HPO_HD double kn_unit(uint32_t word)
{
    return (double)word * (1.0 / 4294967296.0);
}

HPO_HD double kn_between(uint32_t word, float low, float high)
{
    return (double)low + ((double)high - (double)low) * kn_unit(word);
}

/* e^x for |x| < 10, to 1e-14. */
HPO_HD double kn_exp_double(double x)
{
    double y = x / 16.0, sum = 1.0;

    for (int i = 16; i > 0; i--)
        sum = 1.0 + y / (double)i * sum;
    for (int i = 0; i < 4; i++)
        sum = sum * sum;
    return sum;
}

/* cos x (odd 0) or sin x (odd 1) for |x| <= pi, to 1e-14. */
HPO_HD double kn_circle(double x, int odd)
{
    double sum = 1.0;

    for (int i = 28 + odd; i > odd; i -= 2)
        sum = 1.0 - x * x / ((double)i * (double)(i - 1)) * sum;
    return odd ? x * sum : sum;
}

/* Half to even, as Python's and torch's round. */
HPO_HD int kn_round_even(double x)
{
    double down = floor(x), rest = x - down;
    int i = (int)down;

    return rest > 0.5 || (rest == 0.5 && i % 2) ? i + 1 : i;
}

/* A rectangle as drawn by the four words. ratio: first by second side. */
HPO_HD void kn_draw_sides(const struct kn_shape *s, struct kn_u4 r, int h, int w, int *ret_first,
                          int *ret_second)
{
    double area = (double)h * (double)w * kn_between(r.x, s->scale_min, s->scale_max);
    double ratio = kn_exp_double(kn_between(r.y, s->log_ratio_min, s->log_ratio_max));

    *ret_first = kn_round_even(sqrt(area * ratio));
    *ret_second = kn_round_even(sqrt(area / ratio));
}

/* As torchvision: ten attempts, then the middle, cut to an allowed ratio. */
HPO_HD void kn_draw_crop(const struct kn_augment *a, uint64_t seed, int fold, uint32_t epoch,
                         uint32_t image, int h, int w, struct kn_placement *p)
{
    double low = kn_exp_double((double)a->crop.log_ratio_min),
           high = kn_exp_double((double)a->crop.log_ratio_max), ratio = (double)w / (double)h;

    for (uint32_t i = 0; i < 10; i++) {
        struct kn_u4 r =
            kn_hash(seed, KN_FOR_RESIZED_CROP + (i << 8), (uint32_t)fold, epoch, image);

        kn_draw_sides(&a->crop, r, h, w, &p->width, &p->height);
        if (p->width > 0 && p->width <= w && p->height > 0 && p->height <= h) {
            p->dy = (int)kn_below(r.z, (uint32_t)(h - p->height) + 1);
            p->dx = (int)kn_below(r.w, (uint32_t)(w - p->width) + 1);
            return;
        }
    }
    p->width = ratio > high ? kn_round_even((double)h * high) : w;
    p->height = ratio < low ? kn_round_even((double)w / low) : h;
    p->width = p->width < 1 ? 1 : p->width > w ? w : p->width;
    p->height = p->height < 1 ? 1 : p->height > h ? h : p->height;
    p->dy = (h - p->height) / 2;
    p->dx = (w - p->width) / 2;
}

/* Ten attempts, then nothing. */
HPO_HD void kn_draw_erasing(const struct kn_augment *a, uint64_t seed, int fold, uint32_t epoch,
                            uint32_t image, int h, int w, struct kn_hole *ret)
{
    for (uint32_t i = 0; i < 10; i++) {
        struct kn_u4 r = kn_hash(seed, KN_FOR_ERASING + (i << 8), (uint32_t)fold, epoch, image);
        int high, wide;

        kn_draw_sides(&a->erase, r, h, w, &high, &wide);
        if (high < h && wide < w) {
            ret->y0 = (int)kn_below(r.z, (uint32_t)(h - high) + 1);
            ret->x0 = (int)kn_below(r.w, (uint32_t)(w - wide) + 1);
            ret->y1 = ret->y0 + high;
            ret->x1 = ret->x0 + wide;
            return;
        }
    }
}

/* A square of the given side around (x, y), as far as it lies in the image. */
HPO_HD struct kn_hole kn_square(int x, int y, int side, int h, int w)
{
    struct kn_hole q;

    q.x0 = x - side / 2;
    q.y0 = y - side / 2;
    q.x1 = q.x0 + side < w ? q.x0 + side : w;
    q.y1 = q.y0 + side < h ? q.y0 + side : h;
    q.x0 = q.x0 < 0 ? 0 : q.x0;
    q.y0 = q.y0 < 0 ? 0 : q.y0;
    return q;
}

HPO_HD int kn_in_hole(struct kn_hole q, int x, int y)
{
    return x >= q.x0 && x < q.x1 && y >= q.y0 && y < q.y1;
}

HPO_HD float kn_draw_factor(uint32_t word, float amount)
{
    return amount > 0.0f
               ? (float)kn_between(word, amount < 1.0f ? 1.0f - amount : 0.0f, 1.0f + amount)
               : 1.0f;
}

HPO_HD struct kn_colour kn_draw_colour(const struct kn_augment *a, struct kn_u4 r)
{
    struct kn_colour c;

    c.on = a->brightness > 0 || a->contrast > 0 || a->saturation > 0 || a->hue > 0;
    c.brightness = kn_draw_factor(r.x, a->brightness);
    c.contrast = kn_draw_factor(r.y, a->contrast);
    c.saturation = kn_draw_factor(r.z, a->saturation);
    c.hue = (float)kn_between(r.w, -a->hue, a->hue);
    return c;
}

/* Rotation, erasing and cutout, for those who use them. */
HPO_HD void kn_draw_rest(const struct kn_augment *a, uint64_t seed, int fold, uint32_t epoch,
                         uint32_t image, int h, int w, struct kn_placement *p)
{
    struct kn_u4 r = kn_hash(seed, KN_FOR_ROTATION, (uint32_t)fold, epoch, image);

    if (a->rotation > 0.0f) {
        double angle =
            kn_between(r.x, -a->rotation, a->rotation) * (3.14159265358979323846 / 180.0);

        p->resampled = p->turned = 1;
        p->cosine = (float)kn_circle(angle, 0);
        p->sine = (float)kn_circle(angle, 1);
    }
    if (a->cutout)
        p->cut = kn_square((int)kn_below(r.y, (uint32_t)w), (int)kn_below(r.z, (uint32_t)h),
                           a->cutout, h, w);
    if (a->erasing > 0.0f && (double)a->erasing > kn_unit(r.w))
        kn_draw_erasing(a, seed, fold, epoch, image, h, w, &p->erased);
}

HPO_HD int kn_draw_flip(int kind, uint32_t word, uint64_t seed, int fold, uint32_t epoch,
                        uint32_t image)
{
    if (kind != KN_FLIP_ALTERNATING)
        return kind ? (int)(word >> 31) : 0;
    return (int)((kn_hash(seed, KN_FOR_SIDE, (uint32_t)fold, 0, image).x >> 31) ^ (epoch & 1));
}

HPO_HD struct kn_placement kn_place(const struct kn_augment *a, uint64_t seed, int fold,
                                    uint32_t epoch, uint32_t image, int h, int w)
{
    struct kn_u4 r = kn_hash(seed, KN_FOR_AUGMENT, (uint32_t)fold, epoch, image);
    uint32_t places = 2u * (uint32_t)a->crop_padding + 1;
    struct kn_placement p = HPO_ZEROED;

    p.flip = kn_draw_flip(a->flip, r.x, seed, fold, epoch, image);
    p.vertical_flip = a->vertical_flip ? (int)(r.w >> 31) : 0;
    p.fill = a->fill;
    p.width = w;
    p.height = h;
    p.cosine = 1.0f;
    if (a->resized_crop) {
        kn_draw_crop(a, seed, fold, epoch, image, h, w, &p);
        p.resampled = p.width != w || p.height != h;
    } else if (a->crop_padding) {
        p.dx = (int)kn_below(r.y, places) - a->crop_padding;
        p.dy = (int)kn_below(r.z, places) - a->crop_padding;
    }
    if (a->rotation > 0.0f || a->erasing > 0.0f || a->cutout)
        kn_draw_rest(a, seed, fold, epoch, image, h, w, &p);
    if (a->brightness > 0 || a->contrast > 0 || a->saturation > 0 || a->hue > 0)
        p.colour = kn_draw_colour(a, kn_hash(seed, KN_FOR_COLOUR, (uint32_t)fold, epoch, image));
    return p;
}

/* ---- a pixel as the network sees it ---- */

/* v is in [0, 1]. */
HPO_HD float kn_normalise_real(float v, float mean, float std)
{
    return (v - mean) / std;
}

HPO_HD float kn_normalise(int pixel, float mean, float std)
{
    return kn_normalise_real((float)pixel / 255.0f, mean, std);
}

#endif
