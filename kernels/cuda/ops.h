/* kernels/cuda/ops.h - everything on the device that is not a convolution or a matrix product: our
 * kernels, one launch for all models of an array.
 *
 * Tensors are NHWC and model-major: (models, n, h, w, c) of type T (enum cu_type), channels as
 * stored: c rounded up to a multiple of 8 for 16-bit types and of 4 for fp32 (the input: 8 and 4).
 * Channels beyond the network's own are zero and stay zero. Statistics, losses, master weights and
 * optimizer state are fp32. Every kernel is deterministic: sums are fixed two-stage trees, no
 * atomics. What changes from step to step is read from device memory (struct cu_step), so that a
 * captured graph can be replayed. A model whose cu_step.n is 0 sits the step out: its kernels
 * return at once and change nothing of it. Element-wise formulas are those of kernels/math/.
 *
 * Each function launches on a stream and returns 0, or fills err with what the launch said. */
#ifndef HPO_KERNELS_CUDA_OPS_H
#define HPO_KERNELS_CUDA_OPS_H

#include <cuda_runtime_api.h>

#include "kernels/backend.h"
#include "kernels/cuda/conv.h"

HPO_BEGIN_C

/* One model's step, in device memory; uploaded before each replay. */
struct cu_step {
    int n; /* images, or 0 */
    uint32_t epoch, step;
    struct kn_mix mix;
    int micro, micros; /* kn_batch's: weights change at the last one */
    float average;     /* kn_batch's */
    int adopt;         /* kn_batch's */
    int estimate;      /* kn_batch's; 0 in training */
    struct kn_optim_step optim;
};

/* Per model, in device memory; changes with set_hyper alone. */
struct cu_hyper {
    float mean[3], std[3];
    struct kn_augment augment;
    struct kn_loss loss;
    struct kn_optim optim;
    float rates[KN_MAX_RATES];
    const float *class_weights; /* device, one a class; NULL: all 1 */
    uint64_t seed;
    int fold, mirror;
};

/* Dynamic loss scaling of one model (fp16 only), PyTorch's GradScaler: 65536 to begin with, halved
 * when a gradient is not finite (that step changes no weight), doubled after 2000 good steps. */
struct cu_scaler {
    float scale;
    int good;  /* steps since it last changed */
    int found; /* this step's gradients are not all finite */
};

/* What every launch needs to know of the array. */
struct cu_array {
    int models;
    int rows;    /* of each model's batch, as allocated: the training or evaluation batch */
    int samples; /* of these so many are an image's, in succession; 0: one */
    enum cu_type type;
    const struct cu_step *step;   /* device, one a model; NULL: evaluation, n from `count` */
    const int *count;             /* device: rows of each model that count; evaluation */
    const struct cu_hyper *hyper; /* device, one a model */
    cudaStream_t stream;
};

/* A tensor: channels of the network, channels as stored. */
struct cu_shape {
    int h, w, c, stored;
};

/* Images (pixels (N, h, w, 3) uint8 on the device or mapped from the host) into x. index (models,
 * rows): which. */
enum cu_view { CU_AS_IS, CU_MIRRORED /* left to right */, CU_AUGMENTED };
int cu_gather(const struct cu_array *a, const uint8_t *pixels, int h, int w, const int32_t *index,
              enum cu_view view, void *x, int stored, struct hpo_err *err);

/* kn_batch.mix on what was gathered, in place: row i and row rows - 1 - i. */
int cu_mix(const struct cu_array *a, struct cu_shape s, void *x, struct hpo_err *err);

/* Batch norm over (n, h, w) of each model and channel. saved: (models, 4, stored) floats: the mean,
 * what that float is off by, 1 / deviation, and weight / deviation; from training's forward pass
 * for its backward pass. partial: scratch of cu_norm_scratch bytes. weight, bias, running: a
 * model's parameters lie `stride` floats after those of the model before. Running statistics follow
 * PyTorch (momentum, unbiased variance) and are updated in training. */
struct cu_norm {
    struct cu_shape s;
    float eps, momentum;
    float *weight, *bias, *running_mean, *running_var; /* of model 0 */
    size_t weights_stride, buffers_stride;             /* floats from model to model */
    float *saved;                                      /* training */
    void *partial;                                     /* training */
    bool relu;
    bool estimate; /* training: running statistics move by 1 / cu_step.estimate instead */
};
/* Enough for cu_bias_backward as well. */
size_t cu_norm_scratch(const struct cu_array *a, const struct cu_shape *s);
/* y = relu?(norm(x) + res); res NULL: none. y is another tensor than x. Training normalises by the
 * batch's statistics and fills saved, evaluation by the running ones. */
int cu_norm_train(const struct cu_array *a, const struct cu_norm *n, const void *x, const void *res,
                  void *y, struct hpo_err *err);
int cu_norm_eval(const struct cu_array *a, const struct cu_norm *n, const void *x, const void *res,
                 void *y, struct hpo_err *err);
