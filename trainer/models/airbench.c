/* Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024 (arXiv 2404.00498). A 2x2
 * convolution that whitens patches (trainer/whiten.h), frozen but for its bias, which is trained
 * for some epochs; three blocks of convolution, pool, batch norm, GELU, and once or twice more
 * convolution, batch norm, GELU; a pool of three (of less where less is left), a linear layer
 * without bias, small logits. Batch norm has no scale to learn and follows its statistics fast;
 * convolutions begin as the identity.
 *
 * width 64, growth 4, depth 2 is airbench94; width 128 with growth 3 is airbench95's, with depth 3
 * airbench96's: a third convolution a block, and a shortcut around the last two. */
#include "trainer/models/parts.h"

#define NORM_EPS 1e-12f

struct airbench {
    int width, depth, whiten_bias_epochs;
    double growth, scaling_factor, batchnorm_momentum;
    bool whiten;
    struct model_head head;
};

static int norm(const struct airbench *o, struct kn_net *n, const char *name, int in)
{
    in = kn_batch_norm_with(n, name, in, NORM_EPS, (float)(1 - o->batchnorm_momentum));
    kn_train_for(n, 0, KN_ALWAYS);
    return in;
}

static int block(const struct airbench *o, struct kn_net *n, int number, int in, int channels)
{
    char path[KN_NAME], name[KN_NAME];
    int t, shortcut;

    snprintf(path, sizeof(path), "layers.%d", number);
    t = kn_conv2d(n, model_name(name, path, "conv1"), in, channels, 3, 1, 1, false, KN_INIT_DIRAC);
    t = kn_max_pool(n, model_name(name, path, "pool"), t, 2, 2, 0);
    t = norm(o, n, model_name(name, path, "norm1"), t);
    t = shortcut = kn_act_layer(n, model_name(name, path, "activ1"), t, KN_GELU);
    t = kn_conv2d(n, model_name(name, path, "conv2"), t, channels, 3, 1, 1, false, KN_INIT_DIRAC);
    t = norm(o, n, model_name(name, path, "norm2"), t);
    t = kn_act_layer(n, model_name(name, path, "activ2"), t, KN_GELU);
    if (o->depth < 3)
        return t;
    t = kn_conv2d(n, model_name(name, path, "conv3"), t, channels, 3, 1, 1, false, KN_INIT_DIRAC);
    t = norm(o, n, model_name(name, path, "norm3"), t);
    t = kn_add(n, model_name(name, path, "add"), t, shortcut);
    return kn_act_layer(n, model_name(name, path, "activ3"), t, KN_GELU);
}

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    const struct airbench *o = opts;
    int side = in->height < in->width ? in->height : in->width, left = (side - 1) / 8;
    int wide = (int)(o->growth * o->width + 0.5), t;

    if (left < 1 && !ret->rc) {
        ret->rc = hpo_fail(&ret->err, HPO_ECONFIG,
                           "pictures of %d x %d pixels are too small: 9 x 9 is the least",
                           in->width, in->height);
        return;
    }
    t = kn_conv2d(ret, "whiten", 0, 2 * in->channels * 2 * 2, 2, 1, 0, true, KN_INIT_WHITEN);
    kn_init_with(ret, o->whiten ? KN_INIT_WHITEN : KN_INIT_DIRAC, KN_INIT_ZERO);
    if (o->whiten)
        kn_train_for(ret, 0, o->whiten_bias_epochs);
    t = kn_act_layer(ret, "layers.0", t, KN_GELU);
    t = block(o, ret, 1, t, o->width);
    t = block(o, ret, 2, t, wide);
    t = block(o, ret, 3, t, wide);
    left = left < 3 ? left : 3;
    t = kn_max_pool(ret, "layers.4", t, left, left, 0);
    t = kn_flatten(ret, "flatten", t);
    t = kn_dropout_samples(ret, "dropout", t, (float)o->head.dropout, o->head.samples);
    /* Before the layer instead of after it, which is the same: the layer is the head. */
    t = kn_multiply(ret, "scale", t, (float)o->scaling_factor);
    kn_linear(ret, "head", t, in->classes, false);
}

static const struct hpo_opt options[] = {
    HPO_OPT(INT, struct airbench, width, "width", "64", 1, 2048, 0, "channels of the first block"),
    HPO_OPT(REAL, struct airbench, growth, "growth", "4", 0.01, 64, 0,
            "the second and the third block have so many times as many (airbench95: 3)"),
    HPO_OPT(INT, struct airbench, depth, "depth", "2", 2, 3, 0,
            "convolutions a block; with 3 it has a shortcut (airbench96)"),
    HPO_OPT(REAL, struct airbench, scaling_factor, "scaling_factor", "0.1111111111111111", 0, 1e3,
            HPO_OPT_MIN_OPEN, "the logits are multiplied by this"),
    HPO_OPT(REAL, struct airbench, batchnorm_momentum, "batchnorm_momentum", "0.6", 0, 1,
            HPO_OPT_MAX_OPEN,
            "share of the running statistics that a step leaves, which is 1 - PyTorch's momentum "
            "(airbench96: 0.9)"),
    HPO_OPT(BOOL, struct airbench, whiten, "whiten", "true", 0, 0, 0,
            "the first convolution whitens patches of the training images and is not trained; "
            "else it begins at random and is"),
    HPO_OPT(INT, struct airbench, whiten_bias_epochs, "whiten_bias_epochs", "3", 0, 100000, 0,
            "with whiten: its bias is trained for so many epochs"),
    HEAD_OPTS(struct airbench, head, "0.0"),
    {0},
};

const struct model_ops model_airbench = {
    .plugin = {"airbench",
               "small pictures learned fast: whitened patches, identity at first "
               "(airbench94)",
               sizeof(struct airbench), options},
    .build = build,
};
