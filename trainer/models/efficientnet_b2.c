/* torchvision.models.efficientnet_b2. */
#include "trainer/models/efficientnet.h"

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    efficientnet_build(opts, in, ret);
}

static const struct hpo_opt options[] = {
    EFFICIENTNET_OPTS(struct efficientnet, "1.1", "1.2", "0.3")};

const struct model_ops model_efficientnet_b2 = {
    .plugin = {"efficientnet_b2", "EfficientNet-B2 (torchvision.models.efficientnet_b2)",
               sizeof(struct efficientnet), options},
    .build = build,
    .timm_name = efficientnet_timm_name,
};
