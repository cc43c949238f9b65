/* kernels/cpu/plan.h - what the files of the CPU backend share: a network lowered to nodes, the
 * buffers that the nodes need and when, and who runs them.
 *
 * A *plan* has one lowered graph and one set of compiled primitives; a *model* owns what lives from
 * step to step (weights, gradients, optimizer slots, running statistics, batches fetched ahead); a
 * *runner* is a thread that takes models one after the other and owns what lives within a step
 * (activations, their gradients, scratch). So memory for activations is paid once a thread, not
 * once a model, and no bit of a model can depend on its neighbours. */
#ifndef HPO_KERNELS_CPU_PLAN_H
#define HPO_KERNELS_CPU_PLAN_H

#include <pthread.h>
#include <stdatomic.h>

#include "kernels/backend.h"
#include "kernels/cpu/dnnl_compat.h"
#include "kernels/cpu/vec.h"
#include "kernels/math/dropout.h"
#include "kernels/place.h"

extern const struct kn_backend_ops kn_backend_cpu; /* backend.c; the registry declares its own */

struct cpu_dev {
    struct kn_dev base;
    int threads;
    dnnl_engine_t engine;
    int block;
    const struct cpu_vec *vec;
};

struct cpu_tensor {
    int c, h, w;
    int blocks;   /* of channels */
    size_t row;   /* floats a row, whole blocks */
    int samples;  /* in training so many rows an image */
    bool plain;   /* (n, c, h, w): the input of a first convolution */
    bool grad;    /* something trained lies before it */
    int uses;     /* operations that read it */
    int producer; /* node; -1: the input */
};

/* A node is one operation, or batch norm with what follows it: [+ tensor] [ReLU] [pool]. */
struct cpu_node {
    enum kn_kind kind; /* of the operation that it starts with */
    const struct kn_op *op;
    int in, in2, out;
    bool relu, frozen;
    enum cpu_tail tail;
    size_t weight, bias, mean, var; /* offsets into the model's arrays, in floats */
    int conv;                       /* convolutions, linear layers: index into conv[] */

    /* Buffers, by index; -1: none. */
    int saved;        /* batch norm: mean, 1 / deviation, scale, shift, coefficients */
    int scratch;      /* of the forward pass */
    int scratch_back; /* of the backward pass */
    int eval_scratch;
    int weight_back;          /* weights in the layout of the backward pass */
    int weight_diff;          /* their gradient, when its layout is not that of the weights */
    int part[2];              /* gradients of in, in2 that are then added to the ones there */
    bool in_first, in2_first; /* this node is the first to write the gradient of in, in2 */
};

/* The primitives of a convolution or linear layer, and its layouts. */
struct cpu_conv {
    struct dn_shape shape;
    struct dn_layout flat; /* (oc, ic, k, k), padded to whole blocks */
    struct dn_prim train, infer, data, weights;
    struct dn_reorder pack, unpack; /* flat <-> the layout that the optimizer works on */
    struct dn_reorder back;         /* -> the layout of `data`; absent when equal */
    struct dn_reorder diff;         /* gradient -> the optimizer's layout; absent when equal */
    bool has_data, has_back, has_diff;
    size_t weight_bytes;
};

struct cpu_calls { /* a runner's memory objects for a cpu_conv */
    struct dn_call train, infer, data, weights, pack, unpack, back, diff;
};

/* Where a trained parameter or statistic lies inside. */
struct cpu_param {
    size_t offset, count; /* floats; whole blocks */
    int conv;             /* >= 0: weight of that conv */
    int rows;             /* a vector of so many channels, otherwise */
};

struct cpu_batch { /* a training batch in the form that the network reads */
    float *x;
    int32_t *index; /* what is in it */
    uint32_t epoch;
    unsigned version; /* of the model's hyperparameters */
    struct kn_mix mix;
    int n; /* 0: nothing usable */
};

struct cpu_model {
    struct kn_hyper hyper;
    unsigned version; /* counts set_hyper */
    float lut[3][256], share[256]; /* a value of the source normalised; in [0, 1] */
    float *w, *g, *slot[KN_MAX_SLOTS], *stats;
    float *average_w, *average_stats; /* NULL: not averaged */
    float *sum;           /* gradients of earlier micro-batches; NULL: no accumulation */
    float *class_weights; /* hyper's, in here; NULL: none */
    float *weights_room;  /* for them */
    int estimate;         /* kn_batch.estimate of the step that runs */
    struct cpu_batch batch[2];
    int front;       /* the batch that the next train call looks into first */
    double loss_sum; /* of the steps since cpu_set_losses */

