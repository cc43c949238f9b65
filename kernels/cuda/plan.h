/* kernels/cuda/plan.h - what the files of the CUDA backend share: a network lowered to nodes, the
 * buffers that the nodes need and when, and where all of it lies on the device.
 *
 * A plan has one allocation on the device, one stream, one cuDNN and one cuBLAS handle; every
 * launch is for all models of the array at once. Three layouts meet in it: activations   (models,
 * n, h, w, c) of type T, see kernels/cuda/ops.h parameters    (models, n_w) floats: each model's in
 * one flat array, weights of convolutions as (k, r, s, c), of depthwise ones as (c, r, s), of
 * linear layers as (out, in), channels as stored; gradients and optimizer slots alike, a copy of
 * type T beside them for 16-bit types packed        (models, k, r, s, c) of type T, a stretch for
 * each convolution: cuDNN takes the weights of an array only when they lie without gaps. With one
 * model that is what the flat array is already, and there is no packed copy.
 *
 * What is rounded when: activations and their gradients are stored as T; convolutions and matrix
 * products multiply T and add in fp32; a bias is added to the stored T of the product, rounding
 * once more; statistics, batch norm, losses, bias and batch norm gradients and the optimizer are
 * fp32; weight gradients of convolutions come out of cuDNN as T (it has no engine that widens),
 * those of linear layers as fp32; the optimizer writes fp32 weights and their nearest T. */
#ifndef HPO_KERNELS_CUDA_PLAN_H
#define HPO_KERNELS_CUDA_PLAN_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include "kernels/cuda/conv.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/ops.h"
#include "kernels/place.h"

#define CU_ALIGN \
    256u           /* of everything on the device: what cudaMalloc gives, and every library asks */
#define CU_SLOTS 4 /* steps that the host may be ahead of the device */
/* cuBLAS works in memory of ours, so that it never allocates and its results do not depend on what
 * else runs. 8 MiB is its own default before Hopper. */
#define CU_BLAS_WORKSPACE ((size_t)8 << 20)

struct cu_tensor {
    int c, h, w, stored;
    int samples;  /* rows an image, in training */
    size_t row;   /* elements a row */
    bool grad;    /* something trained lies before it */
    int uses;     /* operations that read it */
    int producer; /* node; -1: the input */
};

/* A node is one operation, or batch norm or a sum with what follows it: [+ tensor] [ReLU]. */
struct cu_node {
    enum kn_kind kind; /* of the operation that it starts with */
    const struct kn_op *op;
    int in, in2, out;
    bool relu;
    bool frozen; /* batch norm works with running statistics and leaves them alone */
    size_t weight, bias, mean, var; /* offsets into a model's arrays, in floats */
    int layer;                      /* KN_CONV2D: index into layer[]; else -1 */

    /* Gradients of in, in2 are added to what others have written, or written. */
    bool in_add, in2_add;

    /* Buffers, by index; -1: none. */
    int saved;        /* batch norm's (models, 4, stored) floats */
    int scratch;      /* of the forward pass: partial sums, or the convolution's workspace */
    int scratch_back; /* of the backward pass, likewise */
    int diff;         /* convolution: packed weight gradients of type T, until widened */
    int eval_scratch;
};

/* A convolution: forward in training and in evaluation, and the two of the backward pass. */
enum cu_use { CU_TRAIN, CU_INFER, CU_DATA, CU_FILTER, CU_N_USES };

struct cu_layer {
    struct cu_conv conv[CU_N_USES];
    size_t workspace[CU_N_USES]; /* bytes; before conv[] is chosen, what it may take at most */
    const struct cu_node *node;
    bool has_data, has_filter;
    size_t count;  /* weights of one model */
    size_t packed; /* elements before it in the packed weights of all models */
};

struct cu_param {         /* where a trained parameter or statistic lies inside */
    size_t offset, count; /* floats of one model, padding included */
    int stored;           /* channels of its last dimension; vectors: 1 */
    int rows;             /* of it as a matrix: count / rows numbers each */
};

