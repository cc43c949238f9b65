/* trainer/pretrained.h - inside the trainer: training that begins with the weights of another.
 *
 * The file holds a state dict as torchvision or timm name it (a prefix such as "module." in front
 * of all names is seen through). What has the name and the shape of a parameter of the network is
 * taken; the *head*, its last linear layer, begins at random unless the file's fits, because its
 * classes are others. What else begins at random is counted, for people to be told. */
#ifndef HPO_TRAINER_PRETRAINED_H
#define HPO_TRAINER_PRETRAINED_H

#include "base/str.h"
#include "trainer/config.h"
#include "trainer/safetensors.h"

struct tr_pretrained {
    const char *path; /* of the file, in the arena of `file` */
    struct st_file file;
    const struct st_tensor **tensor; /* net->n_params; NULL: this parameter begins at random */
    int n_params;
    uint8_t digest[16]; /* of the file's bytes */
};

/* Nothing to open, 0: model.pretrained is not set. A folder has MODEL.safetensors for each type of
 * model. HPO_ECONFIG: not there, no such file, or it has nothing for the backbone of this network.
 * net must outlive it. */
int tr_pretrained_open(struct tr_pretrained *ret, const struct tr_config *c,
                       const struct kn_net *net, struct hpo_err *err);
void tr_pretrained_close(struct tr_pretrained *p); /* a zeroed one is valid */

/* Over initial weights. */
void tr_pretrained_load(const struct tr_pretrained *p, const struct kn_net *net,
                        struct kn_state *state);

#endif
