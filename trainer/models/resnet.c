/* The residual networks for small pictures: He et al., "Deep Residual Learning for Image
 * Recognition", 2015, section 4.2, of depth 6n + 2: three groups of n basic blocks.
 *
 * Names, the projection shortcut (1x1 convolution and batch norm) and the initial weights are
 * torchvision's. The paper's own shortcut for this form pads with zeros; the projection has 0.5 %
 * more weights and is what torchvision's BasicBlock does. */
#include "trainer/models/parts.h"

struct resnet {
    int depth, width;
    double stochastic_depth;
    struct model_head head;
};

struct block {
    const char *path;
    int in, channels, stride;
    bool project;
    int rate; /* of stochastic depth; -1: none */
    float fraction;
};

static int conv_bn(struct kn_net *n, const char *conv, const char *bn, int in, int channels,
                   int kernel, int stride)
{
    in = kn_conv2d(n, conv, in, channels, kernel, stride, kernel / 2, false,
                   KN_INIT_KAIMING_FAN_OUT);
    return kn_batch_norm(n, bn, in);
}

static int basic_block(struct kn_net *n, const struct block *b)
{
    char conv[KN_NAME], bn[KN_NAME];
    int t, shortcut = b->in;

    t = conv_bn(n, model_name(conv, b->path, "conv1"), model_name(bn, b->path, "bn1"), b->in,
                b->channels, 3, b->stride);
    t = kn_relu(n, model_name(conv, b->path, "relu1"), t);
    t = conv_bn(n, model_name(conv, b->path, "conv2"), model_name(bn, b->path, "bn2"), t,
                b->channels, 3, 1);
    if (b->project)
        shortcut =
            conv_bn(n, model_name(conv, b->path, "downsample.0"),
                    model_name(bn, b->path, "downsample.1"), b->in, b->channels, 1, b->stride);
    if (b->rate >= 0)
        t = kn_drop_path(n, model_name(conv, b->path, "drop_path"), t, b->rate, b->fraction);
    t = kn_add(n, model_name(conv, b->path, "add"), t, shortcut);
    return kn_relu(n, model_name(conv, b->path, "relu2"), t);
}

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    const struct resnet *o = opts;
    int t, n = (o->depth - 2) / 6, rate = -1;
    char path[32];

    if ((o->depth - 2) % 6 && !ret->rc) {
        int below = o->depth - (o->depth - 2) % 6;

        ret->rc = hpo_fail(&ret->err, HPO_ECONFIG,
                           "a resnet for small pictures has a depth of 6n + 2: %d or %d, not %d "
                           "(to search it: low 8, step 6)",
                           below, below + 6, o->depth);
        return;
    }
    if (o->stochastic_depth > 0)
        rate = kn_rate(ret, "stochastic_depth", (float)o->stochastic_depth);
    t = conv_bn(ret, "conv1", "bn1", 0, o->width, 3, 1);
    t = kn_relu(ret, "relu", t);
    for (int layer = 0; layer < 3; layer++)
        for (int i = 0; i < n; i++) {
            bool first = layer && !i; /* where the width doubles and the picture halves */

            snprintf(path, sizeof(path), "layer%d.%d", layer + 1, i);
            t = basic_block(
                ret, &(struct block){.path = path,
                                     .in = t,
                                     .channels = o->width << layer,
                                     .stride = first ? 2 : 1,
                                     .project = first,
                                     .rate = rate,
                                     .fraction = (float)(layer * n + i + 1) / (float)(3 * n)});
        }
    t = kn_global_avg_pool(ret, "avgpool", t);
    if (o->head.dropout > 0)
        t = kn_dropout_samples(ret, "dropout", t, (float)o->head.dropout, o->head.samples);
    kn_linear(ret, "fc", t, in->classes, true);
}

static const struct hpo_opt options[] = {
    HPO_OPT(INT, struct resnet, depth, "depth", "20", 8, 200, 0,
            "weight layers, 6n + 2: 8, 14, 20, 26, 32, 44, 56, 110, ..."),
    HPO_OPT(INT, struct resnet, width, "width", "16", 1, 2048, 0,
            "channels of the first group of blocks; the next two have 2 and 4 times as many"),
    HPO_OPT(REAL, struct resnet, stochastic_depth, "stochastic_depth", "0.0", 0, 1,
            HPO_OPT_MAX_OPEN,
            "share of the images for which the last block is skipped; earlier blocks less"),
    HEAD_OPTS(struct resnet, head, "0.0"),
    {0},
};

const struct model_ops model_resnet = {
    .plugin = {"resnet", "residual network for small pictures (He et al. 2015, CIFAR form)",
               sizeof(struct resnet), options},
    .build = build,
};
