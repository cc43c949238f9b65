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
    {0},
};

static const struct hpo_opt augment_options[] = {
    HPO_OPT(BOOL, struct tr_augment_opts, flip, "flip", "true", 0, 0, 0,
            "mirror half of the images left to right; turn it off for digits, text, or anything "
            "with a side"),
    HPO_OPT(INT, struct tr_augment_opts, crop_padding, "crop_padding", "4", 0, 1024, 0,
            "add this many black pixels on each side and crop at random to the old size; 0 is off"),
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
