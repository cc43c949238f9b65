/* torchvision.models.mobilenet_v3_small: Howard et al., "Searching for MobileNetV3", 2019. */
#include "trainer/models/parts.h"

struct mobilenet {
    double width_mult;
    int stem;
    struct model_head head;
};

struct row {
    int in, kernel, expanded, out;
    bool excite, hard; /* squeeze-and-excite; hardswish instead of ReLU */
    int stride;
};

static const struct row rows[] = {
    {16, 3, 16, 16, true, false, 2},  {16, 3, 72, 24, false, false, 2},
    {24, 3, 88, 24, false, false, 1}, {24, 5, 96, 40, true, true, 2},
    {40, 5, 240, 40, true, true, 1},  {40, 5, 240, 40, true, true, 1},
    {40, 5, 120, 48, true, true, 1},  {48, 5, 144, 48, true, true, 1},
    {48, 5, 288, 96, true, true, 2},  {96, 5, 576, 96, true, true, 1},
    {96, 5, 576, 96, true, true, 1},
};

static const char *part_name(char *buf, const char *path, int part, const char *what)
{
    char tail[16];

    snprintf(tail, sizeof(tail), "block.%d.%.6s", part, what);
    return model_name(buf, path, tail);
}

static int norm(struct kn_net *n, const char *name, int in)
{
    return kn_batch_norm_with(n, name, in, 1e-3f, 0.01f);
}

static int act(struct kn_net *n, const char *name, int in, bool hard)
{
    return hard ? kn_act_layer(n, name, in, KN_HARDSWISH) : kn_relu(n, name, in);
}

static int squeeze_excite(struct kn_net *n, const char *path, int part, int in, int channels)
{
    char name[KN_NAME];
    int t;

    t = kn_global_avg_pool(n, part_name(name, path, part, "pool"), in);
    t = kn_conv2d(n, part_name(name, path, part, "fc1"), t, model_divisible(channels / 4), 1, 1, 0,
                  true, KN_INIT_KAIMING_FAN_OUT);
    kn_init_with(n, KN_INIT_KAIMING_FAN_OUT, KN_INIT_ZERO);
    t = kn_relu(n, part_name(name, path, part, "relu"), t);
    t = kn_conv2d(n, part_name(name, path, part, "fc2"), t, channels, 1, 1, 0, true,
                  KN_INIT_KAIMING_FAN_OUT);
    kn_init_with(n, KN_INIT_KAIMING_FAN_OUT, KN_INIT_ZERO);
    t = kn_act_layer(n, part_name(name, path, part, "gate"), t, KN_HARDSIGMOID);
    return kn_scale(n, part_name(name, path, part, "scale"), in, t);
}

static int block(struct kn_net *n, const char *path, const struct row *r, double mult, int in)
{
    int channels = model_divisible(r->in * mult), expanded = model_divisible(r->expanded * mult);
    int out = model_divisible(r->out * mult), t = in, part = 0;
    char name[KN_NAME];

    if (expanded != channels) {
        t = kn_conv2d(n, part_name(name, path, part, "0"), t, expanded, 1, 1, 0, false,
                      KN_INIT_KAIMING_FAN_OUT);
        t = norm(n, part_name(name, path, part, "1"), t);
        t = act(n, part_name(name, path, part++, "2"), t, r->hard);
    }
    t = kn_depthwise(n, part_name(name, path, part, "0"), t, r->kernel, r->stride, r->kernel / 2,
                     false, KN_INIT_KAIMING_FAN_OUT);
    t = norm(n, part_name(name, path, part, "1"), t);
    t = act(n, part_name(name, path, part++, "2"), t, r->hard);
    if (r->excite)
        t = squeeze_excite(n, path, part++, t, expanded);
    t = kn_conv2d(n, part_name(name, path, part, "0"), t, out, 1, 1, 0, false,
                  KN_INIT_KAIMING_FAN_OUT);
    t = norm(n, part_name(name, path, part, "1"), t);
    if (r->stride != 1 || channels != out)
        return t;
    return kn_add(n, model_name(name, path, "add"), t, in);
}

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    const struct mobilenet *o = opts;
    char path[32];
    int t;

    t = kn_conv2d(ret, "features.0.0", 0, model_divisible(16 * o->width_mult), 3,
                  model_small_stem(o->stem, in) ? 1 : 2, 1, false, KN_INIT_KAIMING_FAN_OUT);
    t = norm(ret, "features.0.1", t);
    t = act(ret, "features.0.2", t, true);
    for (size_t i = 0; i < HPO_LEN(rows); i++) {
        snprintf(path, sizeof(path), "features.%zu", i + 1);
        t = block(ret, path, &rows[i], o->width_mult, t);
    }
    t = kn_conv2d(ret, "features.12.0", t, 6 * model_divisible(96 * o->width_mult), 1, 1, 0, false,
                  KN_INIT_KAIMING_FAN_OUT);
    t = norm(ret, "features.12.1", t);
    t = act(ret, "features.12.2", t, true);
    t = kn_global_avg_pool(ret, "avgpool", t);
    t = kn_linear(ret, "classifier.0", t, model_divisible(1024 * o->width_mult), true);
    kn_init_with(ret, KN_INIT_NORMAL_01, KN_INIT_ZERO);
    t = act(ret, "classifier.1", t, true);
    t = kn_dropout_samples(ret, "classifier.2", t, (float)o->head.dropout, o->head.samples);
    kn_linear(ret, "classifier.3", t, in->classes, true);
    kn_init_with(ret, KN_INIT_NORMAL_01, KN_INIT_ZERO);
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct mobilenet, width_mult, "width_mult", "1.0", 0.1, 8, 0,
            "factor on all channels"),
    HPO_OPT_WORDS(struct mobilenet, stem, "stem", "auto", "imagenet|small|auto", 0,
                  "imagenet: the first convolution halves the picture; small: it does not; auto: "
                  "small up to 64 pixels"),
    HEAD_OPTS(struct mobilenet, head, "0.2"),
    {0},
};

const struct model_ops model_mobilenet_v3_small = {
    .plugin = {"mobilenet_v3_small",
               "MobileNetV3, the small one (torchvision.models.mobilenet_v3_small)",
               sizeof(struct mobilenet), options},
    .build = build,
};
