/* kernels/backend.h - a device, and networks compiled for it.
 *
 * kn_compile turns a network into a *plan* for an array of `models` networks of that one shape,
 * trained in lock-step: what is a shape is fixed at compile time, what is not (rates, smoothing,
 * seeds, fold, order, learning rate) is given per model. One model is the plain case. The bits of a
 * model do not depend on its neighbours. Inside, a backend may fuse, choose layouts, use threads;
 * outside nobody can tell. Nothing is allocated after compile. A plan is used by one thread at a
 * time. C++-clean, because .cu files include it. */
#ifndef HPO_KERNELS_BACKEND_H
#define HPO_KERNELS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/opt.h"
#include "kernels/math/augment.h"
#include "kernels/math/loss.h"
#include "kernels/math/optim.h"
#include "kernels/net.h"

HPO_BEGIN_C

enum kn_precision { KN_PRECISION_AUTO, KN_FP32, KN_TF32, KN_BF16, KN_FP16 };

/* The data set in host memory; pixels may be a read-only mapping. Lives longer than every plan. */
struct kn_images {
    const uint8_t *pixels; /* (n, h, w, 3), RGB */
    const int32_t *labels; /* (n), 0 .. classes - 1 */
    int64_t n;
    int h, w, classes;
};

struct kn_device_info {
    char name[128];                   /* "AMD EPYC (2 threads, AVX-512)" */
    char detail[256];                 /* library versions, compute capability, ... */
    double memory_total, memory_free; /* bytes; 0: unknown */
};

/* What a parameter's learning rate and decay are multiplied by, beside what kn_optim says. 1, 1:
 * the plain case, the same bits as without. lr 0: it is frozen for the time being. Neither it nor
 * its slots change, and clipping does not count its gradient (PyTorch: requires_grad = False). */
struct kn_factor {
    float lr, decay;
};

/* What may differ between the models of an array. */
struct kn_hyper {
    float mean[3], std[3]; /* of x in [0, 1]: the network sees (pixel / 255 - mean) / std */
    struct kn_augment augment;
    struct kn_loss loss;
    struct kn_optim optim;      /* optim.kind must be the plan's */
    float rates[KN_MAX_RATES];  /* dropout, stochastic depth */
    const float *class_weights; /* one a class, copied by set_hyper; NULL: all 1 */
    uint64_t seed;              /* of augmentation and dropout: the study's, not the trial's */
    int fold;

    int mirror; /* not 0: evaluations give the mean of the logits of an image and of its mirror
                   image, left to right (test-time augmentation) */

    /* One of net->param each, copied by set_hyper; NULL: all 1, 1. Those of buffers say nothing. */
    const struct kn_factor *factors;
};

struct kn_plan_desc {
    const struct kn_net *net; /* lives as long as the plan */
    int batch;                /* rows of a training batch, exactly */
    int eval_batch;           /* rows of an evaluation batch, at most */
    int models;               /* 1 or more */
    int threads; /* CPU: threads a model; models run side by side on what the device has */
    enum kn_precision precision;
    enum kn_optim_kind optim;
    bool exact;      /* direct convolutions only: parity tests compare with them */
    double steps;    /* that it is likely to train, 0: nobody knows. Many make it worth while to
                        measure    algorithms first */
    bool averaged;   /* keeps moving averages of weights and statistics; evaluations use them */
    bool accumulate; /* steps of several batches: kn_batch.micros may be above 1 */
    int freeze;      /* operations before this one keep their weights, and their batch norms work
                        with running statistics as in evaluation, and leave them alone */
};

/* The training state of one model in canonical order; see kernels/net.h. */
struct kn_state {
    float *weights;             /* net->n_weights */
    float *buffers;             /* net->n_buffers */
    float *slots[KN_MAX_SLOTS]; /* net->n_weights each; kn_optim_slots(kind) of them */
    float *average_weights, *average_buffers; /* of a plan that is `averaged`; else unused */
};

/* Images of a batch mixed with each other: row i with row n - 1 - i (timm's pairing). Mixup: lambda
 * of the one, 1 - lambda of the other; CutMix: rows y0 .. y1, columns x0 .. x1 are the other's, and
 * lambda is the share that is not. Labels are mixed likewise. */
enum kn_mix_kind { KN_MIX_NONE, KN_MIXUP, KN_CUTMIX };
struct kn_mix {
    enum kn_mix_kind kind;
    float lambda;
    int y0, y1, x0, x1;
};

