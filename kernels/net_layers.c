/* The layers of a network: their shapes and parameters. */
#include <math.h>
#include <string.h>

#include "kernels/net_impl.h"

/* Multi-sample rows have no pixels and meet nothing but linear layers. */
static bool one_sample(struct kn_net *n, const char *op, int in)
{
    if (n->tensor[in].samples != 1)
        net_fail(n, op, "after a multi-sample dropout only linear layers can follow");
    return net_ok(n);
}

static int convolution(struct kn_net *n, enum kn_kind kind, const char *name, int in,
                       const int dims[2], const int window[3], bool bias, enum kn_init init)
{
    int kernel = window[0], stride = window[1], pad = window[2], out;
    struct kn_tensor t;
    struct kn_op *op;

    t = n->tensor[in];
    if (kernel < 1 || kernel > MAX_KERNEL || stride < 1 || stride > MAX_KERNEL || pad < 0 ||
        pad >= kernel)
        return net_fail(n, name, "kernel %d, stride %d, padding %d is not a convolution", kernel,
                        stride, pad);
    if (t.h + 2 * pad < kernel || t.w + 2 * pad < kernel)
        return net_fail(n, name, "a %d x %d kernel does not fit into %d x %d pixels", kernel,
                        kernel, t.h, t.w);
    op = net_add_op(n, kind, name, in);
    if (!op)
        return 0;
    op->kernel = kernel;
    op->stride = stride;
    op->pad = pad;
    out = net_add_tensor(n, name, dims[0], (t.h + 2 * pad - kernel) / stride + 1,
                         (t.w + 2 * pad - kernel) / stride + 1, 1);
    if (!net_ok(n))
        return 0;
    op->out = out;
    op->weight =
        net_add_param(n, "weight", true, init, 4, (int[]){dims[0], dims[1], kernel, kernel});
    if (bias)
        op->bias = net_add_param(n, "bias", true, KN_INIT_DEFAULT, 1, dims);
    return out;
}

int kn_conv2d(struct kn_net *n, const char *name, int in, int out_channels, int kernel, int stride,
              int pad, bool bias, enum kn_init init)
{
    if (!net_valid_input(n, name, in) || !one_sample(n, name, in))
        return 0;
    return convolution(n, KN_CONV2D, name, in, (int[]){out_channels, n->tensor[in].c},
                       (int[]){kernel, stride, pad}, bias, init);
}

int kn_depthwise(struct kn_net *n, const char *name, int in, int kernel, int stride, int pad,
                 bool bias, enum kn_init init)
{
    if (!net_valid_input(n, name, in) || !one_sample(n, name, in))
        return 0;
    return convolution(n, KN_DEPTHWISE, name, in, (int[]){n->tensor[in].c, 1},
                       (int[]){kernel, stride, pad}, bias, init);
}

void kn_init_with(struct kn_net *n, enum kn_init weight, enum kn_init bias)
{
    const struct kn_op *op;

    if (!net_ok(n) || !n->n_ops)
        return;
    op = &n->op[n->n_ops - 1];
    if (op->weight >= 0)
        n->param[op->weight].init = weight;
    if (op->bias >= 0)
        n->param[op->bias].init = bias;
}

void kn_train_for(struct kn_net *n, int weight, int bias)
{
    const struct kn_op *op;

    if (!net_ok(n) || !n->n_ops)
        return;
    op = &n->op[n->n_ops - 1];
    if (op->weight >= 0)
        n->param[op->weight].epochs = weight;
    if (op->bias >= 0)
        n->param[op->bias].epochs = bias;
}

int kn_batch_norm(struct kn_net *n, const char *name, int in)
{
    return kn_batch_norm_with(n, name, in, 1e-5f, 0.1f);
}

int kn_batch_norm_with(struct kn_net *n, const char *name, int in, float eps, float momentum)
{
    struct kn_op *op;
    struct kn_tensor t;

    if (!net_valid_input(n, name, in) || !one_sample(n, name, in))
        return 0;
    t = n->tensor[in];
    op = net_add_op(n, KN_BATCH_NORM, name, in);
    if (!op)
        return 0;
    op->eps = eps;
    op->momentum = momentum;
    op->out = net_add_tensor(n, name, t.c, t.h, t.w, 1);
    op->weight = net_add_param(n, "weight", true, KN_INIT_DEFAULT, 1, &t.c);
    op->bias = net_add_param(n, "bias", true, KN_INIT_DEFAULT, 1, &t.c);
    op->mean = net_add_param(n, "running_mean", false, KN_INIT_DEFAULT, 1, &t.c);
    op->var = net_add_param(n, "running_var", false, KN_INIT_DEFAULT, 1, &t.c);
    return net_ok(n) ? op->out : 0;
}

