/* torchvision.models.resnet50: groups of 3, 4, 6, 3 bottleneck blocks. */
#include "trainer/models/torchvision_resnet.h"

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    torchvision_resnet_build(opts, in, (const int[]){3, 4, 6, 3}, true, ret);
}

static const struct hpo_opt options[] = {TORCHVISION_RESNET_OPTS(struct torchvision_resnet)};

const struct model_ops model_resnet50 = {
    .plugin = {"resnet50", "residual network of 50 layers (torchvision.models.resnet50)",
               sizeof(struct torchvision_resnet), options},
    .build = build,
};
