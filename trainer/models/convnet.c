/* A plain convolutional network in the manner of VGG: stages of two 3x3 convolutions with batch
 * norm and ReLU, the width doubling and the picture halving from stage to stage, then global
 * average pooling, dropout and a linear layer. */
#include "trainer/models/parts.h"

struct convnet {
    int width, stages;
    struct model_head head;
};

static int conv_bn_relu(struct kn_net *n, int stage, int i, int in, int channels)
{
    char name[KN_NAME];

    snprintf(name, sizeof(name), "stage%d.conv%d", stage, i);
    in = kn_conv2d(n, name, in, channels, 3, 1, 1, false, KN_INIT_DEFAULT);
    snprintf(name, sizeof(name), "stage%d.bn%d", stage, i);
    in = kn_batch_norm(n, name, in);
    snprintf(name, sizeof(name), "stage%d.relu%d", stage, i);
    return kn_relu(n, name, in);
}

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    const struct convnet *o = opts;
    char name[KN_NAME];
    int t = 0, side = in->height < in->width ? in->height : in->width, most = 1;

    for (; side >= 2; side /= 2)
        most++;
    if (o->stages > most && !ret->rc) {
        ret->rc = hpo_fail(&ret->err, HPO_ECONFIG,
                           "pictures of %d x %d pixels can be halved for at most %d stages, not %d",
                           in->width, in->height, most, o->stages);
        return;
    }
    for (int stage = 0; stage < o->stages; stage++) {
        if (stage) {
            snprintf(name, sizeof(name), "stage%d.pool", stage - 1);
            t = kn_max_pool(ret, name, t, 2, 2, 0);
        }
        for (int i = 0; i < 2; i++)
            t = conv_bn_relu(ret, stage, i, t, o->width << stage);
    }
    t = kn_global_avg_pool(ret, "avgpool", t);
    t = kn_dropout_samples(ret, "dropout", t, (float)o->head.dropout, o->head.samples);
    kn_linear(ret, "fc", t, in->classes, true);
}

static const struct hpo_opt options[] = {
    HPO_OPT(INT, struct convnet, width, "width", "32", 1, 2048, 0,
            "channels of the first stage; each further stage has twice as many"),
    HPO_OPT(INT, struct convnet, stages, "stages", "3", 1, 6, 0,
            "stages of two convolutions; between two the picture is halved"),
    HEAD_OPTS(struct convnet, head, "0.0"),
    {0},
};

const struct model_ops model_convnet = {
    .plugin = {"convnet", "plain convolutional network with batch norm (as VGG)",
               sizeof(struct convnet), options},
    .build = build,
};
