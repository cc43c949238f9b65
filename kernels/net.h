/* kernels/net.h - a network as a list of operations over named tensors.
 *
 * The trainer builds it once per shape; a backend compiles it (kernels/backend.h). Shapes are per
 * image: channels, height, width. Operations stand in execution order; tensor 0 is the input, the
 * last operation's output are the logits (classes, 1, 1). Names are torchvision's / PyTorch's
 * ("layer1.0.conv1.weight"), so that weights travel.
 *
 * Parameters in canonical form: one flat fp32 array of everything that is trained (`weights`), one
 * of running statistics (`buffers`), each parameter at its offset, in PyTorch's layout (conv OIHW,
 * linear (out, in)). */
#ifndef HPO_KERNELS_NET_H
#define HPO_KERNELS_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "kernels/math/act.h"

HPO_BEGIN_C

enum kn_kind {
    KN_CONV2D,     /* params: weight (O, I, k, k) [, bias (O)] */
    KN_BATCH_NORM, /* params: weight, bias; buffers: running_mean, running_var */
    KN_RELU,
    KN_ADD,             /* in + in2, same shape */
    KN_MAX_POOL,        /* kernel x kernel, stride, pad (which is never the maximum) */
    KN_GLOBAL_AVG_POOL, /* (c, h, w) -> (c, 1, 1) */
    KN_DROPOUT,         /* inverted; rate from kn_hyper.rates[rate] */
    KN_FLATTEN,         /* (c, h, w) -> (c * h * w, 1, 1), in PyTorch's order */
    KN_LINEAR,          /* params: weight (out, in) [, bias (out)] */
    KN_DEPTHWISE,       /* a convolution of each channel by itself; weight (C, 1, k, k) [, bias] */
    KN_ACT,             /* act: kernels/math/act.h */
    KN_SCALE,           /* in (c, h, w) times in2 (c, 1, 1): squeeze-and-excite */
    KN_DROP_PATH,       /* stochastic depth: whole rows; rate fraction * kn_hyper.rates[rate] */
    KN_MULTIPLY,        /* in times the constant `factor` */
    KN_N_KINDS
};

enum kn_init {
    KN_INIT_DEFAULT, /* conv, linear: kaiming_uniform(a = sqrt 5); bias U(+-1/sqrt fan_in) */
    KN_INIT_KAIMING_FAN_OUT, /* conv: normal, std sqrt(2 / fan_out) (torchvision's ResNet) */
    KN_INIT_UNIFORM_OUT,     /* linear: U(+-1 / sqrt out) (torchvision's EfficientNet) */
    KN_INIT_NORMAL_01,       /* normal, std 0.01 (torchvision's MobileNet) */
    KN_INIT_ZERO,
    KN_INIT_DIRAC, /* conv: output o begins as input o, as far as there are inputs; the other
                      outputs as by default (torch.nn.init.dirac_ on the first of them) */
    KN_INIT_WHITEN /* conv on the input, 2 * I * k * k outputs: from the training images, by whoever
                      has them (trainer/whiten.h) */
};

#define KN_ALWAYS (-1)

struct kn_tensor {
    int c, h, w;
    int samples; /* in training so many rows an image; 1 but behind a multi-sample dropout */
};

#define KN_NAME 64
#define KN_MAX_RATES 8
#define KN_MAX_SAMPLES 32

struct kn_op {
    enum kn_kind kind;
    char name[KN_NAME]; /* "layer1.0.conv1" */
    int in, in2, out;   /* tensor ids; in2 -1 unless KN_ADD */
    int kernel, stride, pad;
    float eps, momentum;  /* KN_BATCH_NORM: 1e-5, 0.1 (PyTorch's sense) */
    int rate;             /* KN_DROPOUT, KN_DROP_PATH: index into kn_hyper.rates */
    float fraction;       /* KN_DROP_PATH: of that rate */
    int layer;            /* the same two: names the random bits, no two have the same */
    float factor;         /* KN_MULTIPLY */
    enum kn_act_kind act; /* KN_ACT */
    int weight, bias;     /* indices into net->params; -1: none */
    int mean, var;        /* KN_BATCH_NORM: buffers, indices into net->params */
};