/* One model's share of a training step. */
struct kn_batch {
    const int32_t *index; /* rows of the data set; desc.batch of them */
    int n;                /* desc.batch, or 0: this model sits this step out */
    uint32_t epoch;       /* names the augmentation */
    uint32_t step;        /* batches before, from 0; names the dropout mask */
    float lr;
    float momentum; /* of this step; 0: the optimizer's own. With Adam and its kin: beta1 */
    struct kn_mix mix;
    int micro, micros; /* batch `micro` of `micros` that make one step: gradients are the mean over
                          them, weights change at the last. 0, 0 as well as 0, 1: the plain case */
    uint32_t behind; /* of the batches before, how many changed no weights: step - behind optimizer
                        steps were done */
    float average;   /* averaged: after the step average <- average * this + (1 - this) * now, of
                        weights and statistics; 1 leaves it, 0 copies. At the last micro-batch */
    int adopt;       /* averaged; not 0: then the weights and statistics become their average
                        (Lookahead). At the last micro-batch */
    int estimate;    /* averaged; not 0: nothing is trained. A forward pass as in training, but
                        with the average weights, moves their statistics by 1 / estimate */
};

/* A backend fills these in; see the functions below for the contracts. */
struct kn_dev {
    const struct kn_backend_ops *ops;
};
struct kn_plan {
    const struct kn_backend_ops *ops;
    const struct kn_net *net;
    int batch, eval_batch, models;
    enum kn_optim_kind optim;
    bool averaged, accumulate;
};

struct kn_backend_ops {
    struct hpo_plugin plugin; /* "cpu", "cuda" */
    unsigned precisions;      /* bit KN_...: what compile accepts */
    bool async;               /* train without ret_loss returns early: asking seldom is faster */

    /* Devices usable now; 0 is an answer. *ret_why (static text) says why there are none. */
    int (*count)(const char **ret_why);
    int (*describe)(int index, struct kn_device_info *ret, struct hpo_err *err);

    /* threads: CPU threads that all plans of this device share; 0: as many as there are. */
    int (*open)(int index, int threads, struct kn_dev **ret, struct hpo_err *err);
    void (*close)(struct kn_dev *d);

    /* Make a data set known to the device (upload, or keep the pointer). *ret is passed to compile.
     * One data set may serve many plans. */
    int (*data_open)(struct kn_dev *d, const struct kn_images *images, void **ret,
                     struct hpo_err *err);
    void (*data_close)(struct kn_dev *d, void *data);

    /* Bytes that a plan will take on the device, and compile. HPO_ENOMEM is an ordinary answer:
     * the trial fails with the numbers, the study goes on. */
    double (*estimate)(struct kn_dev *d, const struct kn_plan_desc *desc);
    int (*compile)(struct kn_dev *d, const struct kn_plan_desc *desc, void *data,
                   struct kn_plan **ret, struct hpo_err *err);
    void (*plan_free)(struct kn_plan *p);

    int (*set_hyper)(struct kn_plan *p, int model, const struct kn_hyper *h, struct hpo_err *err);
    int (*set_state)(struct kn_plan *p, int model, const struct kn_state *s, struct hpo_err *err);
    int (*get_state)(struct kn_plan *p, int model, struct kn_state *ret, struct hpo_err *err);

    /* One step of every model: gather, augment, forward, loss, backward, optimizer. batch[models].
     * next (NULL: unknown): the batches of the call after this one, fetched while this one trains;
     * their index arrays must stay valid until then. ret_loss[models]: the mean loss of the batch
     * (0 for a model that sat out). NULL: nobody waits for it, and a device may still be at work
     * when train returns; losses() tells. Index arrays may be reused when the call has returned. */
    int (*train)(struct kn_plan *p, const struct kn_batch *batch, const struct kn_batch *next,
                 double *ret_loss, struct hpo_err *err);

    /* Wait for what was begun. ret_sum[models]: the running sum of the losses of a model's steps,
     * whether train told them or not; added up step by step in double, so its bits do not depend on
     * how often one asks. set_losses gives what it begins with (0 after compile). */
    int (*losses)(struct kn_plan *p, double *ret_sum, struct hpo_err *err);
    int (*set_losses)(struct kn_plan *p, const double *sum, struct hpo_err *err);

    /* Logits (n[m], classes) of rows index[m][0 .. n[m]) for every model m, without augmentation or
     * dropout, with running statistics. n[m] may be 0. */
    int (*eval)(struct kn_plan *p, const int32_t *const *index, const int *n,
                float *const *ret_logits, struct hpo_err *err);

    /* For tests: the gradients of the last train call, canonical order, net->n_weights floats. */
    int (*get_gradients)(struct kn_plan *p, int model, float *ret, struct hpo_err *err);

    /* For people: the images of a batch as train would give them to the network, augmented,
     * normalised and mixed: (n, 3, h, w). NULL: this backend does not show them. */
    int (*show)(struct kn_plan *p, int model, const struct kn_batch *batch, float *ret,
                struct hpo_err *err);
};

extern const struct kn_backend_ops *const kn_backend_registry[]; /* NULL ends it */

HPO_END_C
#endif
