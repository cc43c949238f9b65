/* torchvision.models.resnet34: groups of 3, 4, 6, 3 basic blocks. */
#include "trainer/models/torchvision_resnet.h"

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    torchvision_resnet_build(opts, in, (const int[]){3, 4, 6, 3}, false, ret);
}

static const struct hpo_opt options[] = {TORCHVISION_RESNET_OPTS(struct torchvision_resnet)};

const struct model_ops model_resnet34 = {
    .plugin = {"resnet34", "residual network of 34 layers (torchvision.models.resnet34)",
               sizeof(struct torchvision_resnet), options},
    .build = build,
};
