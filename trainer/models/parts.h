/* trainer/models/parts.h - what several architectures are made of. Names are torchvision's, so that
 * weights travel. */
#ifndef HPO_TRAINER_MODELS_PARTS_H
#define HPO_TRAINER_MODELS_PARTS_H

#include <stdio.h>

#include "trainer/model.h"

/* The end of a classifier: dropout of the features, several masks of it at once. */
struct model_head {
    double dropout;
    int samples;
};

#define HEAD_OPTS(S, F, DROPOUT)                                                 \
    HPO_OPT(REAL, S, F.dropout, "dropout", DROPOUT, 0, 1, HPO_OPT_MAX_OPEN,      \
            "share of the features dropped before the last layer"),              \
        HPO_OPT(INT, S, F.samples, "dropout_samples", "1", 1, KN_MAX_SAMPLES, 0, \
                "dropout masks an image, whose losses are averaged (multi-sample dropout)")

/* "PATH.PART", in a buffer of KN_NAME bytes. */
static inline const char *model_name(char *buf, const char *path, const char *part)
{
    snprintf(buf, KN_NAME, "%.44s.%.16s", path, part);
    return buf;
}

/* Sizes that count as small pictures: networks made for 224 pixels halve them too often. */
#define MODEL_SMALL 64

enum model_stem { MODEL_STEM_IMAGENET, MODEL_STEM_SMALL, MODEL_STEM_AUTO };

static inline bool model_small_stem(int stem, const struct model_input *in)
{
    int side = in->height < in->width ? in->height : in->width;

    return stem == MODEL_STEM_SMALL || (stem == MODEL_STEM_AUTO && side <= MODEL_SMALL);
}

/* torchvision's _make_divisible: a multiple of 8 near v, not below 90 % of it. */
static inline int model_divisible(double v)
{
    int n = (int)(v + 4) / 8 * 8;

    n = n < 8 ? 8 : n;
    return (double)n < 0.9 * v ? n + 8 : n;
}

#endif
