/* Wide residual networks for small pictures: Zagoruyko and Komodakis, 2016, of depth 6n + 4: batch
 * norm and ReLU before each convolution, dropout between the two of a block. */
#include "trainer/models/parts.h"

struct wide_resnet {
    int depth, width;
    double block_dropout;
    struct model_head head;
};

struct block {
    const char *path;
    int in, channels, stride;
    double dropout;
};

/* The block's input after batch norm and ReLU is what the projection sees too. */
static int block(struct kn_net *n, const struct block *b, int rate)
{
    bool project = !n->rc && (b->stride != 1 || n->tensor[b->in].c != b->channels);
    char name[KN_NAME];
    int t, shortcut = b->in;

    t = kn_batch_norm(n, model_name(name, b->path, "bn1"), b->in);
    t = kn_relu(n, model_name(name, b->path, "relu1"), t);
    if (project)
        shortcut = kn_conv2d(n, model_name(name, b->path, "shortcut"), t, b->channels, 1, b->stride,
                             0, false, KN_INIT_KAIMING_FAN_OUT);
    t = kn_conv2d(n, model_name(name, b->path, "conv1"), t, b->channels, 3, b->stride, 1, false,
                  KN_INIT_KAIMING_FAN_OUT);
    t = kn_batch_norm(n, model_name(name, b->path, "bn2"), t);
    t = kn_relu(n, model_name(name, b->path, "relu2"), t);
    if (b->dropout > 0)
        t = kn_dropout_shared(n, model_name(name, b->path, "dropout"), t, rate);
    t = kn_conv2d(n, model_name(name, b->path, "conv2"), t, b->channels, 3, 1, 1, false,
                  KN_INIT_KAIMING_FAN_OUT);
    return kn_add(n, model_name(name, b->path, "add"), t, shortcut);
}

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    const struct wide_resnet *o = opts;
    int t, rate;
    char path[32];

    if ((o->depth - 4) % 6 && !ret->rc) {
        int below = o->depth - (o->depth - 4) % 6;

        ret->rc = hpo_fail(&ret->err, HPO_ECONFIG,
                           "a wide resnet has a depth of 6n + 4: %d or %d, not %d (to search it: "
                           "low 10, step 6)",
                           below, below + 6, o->depth);
        return;
    }
    rate = kn_rate(ret, "block_dropout", (float)o->block_dropout);
    t = kn_conv2d(ret, "conv1", 0, 16, 3, 1, 1, false, KN_INIT_KAIMING_FAN_OUT);
    for (int g = 0; g < 3; g++)
        for (int i = 0; i < (o->depth - 4) / 6; i++) {
            snprintf(path, sizeof(path), "layer%d.%d", g + 1, i);
            t = block(
                ret,
                &(struct block){path, t, 16 * o->width << g, g && !i ? 2 : 1, o->block_dropout},
                rate);
        }
    t = kn_batch_norm(ret, "bn1", t);
    t = kn_relu(ret, "relu", t);
    t = kn_global_avg_pool(ret, "avgpool", t);
    t = kn_dropout_samples(ret, "dropout", t, (float)o->head.dropout, o->head.samples);
    kn_linear(ret, "fc", t, in->classes, true);
}

static const struct hpo_opt options[] = {
    HPO_OPT(INT, struct wide_resnet, depth, "depth", "16", 10, 202, 0,
            "weight layers, 6n + 4: 10, 16, 22, 28, 40, ..."),
    HPO_OPT(INT, struct wide_resnet, width, "width", "4", 1, 64, 0,
            "how many times as wide as the plain one: 16, 32 and 64 channels times this"),
    HPO_OPT(REAL, struct wide_resnet, block_dropout, "block_dropout", "0.0", 0, 1, HPO_OPT_MAX_OPEN,
            "share of the activations dropped between the two convolutions of a block"),
    HEAD_OPTS(struct wide_resnet, head, "0.0"),
    {0},
};

const struct model_ops model_wide_resnet = {
    .plugin = {"wide_resnet",
               "wide residual network for small pictures (Zagoruyko and Komodakis 2016)",
               sizeof(struct wide_resnet), options},
    .build = build,
};