/* g = dy, cut by the sign of y with relu. dweight, dbias (of model 0; stride weights_stride, into
 * the gradients, fp32); dres = or += g; then dx = or += the gradient of x. dx, dres NULL: not
 * wanted. dx may be dy, and it may be dres. y: read with relu alone. */
int cu_norm_backward(const struct cu_array *a, const struct cu_norm *n, const void *x,
                     const void *y, const void *dy, void *dx, bool dx_add, void *dres,
                     bool dres_add, float *dweight, float *dbias, struct hpo_err *err);

/* Element-wise, count elements a model. dx may be dy; add: dx += instead of =. */
int cu_relu(const struct cu_array *a, const void *x, void *y, size_t count, struct hpo_err *err);
int cu_relu_backward(const struct cu_array *a, const void *y, const void *dy, void *dx, bool add,
                     size_t count, struct hpo_err *err);
int cu_add(const struct cu_array *a, const void *x, const void *x2, void *y, bool relu,
           size_t count, struct hpo_err *err);
/* y = or += x times a constant; the same function forward and backward. */
int cu_multiply(const struct cu_array *a, const void *x, float factor, void *y, bool add,
                size_t count, struct hpo_err *err);
/* dx = or += dy; with relu cut by the sign of y. */
int cu_pass(const struct cu_array *a, const void *y, const void *dy, void *dx, bool relu, bool add,
            size_t count, struct hpo_err *err);

/* Max pooling, kernel x kernel, padding never the maximum; the first maximum takes the gradient
 * (PyTorch). */
struct cu_pool {
    struct cu_shape in, out;
    int kernel, stride, pad;
};
int cu_pool(const struct cu_array *a, const struct cu_pool *d, const void *x, void *y,
            struct hpo_err *err);
int cu_pool_backward(const struct cu_array *a, const struct cu_pool *d, const void *x,
                     const void *y, const void *dy, void *dx, bool add, struct hpo_err *err);
int cu_average(const struct cu_array *a, struct cu_shape in, const void *x, void *y,
               struct hpo_err *err);
int cu_average_backward(const struct cu_array *a, struct cu_shape in, const void *dy, void *dx,
                        bool add, struct hpo_err *err);

/* Each channel by itself. Weights, and their gradients in fp32, as in the flat arrays: (stored, k,
 * k), model 0's first, the next model's weights_stride elements on. dw is set, dx = or += . */
struct cu_depthwise {
    struct cu_shape in, out;
    int kernel, stride, pad;
    size_t weights_stride;
};
int cu_depthwise(const struct cu_array *a, const struct cu_depthwise *d, const void *x,
                 const void *w, void *y, struct hpo_err *err);
int cu_depthwise_data(const struct cu_array *a, const struct cu_depthwise *d, const void *dy,
                      const void *w, void *dx, bool add, struct hpo_err *err);
/* partial: scratch of so many bytes. */
size_t cu_depthwise_scratch(const struct cu_array *a, const struct cu_depthwise *d);
int cu_depthwise_filter(const struct cu_array *a, const struct cu_depthwise *d, const void *x,
                        const void *dy, float *dw, void *partial, struct hpo_err *err);

/* kernels/math/act.h. dx may be dy. */
int cu_act(const struct cu_array *a, struct cu_shape s, enum kn_act_kind kind, const void *x,
           void *y, struct hpo_err *err);
int cu_act_backward(const struct cu_array *a, struct cu_shape s, enum kn_act_kind kind,
                    const void *x, const void *dy, void *dx, bool add, struct hpo_err *err);

/* y = x times s, a factor for each image and channel; the gradients of both (NULL: not wanted). dx
 * may be dy. */
int cu_scale(const struct cu_array *a, struct cu_shape in, const void *x, const void *s, void *y,
             struct hpo_err *err);
int cu_scale_backward(const struct cu_array *a, struct cu_shape in, const void *x, const void *s,
                      const void *dy, void *dx, bool dx_add, void *ds, bool ds_add,
                      struct hpo_err *err);

/* What is dropped is kernels/math/dropout.h's. Of the array, rows are those of x and dx: a dropout
 * makes `samples` of each, with masks of their own, and its gradient is the sum over them. With one
 * sample x may be y, and dx dy. */
struct cu_drop {
    int rate, layer; /* kn_op's */
    float fraction;  /* drop path: of the rate */
    int samples;     /* dropout */
};
int cu_dropout(const struct cu_array *a, struct cu_shape s, const struct cu_drop *d, const void *x,
               void *y, bool add, struct hpo_err *err);
int cu_dropout_backward(const struct cu_array *a, struct cu_shape s, const struct cu_drop *d,
                        const void *dy, void *dx, bool add, struct hpo_err *err);
/* The same function forward and backward. */
int cu_drop_path(const struct cu_array *a, struct cu_shape s, const struct cu_drop *d,
                 const void *x, void *y, bool add, struct hpo_err *err);

/* (h, w, c stored) -> the network's (c, h, w) order as one row of c h w channels (stored likewise
 * rounded up), and back. */
int cu_flatten(const struct cu_array *a, struct cu_shape in, const void *x, void *y,
               struct hpo_err *err);
