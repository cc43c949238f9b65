/* kernels/cuda/conv_priv.h - what the conv_*.c files share: the way from a shape to plans.
 *
 * shape -> operation graph -> engine configurations, in the order of cuDNN's heuristics
 * (conv_graph.c) -> those that may be taken, as plans (conv_plan.c) -> the one chosen (conv.c), or
 * the fastest measured (conv_tune.c), which is remembered (conv_cache.c). */
#ifndef HPO_KERNELS_CUDA_CONV_PRIV_H
#define HPO_KERNELS_CUDA_CONV_PRIV_H

#include "base/arena.h"
#include "base/str.h"
#include "kernels/cuda/conv.h"

HPO_BEGIN_C

/* One operation: its shape, and in how many launches: 1, or one a model. */
struct cu_conv_op {
    struct cu_conv_shape s;
    enum cu_pass pass;
    int parts;
};

/* ---- conv_graph.c ---- */

/* "cuDNN: WHAT: what it said last"; HPO_ENOMEM when it lacked memory, else HPO_EDEVICE. */
int cu_dnn_fail(struct hpo_err *err, cudnnStatus_t st, const char *what);

/* A few descriptors that are made one after the other and destroyed together. The first failure is
 * kept; later calls do nothing. */
struct cu_made {
    cudnnBackendDescriptor_t d[8];
    int n, rc;
    struct hpo_err *err;
};
cudnnBackendDescriptor_t cu_make(struct cu_made *m, cudnnBackendDescriptorType_t type);
void cu_set(struct cu_made *m, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
            cudnnBackendAttributeType_t type, int64_t count, const void *values);
void cu_finalize(struct cu_made *m, cudnnBackendDescriptor_t d, const char *what);
cudnnBackendDescriptor_t cu_made_keep_last(struct cu_made *m); /* is the caller's from here on */
void cu_made_release(struct cu_made *m);

/* Unique ids of a graph's tensors: a, b and ret of cu_conv_run. */
enum { CU_ID_A = 1, CU_ID_B, CU_ID_RET };

/* What the heuristics propose for an operation, best first; none is an answer. */
struct cu_configs {
    struct cu_made made;         /* the graph, which the configurations are of */
    cudnnBackendDescriptor_t *d; /* NULL where one was taken */
    int n;
};
int cu_configs_init(struct cu_configs *c, const struct cu_dnn *d, const struct cu_conv_op *op,
                    cudnnBackendHeurMode_t mode, struct hpo_err *err);
void cu_configs_release(struct cu_configs *c);

/* "forward of 5 x (128, 32, 32, 16) -> 32, kernel 3, stride 1, pad 1, bf16": messages and keys. */
void cu_conv_describe(const struct cu_conv_shape *s, enum cu_pass pass, struct str *ret);
/* Bytes of one model's a, b and ret. */
void cu_conv_sizes(const struct cu_conv_shape *s, enum cu_pass pass, size_t ret[3]);
/* HPO_EDEVICE for sizes that no convolution has. */
int cu_conv_check(const struct cu_conv_shape *s, enum cu_pass pass, struct hpo_err *err);

/* ---- conv_plan.c ---- */

/* Why configurations were not taken, for the message when none was. */
struct cu_tally {
    int seen, nondeterministic, compiled, rounding, denied, refused;
    struct hpo_err last; /* of a refused one */
};

/* The plan of a configuration, if its engine may be taken: then the configuration is ret's, and
 * *config is NULL. */
bool cu_conv_take(const struct cu_dnn *d, const struct cu_conv_op *op,
                  cudnnBackendDescriptor_t *config, struct cu_tally *t, struct cu_conv *ret);
/* The plan as JSON, into an empty *ret. */
int cu_conv_text(const struct cu_conv *c, struct str *ret, struct hpo_err *err);
/* The plan of such a text, in this or another process. Refused when its engine may not be taken. */
int cu_conv_from_text(const struct cu_dnn *d, const struct cu_conv_op *op, const char *text,
                      size_t n, struct cu_conv *ret, struct hpo_err *err);

/* How good a plan may be before it was measured; 0 is best. */
enum { CU_RANK_BEST = 0, CU_RANK_MISFIT = 4 /* needs more than the limit */ };
int cu_conv_rank(const struct cu_conv *c, const struct cu_conv_shape *s, size_t limit);

/* ---- conv_cache.c ---- */

/* 0: *ret is the remembered choice, which needs at most `limit` bytes. HPO_EMISSING: there is none
 * that can be used, for whatever reason. */
int cu_cache_load(const struct cu_dnn *d, const struct cu_conv_shape *s, enum cu_pass pass,
                  size_t limit, struct cu_conv *ret);
/* Remember it; what cannot be written is not remembered. */
void cu_cache_store(const struct cu_dnn *d, const struct cu_conv_shape *s, enum cu_pass pass,
                    const struct cu_conv *c, double microseconds);

HPO_END_C
#endif