struct kn_param {
    char name[KN_NAME]; /* "layer1.0.conv1.weight" */
    int dims[4], n_dims;
    size_t count;
    size_t offset; /* in weights, or in buffers when !trained */
    bool trained;
    enum kn_init init;
    int epochs; /* of a trained one: for the first so many, then it is frozen; KN_ALWAYS. Whoever
                   trains the network sees to it (kn_hyper.factors) */
    int op;
};

struct kn_net {
    struct arena arena; /* owns what follows */
    struct kn_tensor *tensor;
    int n_tensors;
    struct kn_op *op;
    int n_ops;
    struct kn_param *param;
    int n_params;
    size_t n_weights, n_buffers; /* floats */
    int classes;
    float rates[KN_MAX_RATES]; /* the dropout rates that the builder asked for */
    int n_rates;
    int rc; /* the first failure of a builder call; later calls do nothing */
    struct hpo_err err;
};

/* Building. Each returns the id of the output tensor. A shape that does not fit (a pool larger than
 * its input, ...) is remembered: kn_net_finish reports it. */
void kn_net_init(struct kn_net *n, int c, int h, int w, int classes);
void kn_net_release(struct kn_net *n);
int kn_conv2d(struct kn_net *n, const char *name, int in, int out_channels, int kernel, int stride,
              int pad, bool bias, enum kn_init init);
/* The same for each channel by itself. */
int kn_depthwise(struct kn_net *n, const char *name, int in, int kernel, int stride, int pad,
                 bool bias, enum kn_init init);
int kn_batch_norm(struct kn_net *n, const char *name, int in);
/* PyTorch's eps and momentum are 1e-5 and 0.1. */
int kn_batch_norm_with(struct kn_net *n, const char *name, int in, float eps, float momentum);
/* Other initial values for the weight and the bias of the operation that was added last. */
void kn_init_with(struct kn_net *n, enum kn_init weight, enum kn_init bias);
/* How long the weight and the bias of the operation that was added last are trained: epochs, 0 is
 * not at all, or KN_ALWAYS. */
void kn_train_for(struct kn_net *n, int weight, int bias);
int kn_act_layer(struct kn_net *n, const char *name, int in, enum kn_act_kind act);
int kn_scale(struct kn_net *n, const char *name, int in, int by);
int kn_multiply(struct kn_net *n, const char *name, int in, float factor);
/* rate: kn_rate's; the branch `in` is dropped in a share fraction * rate of the rows. */
int kn_drop_path(struct kn_net *n, const char *name, int in, int rate, float fraction);
int kn_relu(struct kn_net *n, const char *name, int in);
int kn_add(struct kn_net *n, const char *name, int in, int in2);
int kn_max_pool(struct kn_net *n, const char *name, int in, int kernel, int stride, int pad);
int kn_global_avg_pool(struct kn_net *n, const char *name, int in);
/* A rate that several operations share; the index of it. */
int kn_rate(struct kn_net *n, const char *name, float rate);
int kn_dropout(struct kn_net *n, const char *name, int in, float rate);
/* One of several with the same rate (kn_rate's); each has masks of its own. */
int kn_dropout_shared(struct kn_net *n, const char *name, int in, int rate);
/* Multi-sample dropout (Inoue, arXiv 1905.09788): `samples` masks on the same features; what
 * follows (linear layers only) has so many rows an image, and the loss is the mean over them. In
 * evaluation there is one row, without dropout. in: 1 x 1 pixels. */
int kn_dropout_samples(struct kn_net *n, const char *name, int in, float rate, int samples);
int kn_flatten(struct kn_net *n, const char *name, int in);
int kn_linear(struct kn_net *n, const char *name, int in, int out, bool bias);
/* Check that the last output has `classes` channels and 1 x 1 pixels. */
int kn_net_finish(struct kn_net *n, struct hpo_err *err);

/* The head: the operation of the last linear layer. What stands before it is the backbone. */
int kn_net_head(const struct kn_net *n);

/* Multiply-adds of one image's forward pass, convolutions and linear layers only. */
double kn_net_macs(const struct kn_net *n);

HPO_END_C
#endif