int cu_flatten_backward(const struct cu_array *a, struct cu_shape in, const void *dy, void *dx,
                        bool add, struct hpo_err *err);

/* y += bias (a channel each), and dbias = the sum of dy over rows and pixels. */
int cu_bias(const struct cu_array *a, struct cu_shape s, const float *bias, size_t stride, void *y,
            struct hpo_err *err);
int cu_bias_backward(const struct cu_array *a, struct cu_shape s, const void *dy, float *dbias,
                     size_t stride, void *partial, struct hpo_err *err);

/* logits (models, rows, stored classes) of type T. loss_sum (models) doubles: += the mean loss of
 * the batch; dlogits of type T, times the model's loss scale (scaler NULL: 1). labels: of the whole
 * data set, looked up through index, mixed as cu_step.mix says; class weights are cu_hyper's. Of
 * several micro-batches each counts for its share. row_loss: scratch, models * rows floats. */
int cu_loss(const struct cu_array *a, int classes, int stored, const void *logits,
            const int32_t *labels, const int32_t *index, const struct cu_scaler *scaler,
            void *dlogits, float *row_loss, double *loss_sum, struct hpo_err *err);
/* (models, rows, stored) of type T -> (models, rows, classes) floats. mirrored: for models of which
 * cu_hyper says so the mean of these and of what is there. */
int cu_logits(const struct cu_array *a, int classes, int stored, const void *logits, bool mirrored,
              float *ret, struct hpo_err *err);

/* A conv's or linear's weight gradient of type T into the flat fp32 gradients. */
int cu_widen(const struct cu_array *a, const void *from, size_t from_stride, float *to,
             size_t to_stride, size_t count, struct hpo_err *err);
/* How a parameter of a model takes part in its optimizer steps. */
enum cu_how {
    CU_PLAIN,
    CU_MATRIX, /* Muon orthogonalises it: cu_optim leaves it alone */
    CU_FROZEN  /* nothing of it changes, and its gradient does not count */
};
struct cu_part {
    float lr, decay; /* factors */
    enum cu_how how;
};
/* Parameters begin at multiples of so many floats in a model's flat arrays. */
#define CU_PIECE 16

/* One optimizer step over flat arrays of n floats a model; `copy` (NULL: none) gets the new weights
 * as type T. With a scaler, gradients are divided by its scale, and a model whose gradients are not
 * all finite keeps its weights and its scale is halved. Then they are clipped. Only models that are
 * at the last of their micro-batches take part. */
struct cu_flat {
    float *w, *g, *slot[KN_MAX_SLOTS];
    void *copy;
    size_t n;
    enum kn_optim_kind kind;
    const int32_t *which;       /* device: of each piece, the index of its part, */
    const struct cu_part *part; /* device: of which every model has so many */
    int parts;
    bool clip;                /* hyper.optim.clip of some model is above 0 */
    struct cu_scaler *scaler; /* device, one a model; NULL: none */
    double *squares;          /* scratch: models * cu_flat_blocks; with a scaler or clip */
    float *factor;            /* likewise, (models): what gradients were multiplied by */
};
int cu_flat_blocks(size_t n);
int cu_optim(const struct cu_array *a, const struct cu_flat *f, struct hpo_err *err);

/* Muon, for one matrix of every model, after cu_optim: momentum, and the matrix divided by its
 * Frobenius norm in the gradient's place (partial: scratch, models * cu_flat_blocks(n) doubles);
 * the polynomial of an iteration, square <- a I + b gram + c square (side x side each, models
 * without gaps); and the weights of those models that iterate so many times, from x (`stride`
 * floats from model to model). */
struct cu_matrix {
    size_t at, n;   /* floats of a model's flat arrays; n: a multiple of 4 */
    int rows, cols; /* of the network's matrix */
    int part;
};
int cu_muon_begin(const struct cu_array *a, const struct cu_flat *f, const struct cu_matrix *m,
                  double *partial, struct hpo_err *err);
int cu_muon_polynomial(const struct cu_array *a, int side, const float *gram, float *square,
                       struct hpo_err *err);
int cu_muon_end(const struct cu_array *a, const struct cu_flat *f, const struct cu_matrix *m,
                const float *x, size_t stride, int iterations, struct hpo_err *err);

/* Micro-batches, n floats a model: sum <- g, sum <- sum + g, and at the last g <- g + sum. */
int cu_accumulate(const struct cu_array *a, float *g, float *sum, size_t n, struct hpo_err *err);
/* average <- average * cu_step.average + (1 - that) * now, n floats a model, where weights change.
 */
int cu_moving_average(const struct cu_array *a, const float *now, float *average, size_t n,
                      struct hpo_err *err);
/* now <- average where that is adopted; copy as type T (NULL: none). */
int cu_adopt(const struct cu_array *a, const float *average, float *now, void *copy, size_t n,
             struct hpo_err *err);
/* The weights as type T, after set_state. */
int cu_narrow(const struct cu_array *a, const float *from, void *to, size_t n, struct hpo_err *err);

HPO_END_C
#endif