/* What a plan that is averaged has again, of its moving averages. Type T and packed ones are made
 * when an evaluation wants them. */
struct cu_average {
    float *w, *stats;
    void *copy, *packed;
};

/* All of the device's memory, and of the pinned memory that it is filled from. */
struct cu_memory {
    float *w, *g, *slot[KN_MAX_SLOTS], *stats; /* (models, n_w); stats (models, n_stats) */
    void *copy;                                /* (models, n_w) of type T; NULL: fp32 */
    void *packed;                              /* NULL: one model */
    struct cu_average average;
    float *sum;           /* (models, n_w) gradients of micro-batches; NULL: there are none */
    int32_t *which;       /* of each piece of n_w, its parameter */
    struct cu_part *part; /* (models, n_params + 1): the last is of what belongs to none */
    float *class_weights; /* (models, classes) */
    struct cu_hyper *hyper;
    struct cu_scaler *scaler, *used; /* fp16: now, and what the last gradients were scaled by */
    double *squares;                 /* cu_flat's */
    float *factor;                   /* likewise */
    char *inbox;                     /* what a step is sent: */
    struct cu_step *step;            /* (models), at its start: those that train */
    struct cu_step *step_estimate;   /* averaged: (models) those that estimate */
    int32_t *index;                  /* (models, batch) */
    char *eval_inbox;                /* what an evaluation is sent: */
    int *count;                      /* (models), at its start */
    int32_t *eval_index;             /* (models, eval_batch) */
    double *loss_sum;                /* (models) */
    float *row_loss, *logits;        /* (models, batch); (models, eval_batch, classes) */
    void *blas;
    char *arena; /* of a training step, or of an evaluation */
};

struct cu_pinned {
    char *inbox[CU_SLOTS], *eval_inbox;
    double *loss[2]; /* (models) each */
    float *logits, *flat, *class_weights;
    struct cu_hyper *hyper;
    struct cu_part *part; /* of a model */
    struct cu_scaler *scaler;
};

/* Work that is launched the same way every time: eagerly at first, because libraries load kernels
 * at their first use, which a capture does not allow; then captured; then replayed. */
struct cu_graph {
    bool warm, off;
    cudaGraphExec_t exec;
};

/* What a step is made of beside forward and backward: bits, each combination is a graph of its own,
 * recorded when it first comes. */
enum cu_work {
    CU_MIXES = 1,   /* some model's images are mixed */
    CU_ADDS_UP = 2, /* is at one of several micro-batches */
    CU_STEPS = 4,   /* changes its weights */
    CU_CLIPS = 8,
    CU_AVERAGES = 16,
    CU_ADOPTS = 32,
    CU_N_WORKS = 64
};

/* A forward pass, of a training step or of an evaluation. */
struct cu_pass_view {
    struct cu_array array;
    const struct kn_bufs *bufs;
    const int *act; /* buffer of each tensor */
    bool train;
    bool estimate; /* a training pass for the averages' statistics */
};

struct cu_plan {
    struct kn_plan base;
    struct cu_dev *dev;
    const struct cu_data *data;
    enum cu_type type;
    bool tf32, tune, graphs;
    int freeze; /* kn_plan_desc's */

    struct cu_tensor *tensor;
    struct cu_node *node;
    int n_nodes;
    struct cu_layer *layer;
    int n_layers;
    struct cu_param *param;
    size_t n_w, n_stats, n_packed; /* floats of a model's arrays; elements of all packed weights */

    struct kn_bufs train_bufs, eval_bufs;
    int *act, *grad, *eval_act; /* buffer of each tensor; -1: none */
    struct cu_pass_view train, estimate, eval;

    struct cu_memory m;
    size_t bytes, inbox_bytes, eval_inbox_bytes;
    void *memory, *pinned; /* the two allocations */
    struct cu_pinned h;

