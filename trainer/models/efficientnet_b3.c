/* torchvision.models.efficientnet_b3. */
#include "trainer/models/efficientnet.h"

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    efficientnet_build(opts, in, ret);
}

static const struct hpo_opt options[] = {
    EFFICIENTNET_OPTS(struct efficientnet, "1.2", "1.4", "0.3")};

const struct model_ops model_efficientnet_b3 = {
    .plugin = {"efficientnet_b3", "EfficientNet-B3 (torchvision.models.efficientnet_b3)",
               sizeof(struct efficientnet), options},
    .build = build,
    .timm_name = efficientnet_timm_name,
};
