#include "trainer/mixing.h"

#include <math.h>

#include "base/rng.h"

static int lower_shape(const char *name, double scale_min, double scale_max, double ratio_min,
                       double ratio_max, struct kn_shape *ret, struct hpo_err *err)
{
    if (scale_min > scale_max)
        return hpo_fail(err, HPO_ECONFIG, "augment: %sscale_min, %g, is above %sscale_max, %g",
                        name, scale_min, name, scale_max);
    if (ratio_min > ratio_max)
        return hpo_fail(err, HPO_ECONFIG, "augment: %sratio_min, %g, is above %sratio_max, %g",
                        name, ratio_min, name, ratio_max);
    *ret = (struct kn_shape){(float)scale_min, (float)scale_max, (float)log(ratio_min),
                             (float)log(ratio_max)};
    return HPO_OK;
}

int tr_augment_lower(const struct tr_augment_opts *o, struct kn_augment *ret, struct hpo_err *err)
{
    struct kn_augment a = {
        .flip = !o->flip       ? KN_FLIP_NONE
                : o->flip_mode ? KN_FLIP_ALTERNATING
                               : KN_FLIP_RANDOM,
        .crop_padding = o->crop_padding,
        .fill = o->crop_fill ? KN_FILL_REFLECT : KN_FILL_ZERO,
        .vertical_flip = o->vertical_flip,
        .resized_crop = o->random_resized_crop,
        .rotation = (float)o->rotation,
        .brightness = (float)o->brightness,
        .contrast = (float)o->contrast,
        .saturation = (float)o->saturation,
        .hue = (float)o->hue,
        .erasing = (float)o->erasing,
        .cutout = o->cutout,
    };
    int rc = HPO_OK;

    if (a.resized_crop)
        rc = lower_shape("", o->scale_min, o->scale_max, o->ratio_min, o->ratio_max, &a.crop, err);
    if (!rc && a.erasing > 0)
        rc = lower_shape("erasing_", o->erasing_scale_min, o->erasing_scale_max,
                         o->erasing_ratio_min, o->erasing_ratio_max, &a.erase, err);
    if (!rc)
        *ret = a;
    return rc;
}

/* The edges of a side of `cut` pixels around `middle`, within 0 .. size. */
static void cut_edges(int middle, int cut, int size, int *ret_first, int *ret_last)
{
    int first = middle - cut / 2, last = middle + cut / 2;

    *ret_first = first < 0 ? 0 : first;
    *ret_last = last > size ? size : last;
}

/* The box has the share 1 - lambda of the area, and any pixel as its middle; lambda is then what is
 * left after the edges cut some of it off. */
static void draw_box(struct hpo_rng *rng, int h, int w, struct kn_mix *ret)
{
    double side = sqrt(1.0 - (double)ret->lambda);
    int cy = (int)hpo_rng_below(rng, (uint64_t)h), cx = (int)hpo_rng_below(rng, (uint64_t)w);

    cut_edges(cy, (int)(h * side), h, &ret->y0, &ret->y1);
    cut_edges(cx, (int)(w * side), w, &ret->x0, &ret->x1);
    ret->lambda =
        (float)(1.0 - (double)(ret->y1 - ret->y0) * (ret->x1 - ret->x0) / ((double)h * w));
}

struct kn_mix tr_mix(const struct tr_augment_opts *o, uint64_t seed, int fold, uint32_t step, int h,
                     int w)
{
    struct kn_mix mix = {.kind = KN_MIX_NONE};
    struct hpo_rng rng;
    bool cut;

    if (o->mixup <= 0 && o->cutmix <= 0)
        return mix;
    rng = hpo_rng_for(seed, -1, fold, "mix", step);
    if (hpo_rng_uniform(&rng) >= o->mix_probability)
        return mix;
    cut = o->cutmix > 0 && (o->mixup <= 0 || hpo_rng_uniform(&rng) < o->cutmix_share);
    mix.kind = cut ? KN_CUTMIX : KN_MIXUP;
    mix.lambda = (float)(cut ? hpo_rng_beta(&rng, o->cutmix, o->cutmix)
                             : hpo_rng_beta(&rng, o->mixup, o->mixup));
    if (cut)
        draw_box(&rng, h, w, &mix);
    return mix;
}