    cudaStream_t stream;
    struct cu_dnn dnn;
    cublasHandle_t blas;
    cudaEvent_t sent[CU_SLOTS]; /* the copy out of a slot is done */
    unsigned long steps;        /* train calls: slot = steps % CU_SLOTS */
    struct cu_graph step_graph[CU_N_WORKS], estimate_graph[CU_MIXES + 1], eval_graph[2];
    unsigned work;      /* enum cu_work of the step that is launched */
    bool average_moved; /* since its type T and packed copies were made */

    struct kn_optim *optim; /* (models): what set_hyper gave, for the host's share of a step */
    bool *mirror;           /* likewise, of an evaluation */
};

/* compile.c. An estimate needs nothing of the device but its capability: the sum is what compile
 * allocates, with every convolution's workspace at the limit that it is chosen under (choose.c). An
 * estimate that fails is NaN. */
double cu_estimate(struct kn_dev *dev, const struct kn_plan_desc *desc);
int cu_compile(struct kn_dev *dev, const struct kn_plan_desc *desc, void *data,
               struct kn_plan **ret, struct hpo_err *err);
void cu_plan_free(struct kn_plan *plan);
/* Make the plan's device the calling thread's. */
int cu_enter(const struct cu_plan *p, struct hpo_err *err);
int cu_blas_check(cublasStatus_t st, const char *what, struct hpo_err *err);

/* lower.c: nodes, tensors and parameters from the network. */
int cu_lower(struct cu_plan *p, struct hpo_err *err);

/* choose.c: plans of convolutions. */
struct cu_conv_shape cu_layer_shape(const struct cu_plan *p, const struct cu_layer *l,
                                    enum cu_use use);
void cu_limit_workspaces(struct cu_plan *p);
int cu_choose(struct cu_plan *p, struct hpo_err *err);
int cu_tune(struct cu_plan *p, struct hpo_err *err); /* once there is memory */

/* memory.c. May be called again when workspaces have changed. */
void cu_plan_memory(struct cu_plan *p);
/* Lay out the one allocation at base and the pinned one (NULL: only the size counts). */
size_t cu_memory_bytes(struct cu_plan *p, char *base);
size_t cu_pinned_bytes(struct cu_plan *p, char *base);

/* forward.c, backward.c, linear.c: launches, all models. */
int cu_forward(struct cu_plan *p, const struct cu_pass_view *v, struct hpo_err *err);
int cu_backward(struct cu_plan *p, struct hpo_err *err);
struct cu_norm cu_norm_of(const struct cu_plan *p, const struct cu_pass_view *v,
                          const struct cu_node *n);
int cu_linear(struct cu_plan *p, const struct cu_node *n, int rows, const void *x, void *y,
              struct hpo_err *err);
/* dx NULL: not wanted; it is set or, with n->in_add, added to. */
int cu_linear_backward(struct cu_plan *p, const struct cu_node *n, int rows, const void *x,
                       const void *dy, void *dx, struct hpo_err *err);
/* The packed weights from the flat ones; nothing to do for one model. */
int cu_pack(struct cu_plan *p, struct hpo_err *err);

/* update.c: from gradients to weights and averages, as p->work says. */
int cu_update(struct cu_plan *p, struct hpo_err *err);
/* How the parameters of a model are trained; factors NULL: as kn_hyper's. ret[n_params + 1]. */
void cu_parts(const struct cu_plan *p, const struct kn_optim *o, const struct kn_factor *factors,
              struct cu_part *ret);
/* Muon orthogonalises it, where a model does not freeze it. */
bool cu_is_matrix(const struct cu_plan *p, int param);

/* muon.c: scratch in the arena of a step; the matrices' part of an optimizer step. */
size_t cu_muon_bytes(const struct cu_plan *p);
int cu_muon(struct cu_plan *p, const struct cu_flat *f, struct hpo_err *err);

/* average.c. Launches read the plan's pointers when they are made: between two swaps they work with
 * the averages in the place of the weights and statistics. */
void cu_swap_averages(struct cu_plan *p);
/* Make what evaluations read of the averages, if they have moved. */
int cu_refresh_averages(struct cu_plan *p, struct hpo_err *err);

