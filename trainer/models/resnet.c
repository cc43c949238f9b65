/* The residual networks for small pictures: He et al., "Deep Residual Learning for Image
 * Recognition", 2015, section 4.2, of depth 6n + 2: three groups of n basic blocks.
 *
 * Names, the projection shortcut (1x1 convolution and batch norm) and the initial weights are
 * torchvision's. The paper's own shortcut for this form pads with zeros; the projection has 0.5 %
 * more weights and is what torchvision's BasicBlock does. */
#include <stdio.h>

#include "trainer/model.h"

struct resnet {
    int depth, width;
};

static int conv_bn(struct kn_net *n, const char *conv, const char *bn, int in, int channels,
                   int kernel, int stride)
{
    in = kn_conv2d(n, conv, in, channels, kernel, stride, kernel / 2, false,
                   KN_INIT_KAIMING_FAN_OUT);
    return kn_batch_norm(n, bn, in);
}

static int basic_block(struct kn_net *n, const char *path, int in, int channels, int stride,
                       bool project)
{
    char conv[KN_NAME], bn[KN_NAME];
    int t, shortcut = in;

    snprintf(conv, sizeof(conv), "%s.conv1", path);
    snprintf(bn, sizeof(bn), "%s.bn1", path);
    t = conv_bn(n, conv, bn, in, channels, 3, stride);
    snprintf(conv, sizeof(conv), "%s.relu1", path);
    t = kn_relu(n, conv, t);
    snprintf(conv, sizeof(conv), "%s.conv2", path);
    snprintf(bn, sizeof(bn), "%s.bn2", path);
    t = conv_bn(n, conv, bn, t, channels, 3, 1);
    if (project) {
        snprintf(conv, sizeof(conv), "%s.downsample.0", path);
        snprintf(bn, sizeof(bn), "%s.downsample.1", path);
        shortcut = conv_bn(n, conv, bn, in, channels, 1, stride);
    }
    snprintf(conv, sizeof(conv), "%s.add", path);
    t = kn_add(n, conv, t, shortcut);
    snprintf(conv, sizeof(conv), "%s.relu2", path);
    return kn_relu(n, conv, t);
}

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    const struct resnet *o = opts;
    char path[32];
    int t;

    if ((o->depth - 2) % 6 && !ret->rc) {
        int below = o->depth - (o->depth - 2) % 6;

        ret->rc = hpo_fail(&ret->err, HPO_ECONFIG,
                           "a resnet for small pictures has a depth of 6n + 2: %d or %d, not %d "
                           "(to search it: low 8, step 6)",
                           below, below + 6, o->depth);
        return;
    }
    t = conv_bn(ret, "conv1", "bn1", 0, o->width, 3, 1);
    t = kn_relu(ret, "relu", t);
    for (int layer = 0; layer < 3; layer++)
        for (int block = 0; block < (o->depth - 2) / 6; block++) {
            bool first = layer && !block; /* where the width doubles and the picture halves */

            snprintf(path, sizeof(path), "layer%d.%d", layer + 1, block);
            t = basic_block(ret, path, t, o->width << layer, first ? 2 : 1, first);
        }
    t = kn_global_avg_pool(ret, "avgpool", t);
    kn_linear(ret, "fc", t, in->classes, true);
}

static const struct hpo_opt options[] = {
    HPO_OPT(INT, struct resnet, depth, "depth", "20", 8, 200, 0,
            "weight layers, 6n + 2: 8, 14, 20, 26, 32, 44, 56, 110, ..."),
    HPO_OPT(INT, struct resnet, width, "width", "16", 1, 2048, 0,
            "channels of the first group of blocks; the next two have 2 and 4 times as many"),
    {0},
};

const struct model_ops model_resnet = {
    .plugin = {"resnet", "residual network for small pictures (He et al. 2015, CIFAR form)",
               sizeof(struct resnet), options},
    .build = build,
};
