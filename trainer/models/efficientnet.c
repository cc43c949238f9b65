#include "trainer/models/efficientnet.h"

#include <math.h>
#include <string.h>

struct stage {
    int expand, kernel, stride, in, out, layers;
};

static const struct stage stages[] = {
    {1, 3, 1, 32, 16, 1},  {6, 3, 2, 16, 24, 2},   {6, 5, 2, 24, 40, 2},   {6, 3, 2, 40, 80, 3},
    {6, 5, 1, 80, 112, 3}, {6, 5, 2, 112, 192, 4}, {6, 3, 1, 192, 320, 1},
};

struct block {
    const char *path;
    int in, channels, out, expanded, kernel, stride; /* channels: of in */
    int rate;
    float fraction;
};

static const char *part_name(char *buf, const struct block *b, int part, const char *what)
{
    char tail[16];

    snprintf(tail, sizeof(tail), "block.%d.%.6s", part, what);
    return model_name(buf, b->path, tail);
}

static int conv_bn(struct kn_net *n, const struct block *b, int part, int in, int channels)
{
    char name[KN_NAME];

    in = kn_conv2d(n, part_name(name, b, part, "0"), in, channels, 1, 1, 0, false,
                   KN_INIT_KAIMING_FAN_OUT);
    return kn_batch_norm(n, part_name(name, b, part, "1"), in);
}

static int squeeze_excite(struct kn_net *n, const struct block *b, int part, int in)
{
    int squeezed = b->channels / 4, t;
    char name[KN_NAME];

    t = kn_global_avg_pool(n, part_name(name, b, part, "pool"), in);
    t = kn_conv2d(n, part_name(name, b, part, "fc1"), t, squeezed < 1 ? 1 : squeezed, 1, 1, 0, true,
                  KN_INIT_KAIMING_FAN_OUT);
    kn_init_with(n, KN_INIT_KAIMING_FAN_OUT, KN_INIT_ZERO);
    t = kn_act_layer(n, part_name(name, b, part, "act"), t, KN_SILU);
    t = kn_conv2d(n, part_name(name, b, part, "fc2"), t, b->expanded, 1, 1, 0, true,
                  KN_INIT_KAIMING_FAN_OUT);
    kn_init_with(n, KN_INIT_KAIMING_FAN_OUT, KN_INIT_ZERO);
    t = kn_act_layer(n, part_name(name, b, part, "gate"), t, KN_SIGMOID);
    return kn_scale(n, part_name(name, b, part, "scale"), in, t);
}

/* An inverted residual: widen, convolve each channel by itself, weigh the channels, narrow. */
static int block(struct kn_net *n, const struct block *b)
{
    int t = b->in, part = 0;
    char name[KN_NAME];

    if (b->expanded != b->channels) {
        t = conv_bn(n, b, part, t, b->expanded);
        t = kn_act_layer(n, part_name(name, b, part++, "2"), t, KN_SILU);
    }
    t = kn_depthwise(n, part_name(name, b, part, "0"), t, b->kernel, b->stride, b->kernel / 2,
                     false, KN_INIT_KAIMING_FAN_OUT);
    t = kn_batch_norm(n, part_name(name, b, part, "1"), t);
    t = kn_act_layer(n, part_name(name, b, part++, "2"), t, KN_SILU);
    t = squeeze_excite(n, b, part++, t);
    t = conv_bn(n, b, part, t, b->out);
    if (b->stride != 1 || b->channels != b->out)
        return t;
    if (b->rate >= 0)
        t = kn_drop_path(n, model_name(name, b->path, "stochastic_depth"), t, b->rate, b->fraction);
    return kn_add(n, model_name(name, b->path, "add"), t, b->in);
}

