/* kernels/cpu/dnnl_compat.h - oneDNN 2.6 and 3.x behind one set of calls.
 *
 * In 2.x memory descriptors are values and operations have descriptors of their own; in 3.x memory
 * descriptors are opaque and primitive descriptors are made directly. Only dnnl_compat.c knows.
 *
 * All tensors are fp32. Channel counts that are given here are already multiples of the block, so
 * that no descriptor has padding of its own. */
#ifndef HPO_KERNELS_CPU_DNNL_COMPAT_H
#define HPO_KERNELS_CPU_DNNL_COMPAT_H

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t dn_md; /* borrowed */
#else
typedef const dnnl_memory_desc_t *dn_md;
#endif

/* DN_INFER runs oneDNN's training kind as well: its inference kind takes Winograd only with weights
 * packed for that, and evaluation between two epochs is not worth a second copy of the weights. */
enum dn_pass { DN_TRAIN, DN_INFER, DN_DATA, DN_WEIGHTS, DN_N_PASSES };
enum dn_alg { DN_DIRECT, DN_WINOGRAD };

/* A convolution, or (kernel 0) a linear layer on (n, ic) -> (n, oc). */
struct dn_shape {
    int n, ic, oc, ih, iw, oh, ow;
    int kernel, stride, pad;
    bool depthwise; /* ic == oc, each channel by itself */
    bool bias;
    bool plain_src; /* src is nchw; otherwise blocked like everything else */
    int block;      /* channels in a block of the activations: 8 or 16 */
};

/* Arguments of every pass, in this order: what is read or written as ... */
enum dn_arg { DN_SRC, DN_WEIGHT, DN_BIAS, DN_DST, DN_SCRATCH, DN_N_ARGS };

/* A pass of one shape, chosen but not yet compiled; then compiled. */
struct dn_prim {
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t prim;
    enum dn_pass pass;
    bool bias;
    size_t scratch; /* bytes */
};

/* A reorder between two layouts of a weight. */
struct dn_reorder {
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t prim;
    size_t scratch;
};

/* What one thread needs to execute a primitive: its own memory objects. */
struct dn_call {
    dnnl_memory_t mem[DN_N_ARGS];
};

/* Turn a status into an error; HPO_ENOMEM for dnnl_out_of_memory, else HPO_EDEVICE. */
int dn_fail(struct hpo_err *err, dnnl_status_t st, const char *what);

/* Choose the implementation of a pass under the calling thread's OpenMP thread count. weight: the
 * layout that the weights must have (of DN_WEIGHTS: none is forced), NULL: the primitive's choice.
 * Winograd falls back to whatever else there is. */
int dn_prim_choose(struct dn_prim *ret, dnnl_engine_t engine, const struct dn_shape *s,
                   enum dn_pass pass, enum dn_alg alg, bool exact, dn_md weight,
                   struct hpo_err *err);
int dn_prim_compile(struct dn_prim *p, struct hpo_err *err);
void dn_prim_release(struct dn_prim *p);
dn_md dn_prim_weight(const struct dn_prim *p); /* borrowed from p */
const char *dn_prim_impl(const struct dn_prim *p);

/* A dense layout of (oc, ic, k, k), or (oc, ic) for kernel 0, or (oc, 1, k, k) for depthwise, in
 * PyTorch's order; to be freed. */
struct dn_layout {
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_t md;
#else
    dnnl_memory_desc_t md[1];
#endif
};
int dn_layout_init(struct dn_layout *l, const struct dn_shape *s, struct hpo_err *err);
void dn_layout_release(struct dn_layout *l);

size_t dn_md_bytes(dn_md md);
bool dn_md_equal(dn_md a, dn_md b);

int dn_reorder_choose(struct dn_reorder *ret, dnnl_engine_t engine, dn_md from, dn_md to,
                      struct hpo_err *err);
int dn_reorder_compile(struct dn_reorder *r, struct hpo_err *err);
void dn_reorder_release(struct dn_reorder *r);

int dn_call_init(struct dn_call *c, dnnl_engine_t engine, const struct dn_prim *p,
                 struct hpo_err *err);
int dn_call_init_reorder(struct dn_call *c, dnnl_engine_t engine, const struct dn_reorder *r,
                         struct hpo_err *err);
void dn_call_release(struct dn_call *c);

/* Execute and wait. ptr[DN_N_ARGS]; entries that the pass has no use for are ignored. */
int dn_run(const struct dn_prim *p, const struct dn_call *c, dnnl_stream_t stream, void *const *ptr,
           struct hpo_err *err);
int dn_run_reorder(const struct dn_reorder *r, const struct dn_call *c, dnnl_stream_t stream,
                   const void *from, void *to, void *scratch, struct hpo_err *err);

/* Floats in a vector of the instruction set that oneDNN uses here (its environment variable
 * ONEDNN_MAX_CPU_ISA limits it): 16, 8, or 4 for anything else; its name; and the channels in a
 * block of the activations. */
int dn_lanes(void);
int dn_block(void);
const char *dn_isa_name(void);

#endif
