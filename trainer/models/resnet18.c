/* torchvision.models.resnet18: groups of 2, 2, 2, 2 basic blocks. */
#include "trainer/models/torchvision_resnet.h"

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    torchvision_resnet_build(opts, in, (const int[]){2, 2, 2, 2}, false, ret);
}

static const struct hpo_opt options[] = {TORCHVISION_RESNET_OPTS(struct torchvision_resnet)};

const struct model_ops model_resnet18 = {
    .plugin = {"resnet18", "residual network of 18 layers (torchvision.models.resnet18)",
               sizeof(struct torchvision_resnet), options},
    .build = build,
};
