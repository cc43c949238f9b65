/* trainer/model.h - what an architecture provides: its options, and how it is built. */
#ifndef HPO_TRAINER_MODEL_H
#define HPO_TRAINER_MODEL_H

#include "base/opt.h"
#include "kernels/net.h"

struct model_input {
    int channels, height, width, classes;
};

struct model_ops {
    struct hpo_plugin plugin;

    /* Describe the network in ret (already kn_net_init-ed with the input); errors of shape are
     * kept in ret and reported by kn_net_finish, which the caller calls. */
    void (*build)(const void *opts, const struct model_input *in, struct kn_net *ret);

    /* Optional: a parameter's name in timm's state dict of this architecture, where that is not
     * torchvision's, into ret of KN_NAME bytes. false: it has none. */
    bool (*timm_name)(const char *name, char *ret);
};

extern const struct model_ops *const model_registry[]; /* NULL ends it */

#endif