    struct kn_factor *factors_room; /* where hyper.factors points, unless it is NULL */
};

struct cpu_plan;
struct cpu_runner {
    struct cpu_plan *p;
    int id;
    pthread_t thread;
    char *arena;
    dnnl_stream_t stream;
    struct cpu_calls *calls;
    double *partial; /* threads x 2 x the widest tensor */
};

/* A job that all runners share: run(runner, model) for every model. */
typedef int cpu_job_fn(struct cpu_runner *r, int model, const void *arg, struct hpo_err *err);

/* Threads of a plan; see runner.c. */
struct cpu_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    unsigned long round;
    int running;
    bool stop, ready; /* ready: mutex and conditions exist */
    int n_started;
    cpu_job_fn *fn;
    const void *arg;
    atomic_int next;
    struct hpo_err err; /* of the lowest model that failed */
    int failed;         /* that model, or -1 */
};

/* The thread that fetches the next batches; see prefetch.c. */
struct cpu_fetcher {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    bool started, stop, busy;
    int *todo; /* models to fetch for */
    int n_todo;
};

struct cpu_plan {
    struct kn_plan base;
    struct cpu_dev *dev;
    const struct kn_images *images;
    int threads, freeze;
    bool exact;

    struct cpu_tensor *tensor;
    struct cpu_node *node;
    int n_nodes;
    struct cpu_conv *conv;
    int n_convs;
    struct cpu_param *param;
    size_t n_w, n_stats; /* floats of a model's arrays */
    int widest;          /* channels, whole blocks, of the widest tensor */

    struct kn_bufs train, eval;
    int *act, *grad; /* buffer of each tensor in the training arena; -1: none */
    int *eval_act;   /* in the evaluation arena */

    struct cpu_model *model;
    struct cpu_runner *runner;
    int n_runners;
    struct cpu_pool pool;
    struct cpu_fetcher fetch;

    char *memory; /* one mapping: models, runners */
    size_t memory_bytes;
};

/* device.c */
int cpu_device_count(const char **ret_why);
int cpu_device_describe(int index, struct kn_device_info *ret, struct hpo_err *err);
int cpu_device_open(int index, int threads, struct kn_dev **ret, struct hpo_err *err);
void cpu_device_close(struct kn_dev *dev);

/* compile.c; an estimate that fails is NaN. */
double cpu_estimate(struct kn_dev *dev, const struct kn_plan_desc *desc);
int cpu_compile(struct kn_dev *dev, const struct kn_plan_desc *desc, void *data,
                struct kn_plan **ret, struct hpo_err *err);
void cpu_plan_free(struct kn_plan *plan);

/* lower.c: nodes and tensors from the network; choice of primitives. */
int cpu_lower(struct cpu_plan *p, const struct kn_plan_desc *desc, struct hpo_err *err);
int cpu_choose(struct cpu_plan *p, struct hpo_err *err);
void cpu_convs_release(struct cpu_plan *p);

/* memory.c */
void cpu_plan_memory(struct cpu_plan *p);
size_t cpu_memory_bytes(struct cpu_plan *p, char *base);

/* forward.c, backward.c: one model's step, by the calling thread and its OpenMP team. */
int cpu_forward(struct cpu_runner *r, struct cpu_model *m, const float *x, uint32_t step,
                struct hpo_err *err);
int cpu_forward_eval(struct cpu_runner *r, struct cpu_model *m, struct hpo_err *err);
int cpu_backward(struct cpu_runner *r, struct cpu_model *m, const float *x, uint32_t step,
                 struct hpo_err *err);
void cpu_norm_forward(struct cpu_runner *r, struct cpu_model *m, const struct cpu_node *n,
                      const float *input);
void cpu_norm_forward_eval(struct cpu_runner *r, struct cpu_model *m, const struct cpu_node *n);
void cpu_norm_backward(struct cpu_runner *r, struct cpu_model *m, const struct cpu_node *n,
                       const float *input);

/* update.c: gradients to weights, and averages. */
int cpu_update(struct cpu_runner *r, struct cpu_model *m, const struct kn_batch *b,
               struct hpo_err *err);
size_t cpu_muon_bytes(const struct cpu_plan *p);
/* muon.c: make the matrix of a parameter, in the optimizer's layout, orthogonal. */
int cpu_orthogonalize(struct cpu_runner *r, int param, float *matrix, int steps,
                      struct hpo_err *err);

/* state.c: canonical form <-> inside. */
int cpu_set_state(struct cpu_runner *r, struct cpu_model *m, const struct kn_state *s,
                  struct hpo_err *err);