/* graph.c */
typedef int cu_launch_fn(struct cu_plan *p, struct hpo_err *err);
int cu_graph_run(struct cu_plan *p, struct cu_graph *g, cu_launch_fn *fn, struct hpo_err *err);
void cu_graph_release(struct cu_graph *g);

/* step.c, eval.c, state.c: the functions of kn_backend_ops. */
int cu_train(struct kn_plan *plan, const struct kn_batch *batch, const struct kn_batch *next,
             double *ret_loss, struct hpo_err *err);
int cu_losses(struct kn_plan *plan, double *ret_sum, struct hpo_err *err);
int cu_set_losses(struct kn_plan *plan, const double *sum, struct hpo_err *err);
int cu_eval(struct kn_plan *plan, const int32_t *const *index, const int *n,
            float *const *ret_logits, struct hpo_err *err);
int cu_set_hyper(struct kn_plan *plan, int model, const struct kn_hyper *h, struct hpo_err *err);
int cu_set_state(struct kn_plan *plan, int model, const struct kn_state *s, struct hpo_err *err);
int cu_get_state(struct kn_plan *plan, int model, struct kn_state *ret, struct hpo_err *err);
int cu_get_gradients(struct kn_plan *plan, int model, float *ret, struct hpo_err *err);

/* ---- small helpers ---- */

static inline size_t cu_size(enum cu_type t)
{
    return t == CU_F32 ? 4 : 2;
}

static inline struct cu_shape cu_shape_of(const struct cu_plan *p, int tensor)
{
    const struct cu_tensor *t = &p->tensor[tensor];

    return (struct cu_shape){t->h, t->w, t->c, t->stored};
}

/* Buffer i of the training or evaluation arena; NULL: there is none. */
static inline void *cu_at(const struct cu_plan *p, const struct kn_bufs *b, int i)
{
    return i < 0 ? NULL : p->m.arena + b->item[i].offset;
}

/* A model's weights as type T, which the next model's follow after n_w elements. */
static inline void *cu_weights(const struct cu_plan *p, size_t offset)
{
    return p->m.copy ? (char *)p->m.copy + offset * cu_size(p->type) : (void *)(p->m.w + offset);
}

/* The array with the rows that a tensor has in it. */
static inline struct cu_array cu_rows_in(const struct cu_plan *p, const struct cu_pass_view *v,
                                         int tensor)
{
    struct cu_array a = v->array;

    a.samples = v->train ? p->tensor[tensor].samples : 1;
    a.rows *= a.samples;
    return a;
}

/* What a node that drops something drops. */
static inline struct cu_drop cu_drop_of(const struct cu_plan *p, const struct cu_node *n)
{
    return (struct cu_drop){.rate = n->op->rate,
                            .layer = n->op->layer,
                            .fraction = n->op->fraction,
                            .samples = p->tensor[n->out].samples / p->tensor[n->in].samples};
}

static inline struct cu_depthwise cu_depthwise_of(const struct cu_plan *p, const struct cu_node *n)
{
    return (struct cu_depthwise){.in = cu_shape_of(p, n->in),
                                 .out = cu_shape_of(p, n->out),
                                 .kernel = n->op->kernel,
                                 .stride = n->op->stride,
                                 .pad = n->op->pad,
                                 .weights_stride = p->n_w};
}

static inline struct cu_pool cu_pool_of(const struct cu_plan *p, const struct cu_node *n)
{
    return (struct cu_pool){.in = cu_shape_of(p, n->in),
                            .out = cu_shape_of(p, n->out),
                            .kernel = n->op->kernel,
                            .stride = n->op->stride,
                            .pad = n->op->pad};
}

/* A convolution's weights of all models, without gaps. */
static inline void *cu_layer_weights(const struct cu_plan *p, const struct cu_layer *l)
{
    return p->m.packed ? (char *)p->m.packed + l->packed * cu_size(p->type)
                       : cu_weights(p, l->node->weight);
}

#endif
