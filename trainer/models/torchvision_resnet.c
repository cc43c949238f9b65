#include "trainer/models/torchvision_resnet.h"

struct block {
    const char *path;
    int in, channels, stride;
    bool bottleneck;
    int rate; /* of stochastic depth; -1: none */
    float fraction;
};

static int conv_bn(struct kn_net *n, const struct block *b, int i, int in, int channels, int kernel,
                   int stride)
{
    char name[KN_NAME], part[16];

    snprintf(part, sizeof(part), "conv%d", i);
    in = kn_conv2d(n, model_name(name, b->path, part), in, channels, kernel, stride, kernel / 2,
                   false, KN_INIT_KAIMING_FAN_OUT);
    snprintf(part, sizeof(part), "bn%d", i);
    return kn_batch_norm(n, model_name(name, b->path, part), in);
}

static int block(struct kn_net *n, const struct block *b)
{
    int out = b->bottleneck ? 4 * b->channels : b->channels, shortcut = b->in, t = b->in;
    char name[KN_NAME];

    if (b->bottleneck) {
        t = conv_bn(n, b, 1, t, b->channels, 1, 1);
        t = kn_relu(n, model_name(name, b->path, "relu1"), t);
        t = conv_bn(n, b, 2, t, b->channels, 3, b->stride);
        t = kn_relu(n, model_name(name, b->path, "relu2"), t);
        t = conv_bn(n, b, 3, t, out, 1, 1);
    } else {
        t = conv_bn(n, b, 1, t, out, 3, b->stride);
        t = kn_relu(n, model_name(name, b->path, "relu1"), t);
        t = conv_bn(n, b, 2, t, out, 3, 1);
    }
    if (!n->rc && (b->stride != 1 || n->tensor[b->in].c != out)) {
        shortcut = kn_conv2d(n, model_name(name, b->path, "downsample.0"), b->in, out, 1, b->stride,
                             0, false, KN_INIT_KAIMING_FAN_OUT);
        shortcut = kn_batch_norm(n, model_name(name, b->path, "downsample.1"), shortcut);
    }
    if (b->rate >= 0)
        t = kn_drop_path(n, model_name(name, b->path, "drop_path"), t, b->rate, b->fraction);
    t = kn_add(n, model_name(name, b->path, "add"), t, shortcut);
    return kn_relu(n, model_name(name, b->path, "relu"), t);
}

static int stem(const struct torchvision_resnet *o, const struct model_input *in, struct kn_net *n)
{
    bool small = model_small_stem(o->stem, in);
    int t = small ? kn_conv2d(n, "conv1", 0, o->width, 3, 1, 1, false, KN_INIT_KAIMING_FAN_OUT)
                  : kn_conv2d(n, "conv1", 0, o->width, 7, 2, 3, false, KN_INIT_KAIMING_FAN_OUT);

    t = kn_batch_norm(n, "bn1", t);
    t = kn_relu(n, "relu", t);
    return small ? t : kn_max_pool(n, "maxpool", t, 3, 2, 1);
}

void torchvision_resnet_build(const struct torchvision_resnet *o, const struct model_input *in,
                              const int blocks[4], bool bottleneck, struct kn_net *ret)
{
    int rate =
        o->stochastic_depth > 0 ? kn_rate(ret, "stochastic_depth", (float)o->stochastic_depth) : -1;
    int t = stem(o, in, ret), total = 0, done = 0;
    char path[32];

    for (int g = 0; g < 4; g++)
        total += blocks[g];
    for (int g = 0; g < 4; g++)
        for (int i = 0; i < blocks[g]; i++) {
            snprintf(path, sizeof(path), "layer%d.%d", g + 1, i);
            t = block(ret, &(struct block){.path = path,
                                           .in = t,
                                           .channels = o->width << g,
                                           .stride = g && !i ? 2 : 1,
                                           .bottleneck = bottleneck,
                                           .rate = rate,
                                           .fraction = (float)++done / (float)total});
        }
    t = kn_global_avg_pool(ret, "avgpool", t);
    if (o->head.dropout > 0)
        t = kn_dropout_samples(ret, "dropout", t, (float)o->head.dropout, o->head.samples);
    kn_linear(ret, "fc", t, in->classes, true);
}
