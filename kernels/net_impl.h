/* kernels/net_impl.h - inside of a network's builder: what layers are made with. Every function
 * leaves a network alone that has failed before. */
#ifndef HPO_KERNELS_NET_IMPL_H
#define HPO_KERNELS_NET_IMPL_H

#include <stdint.h>

#include "kernels/net.h"

/* Far above anything that trains, low enough that no product of sizes overflows an int64_t and
 * that an element of a tensor can be named by 32 bits in a dropout mask. */
#define MAX_CHANNELS (1 << 20)
#define MAX_SIDE (1 << 14)
#define MAX_ELEMENTS ((int64_t)1 << 28)
#define MAX_WEIGHTS ((int64_t)1 << 31)
#define MAX_KERNEL 64
#define MAX_OP_NAME (KN_NAME - 16) /* leaves room for ".running_mean" */

static inline bool net_ok(const struct kn_net *n)
{
    return n->rc == HPO_OK;
}

/* Remember the first failure; the return value is an id that later calls accept and ignore. */
int net_fail(struct kn_net *n, const char *op, const char *fmt, ...) HPO_PRINTF(3, 4);

int net_add_tensor(struct kn_net *n, const char *op, int64_t c, int64_t h, int64_t w, int samples);
bool net_valid_input(struct kn_net *n, const char *op, int in);
struct kn_op *net_add_op(struct kn_net *n, enum kn_kind kind, const char *name, int in);
/* Of the operation that was added last; its index, -1: there is no room for it. */
int net_add_param(struct kn_net *n, const char *suffix, bool trained, enum kn_init init, int n_dims,
                  const int *dims);

#endif