int cpu_get_state(struct cpu_runner *r, struct cpu_model *m, struct kn_state *s,
                  struct hpo_err *err);
int cpu_get_gradients(struct cpu_runner *r, struct cpu_model *m, float *ret, struct hpo_err *err);

/* gather.c: rows of the data set into a batch, by the calling thread or by the team of the model.
 */
struct cpu_pick {
    const int32_t *index;
    int n;
    bool augment;
    bool mirror; /* left to right, all of them; not with augment */
    uint32_t epoch;
    struct kn_mix mix;
};
void cpu_gather(const struct cpu_plan *p, const struct cpu_model *m, const struct cpu_pick *pick,
                float *x);
void cpu_gather_parallel(const struct cpu_plan *p, const struct cpu_model *m,
                         const struct cpu_pick *pick, float *x);
int cpu_show(struct kn_plan *plan, int model, const struct kn_batch *b, float *ret,
             struct hpo_err *err);

/* runner.c */
int cpu_pool_start(struct cpu_plan *p, struct hpo_err *err);
void cpu_pool_stop(struct cpu_plan *p);
int cpu_pool_run(struct cpu_plan *p, cpu_job_fn *fn, const void *arg, struct hpo_err *err);

/* A pass over the images of a batch, split among the model's threads: fn(r, arg, first, last). */
typedef void cpu_rows_fn(const struct cpu_runner *r, const void *arg, int n0, int n1);
void cpu_each_part(const struct cpu_runner *r, int rows, cpu_rows_fn *fn, const void *arg);

/* The calling thread as the leader of an OpenMP team of a given size, with denormals flushed in
 * all of it; leave puts back what was there. */
struct cpu_team {
    int threads;
    unsigned mode;
};
struct cpu_team cpu_team_enter(int threads);
void cpu_team_leave(struct cpu_team t);

/* prefetch.c */
int cpu_fetch_start(struct cpu_plan *p, struct hpo_err *err);
void cpu_fetch_stop(struct cpu_plan *p);
void cpu_fetch_wait(struct cpu_plan *p);
void cpu_fetch_next(struct cpu_plan *p, const struct kn_batch *next);

/* step.c: train and eval. */
int cpu_train(struct kn_plan *p, const struct kn_batch *batch, const struct kn_batch *next,
              double *ret_loss, struct hpo_err *err);
int cpu_losses(struct kn_plan *p, double *ret_sum, struct hpo_err *err);
int cpu_set_losses(struct kn_plan *p, const double *sum, struct hpo_err *err);
int cpu_eval(struct kn_plan *p, const int32_t *const *index, const int *n, float *const *ret_logits,
             struct hpo_err *err);

/* ---- small helpers ---- */

static inline float *cpu_ptr(const struct cpu_runner *r, const struct kn_bufs *b, int i)
{
    return i < 0 ? NULL : (float *)(r->arena + b->item[i].offset);
}

/* Rows of a tensor in a training batch. */
static inline int cpu_rows(const struct cpu_plan *p, int tensor)
{
    return p->base.batch * p->tensor[tensor].samples;
}

/* Rows (or elements) of thread t of threads: the same partition whoever asks. */
static inline int cpu_part(int n, int t, int threads)
{
    return (int)((int64_t)n * t / threads);
}

static inline struct cpu_shape cpu_shape_of(const struct cpu_plan *p, const struct cpu_tensor *t)
{
    return (struct cpu_shape){t->blocks, p->dev->block, t->h, t->w};
}

static inline struct cpu_dropout cpu_dropout_of(const struct cpu_plan *p, const struct cpu_node *n,
                                                const struct cpu_model *m, uint32_t step)
{
    const struct cpu_tensor *in = &p->tensor[n->in];

    return (struct cpu_dropout){.s = cpu_shape_of(p, in),
                                .c = in->c,
                                .samples = p->tensor[n->out].samples / in->samples,
                                .rate = m->hyper.rates[n->op->rate],
                                .seed = m->hyper.seed,
                                .fold = m->hyper.fold,
                                .layer = n->op->layer,
                                .step = step};
}

static inline float cpu_drop_path_factor(const struct cpu_plan *p, const struct cpu_node *n,
                                         const struct cpu_model *m, uint32_t step, int row)
{
    return kn_drop_path_factor(m->hyper.seed, m->hyper.fold, n->op->layer, step, (uint32_t)row,
                               m->hyper.rates[n->op->rate] * n->op->fraction);
}

#endif