/* Operations whose output has the shape of their input and that have no parameters. */
static int same_shape(struct kn_net *n, enum kn_kind kind, const char *name, int in)
{
    struct kn_op *op;
    struct kn_tensor t;

    if (!net_valid_input(n, name, in))
        return 0;
    t = n->tensor[in];
    op = net_add_op(n, kind, name, in);
    if (op)
        op->out = net_add_tensor(n, name, t.c, t.h, t.w, t.samples);
    return net_ok(n) ? op->out : 0;
}

int kn_relu(struct kn_net *n, const char *name, int in)
{
    return same_shape(n, KN_RELU, name, in);
}

int kn_act_layer(struct kn_net *n, const char *name, int in, enum kn_act_kind act)
{
    int out = same_shape(n, KN_ACT, name, in);

    if (net_ok(n))
        n->op[n->n_ops - 1].act = act;
    return out;
}

int kn_multiply(struct kn_net *n, const char *name, int in, float factor)
{
    int out;

    if (!isfinite(factor))
        return net_fail(n, name, "%g is no factor", (double)factor);
    out = same_shape(n, KN_MULTIPLY, name, in);
    if (net_ok(n))
        n->op[n->n_ops - 1].factor = factor;
    return out;
}

int kn_scale(struct kn_net *n, const char *name, int in, int by)
{
    const struct kn_tensor *a, *b;
    int out;

    if (!net_valid_input(n, name, in) || !net_valid_input(n, name, by))
        return 0;
    a = &n->tensor[in];
    b = &n->tensor[by];
    if (a->c != b->c || b->h != 1 || b->w != 1 || a->samples != 1 || b->samples != 1)
        return net_fail(n, name, "%d x %d x %d cannot be scaled by %d x %d x %d", a->c, a->h, a->w,
                        b->c, b->h, b->w);
    out = same_shape(n, KN_SCALE, name, in);
    if (net_ok(n))
        n->op[n->n_ops - 1].in2 = by;
    return out;
}

int kn_add(struct kn_net *n, const char *name, int in, int in2)
{
    const struct kn_tensor *a, *b;
    int out;

    if (!net_valid_input(n, name, in) || !net_valid_input(n, name, in2))
        return 0;
    a = &n->tensor[in];
    b = &n->tensor[in2];
    if (a->c != b->c || a->h != b->h || a->w != b->w || a->samples != b->samples)
        return net_fail(n, name, "%d x %d x %d and %d x %d x %d cannot be added", a->c, a->h, a->w,
                        b->c, b->h, b->w);
    out = same_shape(n, KN_ADD, name, in);
    if (net_ok(n))
        n->op[n->n_ops - 1].in2 = in2;
    return out;
}

int kn_max_pool(struct kn_net *n, const char *name, int in, int kernel, int stride, int pad)
{
    struct kn_op *op;
    struct kn_tensor t;

    if (!net_valid_input(n, name, in) || !one_sample(n, name, in))
        return 0;
    t = n->tensor[in];
    /* As PyTorch: no window may lie in the padding alone. */
    if (kernel < 1 || kernel > MAX_KERNEL || stride < 1 || stride > MAX_KERNEL || pad < 0 ||
        pad > kernel / 2)
        return net_fail(n, name, "kernel %d, stride %d, padding %d is not a pooling", kernel,
                        stride, pad);
    if (kernel > t.h + 2 * pad || kernel > t.w + 2 * pad)
        return net_fail(n, name, "a %d x %d pool does not fit into %d x %d pixels", kernel, kernel,
                        t.h, t.w);
    op = net_add_op(n, KN_MAX_POOL, name, in);
    if (!op)
        return 0;
    op->kernel = kernel;
    op->stride = stride;
    op->pad = pad;
    op->out = net_add_tensor(n, name, t.c, (t.h + 2 * pad - kernel) / stride + 1,
                             (t.w + 2 * pad - kernel) / stride + 1, 1);
    return net_ok(n) ? op->out : 0;
}

int kn_global_avg_pool(struct kn_net *n, const char *name, int in)
{
    struct kn_op *op;

    if (!net_valid_input(n, name, in) || !one_sample(n, name, in))
        return 0;
    op = net_add_op(n, KN_GLOBAL_AVG_POOL, name, in);
    if (op)
        op->out = net_add_tensor(n, name, n->tensor[in].c, 1, 1, 1);
    return net_ok(n) ? op->out : 0;
}

