#include "trainer/config.h"

static const struct hpo_opt trainer_options[] = {
    HPO_OPT(INT, struct tr_config, batch_size, "batch_size", "128", 1, 65536, 0,
            "images of a training step"),
    HPO_OPT(INT, struct tr_config, epochs, "epochs", "10", 1, 100000, 0,
            "passes over the training images of a fold"),
    HPO_OPT(
        INT, struct tr_config, seeds, "seeds", "1", 1, 64, HPO_OPT_FIXED,
        "each fold is trained this many times, with other initial weights, order and "
        "augmentation; a trial's value is the mean over all; first come all folds with the first "
        "seed"),
    HPO_OPT_WORDS(struct tr_config, precision, "precision", "auto", "auto|fp32|tf32|bf16|fp16", 0,
                  "number format of the arithmetic; auto takes the device's usual one (fp32 on a "
                  "CPU)"),
    HPO_OPT_WORDS(
        struct tr_config, normalize, "normalize", "auto", "auto|dataset|imagenet", 0,
        "mean and deviation of the colours that the network's input is scaled by: those of "
        "the training images, or ImageNet's, which pretrained weights expect; auto is "
        "imagenet with model.pretrained, else dataset"),
    HPO_OPT_WORDS(struct tr_config, tta, "tta", "none", "none|flip", 0,
                  "test-time augmentation, in every evaluation; flip: the mean of the logits of an "
                  "image and of its mirror image, left to right"),
    {0},
};

static const struct hpo_opt model_options[] = {
    HPO_OPT(
        STR, struct tr_model_opts, pretrained, "pretrained", NULL, 0, 0,
        HPO_OPT_PATH | HPO_OPT_FIXED,
        "a safetensors file with a state dict of torchvision or timm that training begins with; "
        "or a folder with TYPE.safetensors for each type of model; the last layer begins at "
        "random unless it has as many classes"),
    HPO_OPT_WORDS(struct tr_model_opts, freeze, "freeze", "none", "none|backbone", 0,
                  "backbone: only the last layer is trained, on the features of the others, whose "
                  "batch norms work as in evaluation"),
    HPO_OPT(
        INT, struct tr_model_opts, unfreeze_epoch, "unfreeze_epoch", "0", 0, 100000, 0,
        "with freeze: from this epoch on everything is trained, the optimizer beginning anew; 0 "
        "is never"),
    HPO_OPT(REAL, struct tr_model_opts, backbone_lr, "backbone_lr", "1.0", 0, 1000,
            HPO_OPT_MIN_OPEN,
            "the learning rate of everything before the last layer, as a share of the optimizer's; "
            "0.1 is usual for fine-tuning"),
    {0},
};

static const struct hpo_opt optimizer_options[] = {
    HPO_OPT(
        BOOL, struct tr_optimizer_opts, decay_bias_norm, "decay_bias_norm", "true", 0, 0, 0,
        "let weight decay act on biases and on batch norm's parameters as well, as PyTorch does "
        "by itself; recipes that win switch it off"),
    HPO_OPT(REAL, struct tr_optimizer_opts, clip_norm, "clip_norm", "0.0", 0, 1e9, 0,
            "scale gradients down to at most this norm, all of them together; 0 is off "
            "(torch.nn.utils.clip_grad_norm_)"),
    HPO_OPT(INT, struct tr_optimizer_opts, accumulate, "accumulate", "1", 1, 65536, 0,
            "batches whose gradients are averaged for one step"),
    HPO_OPT(REAL, struct tr_optimizer_opts, bias_scaler, "bias_scaler", "1.0", 0, 1e6,
            HPO_OPT_MIN_OPEN,
            "the rate of batch norm's biases is so many times the others', and their decay is "
            "divided by it (airbench: 64)"),
    {0},
};

