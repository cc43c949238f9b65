/* trainer/config.h - one training configuration: the `trainer:` section of a study file with every
 * value in place. Its tables are the one place where its options are declared. */
#ifndef HPO_TRAINER_CONFIG_H
#define HPO_TRAINER_CONFIG_H

#include "base/diag.h"
#include "base/opt.h"
#include "kernels/backend.h"
#include "trainer/averaging.h"
#include "trainer/loss.h"
#include "trainer/model.h"
#include "trainer/optimizer.h"
#include "trainer/schedule.h"

/* kernels/math/augment.h and trainer/mixing.h say what these do. */
struct tr_augment_opts {
    bool flip;
    int crop_padding;
    int flip_mode, crop_fill; /* as their words stand: alternating 1; reflect 1 */
    bool vertical_flip, random_resized_crop;
    double scale_min, scale_max, ratio_min, ratio_max;
    double rotation, brightness, contrast, saturation, hue;
    double erasing, erasing_scale_min, erasing_scale_max, erasing_ratio_min, erasing_ratio_max;
    int cutout;
    double mixup, cutmix, mix_probability, cutmix_share;
};

enum tr_freeze { TR_FREEZE_NONE, TR_FREEZE_BACKBONE };
enum tr_normalize { TR_NORMALIZE_AUTO, TR_NORMALIZE_DATASET, TR_NORMALIZE_IMAGENET };

enum tr_tta { TR_TTA_NONE, TR_TTA_FLIP };

/* These begin with what was chosen; the rest holds for every type. */
struct tr_model_opts {
    struct hpo_part part;
    const char *pretrained; /* NULL: begins at random */
    int freeze;             /* enum tr_freeze */
    int unfreeze_epoch;     /* 0: never */
    double backbone_lr;     /* a factor */
};

struct tr_optimizer_opts {
    struct hpo_part part;
    bool decay_bias_norm;
    double clip_norm;
    int accumulate;
    double bias_scaler; /* 0: none, 1 */
};

struct tr_early_stopping {
    int patience; /* epochs; 0: off */
    double min_delta;
};

struct tr_config {
    int batch_size, epochs;
    int seeds;     /* each fold is trained so many times, from other initial weights */
    int precision; /* enum kn_precision, in the order of the words auto|fp32|tf32|bf16|fp16 */
    int normalize; /* enum tr_normalize */
    int tta;       /* enum tr_tta */
    struct tr_model_opts model;              /* ops: struct model_ops * */
    struct hpo_part schedule, loss, average; /* ops: struct schedule_ops * ... */
    struct tr_optimizer_opts optimizer;
    struct tr_augment_opts augment;
    struct tr_early_stopping early_stopping;
};

/* The sections, paths relative to `trainer` ("" is trainer itself), offsets into struct tr_config.
 * The last has path NULL. Read by hpo/config to bind, document and search them. */
extern const struct hpo_section tr_sections[];

#endif
