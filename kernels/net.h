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

HPO_BEGIN_C

enum kn_kind {
    KN_CONV2D,          /* params: weight (O, I, k, k) [, bias (O)] */
    KN_BATCH_NORM,      /* params: weight, bias; buffers: running_mean, running_var */
    KN_RELU,
    KN_ADD,             /* in + in2, same shape */
    KN_MAX_POOL,        /* kernel x kernel, stride, no padding */
    KN_GLOBAL_AVG_POOL, /* (c, h, w) -> (c, 1, 1) */
    KN_DROPOUT,         /* inverted; rate from kn_hyper.rates[rate] */
    KN_FLATTEN,         /* (c, h, w) -> (c * h * w, 1, 1), in PyTorch's order */
    KN_LINEAR,          /* params: weight (out, in) [, bias (out)] */
    KN_N_KINDS
};

enum kn_init {
    KN_INIT_DEFAULT,        /* conv, linear: kaiming_uniform(a = sqrt 5); bias U(+-1/sqrt fan_in) */
    KN_INIT_KAIMING_FAN_OUT /* conv: normal, std sqrt(2 / fan_out) (torchvision's ResNet) */
};

struct kn_tensor {
    int c, h, w;
};

#define KN_NAME 64
#define KN_MAX_RATES 8

struct kn_op {
    enum kn_kind kind;
    char name[KN_NAME]; /* "layer1.0.conv1" */
    int in, in2, out;   /* tensor ids; in2 -1 unless KN_ADD */
    int kernel, stride, pad;
    float eps, momentum;  /* KN_BATCH_NORM: 1e-5, 0.1 (PyTorch's sense) */
    int rate;             /* KN_DROPOUT: index into kn_hyper.rates */
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
int kn_batch_norm(struct kn_net *n, const char *name, int in);
int kn_relu(struct kn_net *n, const char *name, int in);
int kn_add(struct kn_net *n, const char *name, int in, int in2);
int kn_max_pool(struct kn_net *n, const char *name, int in, int kernel, int stride);
int kn_global_avg_pool(struct kn_net *n, const char *name, int in);
int kn_dropout(struct kn_net *n, const char *name, int in, float rate);
int kn_flatten(struct kn_net *n, const char *name, int in);
int kn_linear(struct kn_net *n, const char *name, int in, int out, bool bias);
/* Check that the last output has `classes` channels and 1 x 1 pixels. */
int kn_net_finish(struct kn_net *n, struct hpo_err *err);

/* Multiply-adds of one image's forward pass, convolutions and linear layers only. */
double kn_net_macs(const struct kn_net *n);

HPO_END_C
#endif
