/* torchvision.models.efficientnet_b0. */
#include "trainer/models/efficientnet.h"

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    efficientnet_build(opts, in, ret);
}

static const struct hpo_opt options[] = {
    EFFICIENTNET_OPTS(struct efficientnet, "1.0", "1.0", "0.2")};

const struct model_ops model_efficientnet_b0 = {
    .plugin = {"efficientnet_b0", "EfficientNet-B0 (torchvision.models.efficientnet_b0)",
               sizeof(struct efficientnet), options},
    .build = build,
    .timm_name = efficientnet_timm_name,
};