int kn_rate(struct kn_net *n, const char *name, float rate)
{
    if (!net_ok(n))
        return 0;
    if (!(rate >= 0.0f && rate < 1.0f))
        return net_fail(n, name, "a dropout rate is 0 or more and below 1, not %g", (double)rate);
    if (n->n_rates == KN_MAX_RATES)
        return net_fail(n, name, "at most %d dropouts", KN_MAX_RATES);
    n->rates[n->n_rates] = rate;
    return n->n_rates++;
}

int kn_dropout(struct kn_net *n, const char *name, int in, float rate)
{
    return kn_dropout_samples(n, name, in, rate, 1);
}

int kn_dropout_samples(struct kn_net *n, const char *name, int in, float rate, int samples)
{
    int index, out;

    if (!net_valid_input(n, name, in))
        return 0;
    if (samples < 1 || samples > KN_MAX_SAMPLES)
        return net_fail(n, name, "%d samples: from 1 to %d are possible", samples, KN_MAX_SAMPLES);
    if (samples > 1 && (n->tensor[in].h != 1 || n->tensor[in].w != 1 || n->tensor[in].samples != 1))
        return net_fail(n, name, "several samples are taken of 1 x 1 pixels, and once");
    index = kn_rate(n, name, rate);
    out = same_shape(n, KN_DROPOUT, name, in);
    if (net_ok(n)) {
        n->op[n->n_ops - 1].rate = n->op[n->n_ops - 1].layer = index;
        n->tensor[out].samples *= samples;
    }
    return out;
}

int kn_dropout_shared(struct kn_net *n, const char *name, int in, int rate)
{
    int out;

    if (!net_valid_input(n, name, in))
        return 0;
    if (rate < 0 || rate >= n->n_rates)
        return net_fail(n, name, "there is no rate %d", rate);
    out = same_shape(n, KN_DROPOUT, name, in);
    if (net_ok(n)) {
        n->op[n->n_ops - 1].rate = rate;
        n->op[n->n_ops - 1].layer = KN_MAX_RATES + n->n_ops;
    }
    return out;
}

int kn_drop_path(struct kn_net *n, const char *name, int in, int rate, float fraction)
{
    int out;

    if (!net_valid_input(n, name, in) || !one_sample(n, name, in))
        return 0;
    if (rate < 0 || rate >= n->n_rates || !(fraction >= 0.0f && fraction <= 1.0f))
        return net_fail(n, name, "there is no rate %d, or %g is no share of it", rate,
                        (double)fraction);
    out = same_shape(n, KN_DROP_PATH, name, in);
    if (net_ok(n)) {
        n->op[n->n_ops - 1].rate = rate;
        n->op[n->n_ops - 1].fraction = fraction;
        n->op[n->n_ops - 1].layer = KN_MAX_RATES + n->n_ops;
    }
    return out;
}

int kn_flatten(struct kn_net *n, const char *name, int in)
{
    struct kn_op *op;
    struct kn_tensor t;

    if (!net_valid_input(n, name, in))
        return 0;
    if (!one_sample(n, name, in))
        return 0;
    t = n->tensor[in];
    if ((int64_t)t.c * t.h * t.w > MAX_CHANNELS)
        return net_fail(n, name, "%lld features are too many", (long long)t.c * t.h * t.w);
    op = net_add_op(n, KN_FLATTEN, name, in);
    if (op)
        op->out = net_add_tensor(n, name, t.c * t.h * t.w, 1, 1, 1);
    return net_ok(n) ? op->out : 0;
}

int kn_linear(struct kn_net *n, const char *name, int in, int out, bool bias)
{
    struct kn_op *op;
    struct kn_tensor t;

    if (!net_valid_input(n, name, in))
        return 0;
    t = n->tensor[in];
    if (t.h != 1 || t.w != 1)
        return net_fail(n, name,
                        "a linear layer needs 1 x 1 pixels, not %d x %d: flatten or pool first",
                        t.h, t.w);
    op = net_add_op(n, KN_LINEAR, name, in);
    if (!op)
        return 0;
    op->out = net_add_tensor(n, name, out, 1, 1, t.samples);
    if (!net_ok(n))
        return 0;
    op->weight = net_add_param(n, "weight", true, KN_INIT_DEFAULT, 2, (int[]){out, t.c});
    if (bias && net_ok(n))
        op->bias = net_add_param(n, "bias", true, KN_INIT_DEFAULT, 1, &out);
    return net_ok(n) ? op->out : 0;
}