static int features(const struct efficientnet *o, struct kn_net *n, int t)
{
    int rate =
        o->stochastic_depth > 0 ? kn_rate(n, "stochastic_depth", (float)o->stochastic_depth) : -1;
    int total = 0, done = 0, channels = model_divisible(32 * o->width_mult);
    char path[32];

    for (size_t s = 0; s < HPO_LEN(stages); s++)
        total += (int)ceil(stages[s].layers * o->depth_mult);
    for (size_t s = 0; s < HPO_LEN(stages); s++) {
        int layers = (int)ceil(stages[s].layers * o->depth_mult);
        int out = model_divisible(stages[s].out * o->width_mult);

        for (int i = 0; i < layers; i++, channels = out) {
            snprintf(path, sizeof(path), "features.%zu.%d", s + 1, i);
            t = block(n, &(struct block){.path = path,
                                         .in = t,
                                         .channels = channels,
                                         .out = out,
                                         .expanded = model_divisible(channels * stages[s].expand),
                                         .kernel = stages[s].kernel,
                                         .stride = i ? 1 : stages[s].stride,
                                         .rate = rate,
                                         .fraction = (float)done++ / (float)total});
        }
    }
    return t;
}

void efficientnet_build(const struct efficientnet *o, const struct model_input *in,
                        struct kn_net *ret)
{
    int last = 4 * model_divisible(320 * o->width_mult), t;

    t = kn_conv2d(ret, "features.0.0", 0, model_divisible(32 * o->width_mult), 3,
                  model_small_stem(o->stem, in) ? 1 : 2, 1, false, KN_INIT_KAIMING_FAN_OUT);
    t = kn_batch_norm(ret, "features.0.1", t);
    t = kn_act_layer(ret, "features.0.2", t, KN_SILU);
    t = features(o, ret, t);
    t = kn_conv2d(ret, "features.8.0", t, last, 1, 1, 0, false, KN_INIT_KAIMING_FAN_OUT);
    t = kn_batch_norm(ret, "features.8.1", t);
    t = kn_act_layer(ret, "features.8.2", t, KN_SILU);
    t = kn_global_avg_pool(ret, "avgpool", t);
    t = kn_dropout_samples(ret, "classifier.0", t, (float)o->head.dropout, o->head.samples);
    kn_linear(ret, "classifier.1", t, in->classes, true);
    kn_init_with(ret, KN_INIT_UNIFORM_OUT, KN_INIT_ZERO);
}

/* The parts of a block: with the widening convolution, and without it. */
static const struct {
    const char *ours, *theirs[2];
} parts[] = {
    {"block.0.0.", {"conv_pw.", "conv_dw."}},    {"block.0.1.", {"bn1.", "bn1."}},
    {"block.1.0.", {"conv_dw.", NULL}},          {"block.1.1.", {"bn2.", NULL}},
    {"block.1.fc1.", {NULL, "se.conv_reduce."}}, {"block.1.fc2.", {NULL, "se.conv_expand."}},
    {"block.2.fc1.", {"se.conv_reduce.", NULL}}, {"block.2.fc2.", {"se.conv_expand.", NULL}},
    {"block.2.0.", {NULL, "conv_pw."}},          {"block.2.1.", {NULL, "bn2."}},
    {"block.3.0.", {"conv_pwl.", NULL}},         {"block.3.1.", {"bn3.", NULL}},
};

static const struct {
    const char *ours, *theirs;
} ends[] = {
    {"features.0.0.", "conv_stem."},  {"features.0.1.", "bn1."},
    {"features.8.0.", "conv_head."},  {"features.8.1.", "bn2."},
    {"classifier.1.", "classifier."},
};

/* What follows the prefix; NULL: it is not one. */
static const char *after(const char *name, const char *prefix)
{
    return prefix && !strncmp(name, prefix, strlen(prefix)) ? name + strlen(prefix) : NULL;
}

bool efficientnet_timm_name(const char *name, char *ret)
{
    int stage, layer, n = 0;
    const char *tail;

    for (size_t i = 0; i < HPO_LEN(ends); i++)
        if ((tail = after(name, ends[i].ours))) {
            snprintf(ret, KN_NAME, "%s%s", ends[i].theirs, tail);
            return true;
        }
    if (sscanf(name, "features.%d.%d.%n", &stage, &layer, &n) != 2 || !n)
        return false;
    for (size_t i = 0; i < HPO_LEN(parts); i++) {
        const char *theirs = parts[i].theirs[stage == 1];

        tail = after(name + n, parts[i].ours);
        if (tail && theirs) {
            snprintf(ret, KN_NAME, "blocks.%d.%d.%s%s", stage - 1, layer, theirs, tail);
            return true;
        }
    }
    return false;
}