#define AUGMENT(TYPE, NAME, DEF, LO, HI, FLAGS, HELP) \
    HPO_OPT(TYPE, struct tr_augment_opts, NAME, #NAME, DEF, LO, HI, FLAGS, HELP)

static const struct hpo_opt augment_options[] = {
    AUGMENT(BOOL, flip, "true", 0, 0, 0,
            "mirror half of the images left to right; turn it off for digits, text, or anything "
            "with a side"),
    AUGMENT(INT, crop_padding, "4", 0, 1024, 0,
            "add this many pixels on each side and crop at random to the old size; 0 is off"),
    HPO_OPT_WORDS(
        struct tr_augment_opts, flip_mode, "flip_mode", "random", "random|alternating", 0,
        "which half `flip` mirrors: drawn in every epoch, or drawn once, and from then on "
        "each image in every other epoch (airbench)"),
    HPO_OPT_WORDS(struct tr_augment_opts, crop_fill, "crop_fill", "zero", "zero|reflect", 0,
                  "what is beyond the edges for crop_padding and rotation: black, or the image "
                  "mirrored"),
    AUGMENT(BOOL, vertical_flip, "false", 0, 0, 0, "mirror half of the images top to bottom"),
    AUGMENT(BOOL, random_resized_crop, "false", 0, 0, 0,
            "cut out a random part and stretch it to the old size, in place of crop_padding "
            "(torchvision's RandomResizedCrop)"),
    AUGMENT(REAL, scale_min, "0.08", 0, 1, HPO_OPT_MIN_OPEN,
            "random_resized_crop: the smallest share of the area"),
    AUGMENT(REAL, scale_max, "1.0", 0, 1, HPO_OPT_MIN_OPEN,
            "random_resized_crop: the largest share of the area"),
    AUGMENT(REAL, ratio_min, "0.75", 0.01, 100, 0,
            "random_resized_crop: the smallest width divided by height"),
    AUGMENT(REAL, ratio_max, "1.3333333333333333", 0.01, 100, 0,
            "random_resized_crop: the largest width divided by height"),
    AUGMENT(REAL, rotation, "0.0", 0, 180, 0,
            "turn by up to this many degrees to either side; 0 is off (RandomRotation, bilinear)"),
    AUGMENT(REAL, brightness, "0.0", 0, 10, 0,
            "multiply by a factor of 1 - this to 1 + this, at least 0; 0 is off (ColorJitter)"),
    AUGMENT(REAL, contrast, "0.0", 0, 10, 0,
            "the same factor for the distance from the mean grey; 0 is off"),
    AUGMENT(REAL, saturation, "0.0", 0, 10, 0,
            "the same factor for the distance from the pixel's grey; 0 is off"),
    AUGMENT(REAL, hue, "0.0", 0, 0.5, 0,
            "turn the hue by up to this share of the circle to either side; 0 is off"),
    AUGMENT(REAL, erasing, "0.0", 0, 1, 0,
            "probability with which a random rectangle is set to the mean colour; 0 is off "
            "(RandomErasing)"),
    AUGMENT(REAL, erasing_scale_min, "0.02", 0, 1, HPO_OPT_MIN_OPEN,
            "erasing: the smallest share of the area"),
    AUGMENT(REAL, erasing_scale_max, "0.33", 0, 1, HPO_OPT_MIN_OPEN,
            "erasing: the largest share of the area"),
    AUGMENT(REAL, erasing_ratio_min, "0.3", 0.01, 100, 0,
            "erasing: the smallest height divided by width"),
    AUGMENT(REAL, erasing_ratio_max, "3.3", 0.01, 100, 0,
            "erasing: the largest height divided by width"),
    AUGMENT(INT, cutout, "0", 0, 1024, 0,
            "set a square of this side around a random pixel to the mean colour; 0 is off (DeVries "
            "and Taylor, 2017)"),
    AUGMENT(REAL, mixup, "0.0", 0, 100, 0,
            "add up two images and their labels, with weights from Beta(this, this); 0 is off "
            "(timm's mixup_alpha)"),
    AUGMENT(REAL, cutmix, "0.0", 0, 100, 0,
            "set a rectangle of one image into another and mix labels by area, which is from "
            "Beta(this, this); 0 is off (timm's cutmix_alpha)"),
    AUGMENT(REAL, mix_probability, "1.0", 0, 1, 0,
            "share of the batches that mixup or cutmix mixes (timm's mixup_prob)"),
    AUGMENT(REAL, cutmix_share, "0.5", 0, 1, 0,
            "with both of them on, cutmix's share of the mixed batches (timm's mixup_switch_prob)"),
    {0},
};

static const struct hpo_opt early_stopping_options[] = {
    HPO_OPT(
        INT, struct tr_early_stopping, patience, "patience", "0", 0, 100000, 0,
        "a fold ends after this many epochs in a row in which study.metric did not become better "
        "on its validation images; 0 is never"),
    HPO_OPT(REAL, struct tr_early_stopping, min_delta, "min_delta", "0.0", 0, 1e9, 0,
            "to count as better, an epoch is better than the best before by more than this"),
    {0},
};

#define KINDS(registry) ((const void *const *)(registry))

const struct hpo_section tr_sections[] = {
    {"", "how a configuration is trained", trainer_options, NULL, NULL, 0},
    {"model", "the network", model_options, KINDS(model_registry), "convnet",
     offsetof(struct tr_config, model)},
    {"optimizer", "how weights follow their gradients", optimizer_options,
     KINDS(optimizer_registry), "sgd", offsetof(struct tr_config, optimizer)},
    {"schedule", "the learning rate over time", NULL, KINDS(schedule_registry), "constant",
     offsetof(struct tr_config, schedule)},
    {"loss", "what training makes small", NULL, KINDS(loss_registry), "cross_entropy",
     offsetof(struct tr_config, loss)},
    {"average", "average weights, which are then what is evaluated", NULL,
     KINDS(averaging_registry), "none", offsetof(struct tr_config, average)},
    {"augment", "random changes to the training images", augment_options, NULL, NULL,
     offsetof(struct tr_config, augment)},
    {"early_stopping", "when a fold trains no further", early_stopping_options, NULL, NULL,
     offsetof(struct tr_config, early_stopping)},
    {0},
};
