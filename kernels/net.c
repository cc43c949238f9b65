#include "kernels/net.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Far above anything that trains, low enough that no product of sizes overflows an int64_t and
 * that an element of a tensor can be named by 32 bits in a dropout mask. */
#define MAX_CHANNELS (1 << 20)
#define MAX_SIDE (1 << 14)
#define MAX_ELEMENTS ((int64_t)1 << 28)
#define MAX_WEIGHTS ((int64_t)1 << 31)
#define MAX_KERNEL 64
#define MAX_OP_NAME (KN_NAME - 16) /* leaves room for ".running_mean" */

static bool ok(const struct kn_net *n)
{
    return n->rc == HPO_OK;
}

/* Remember the first failure; the return value is an id that later calls accept and ignore. */
static int fail(struct kn_net *n, const char *op, const char *fmt, ...) HPO_PRINTF(3, 4);

static int fail(struct kn_net *n, const char *op, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    if (!ok(n))
        return 0;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    n->rc = op ? hpo_fail(&n->err, HPO_ECONFIG, "%s: %s", op, text)
               : hpo_fail(&n->err, HPO_ECONFIG, "%s", text);
    return 0;
}

/* Room for one more element of an array that lives in the arena; sizes double. */
static void *grow(struct arena *a, void *old, int n, size_t size)
{
    void *p;

    if (n && (n & (n - 1)))
        return old;
    p = arena_alloc(a, size * (size_t)(n ? 2 * n : 1));
    if (n)
        memcpy(p, old, size * (size_t)n);
    return p;
}

static int add_tensor(struct kn_net *n, const char *op, int64_t c, int64_t h, int64_t w,
                      int samples)
{
    if (c < 1 || h < 1 || w < 1)
        return fail(n, op, "the output would be %lld x %lld x %lld (channels, height, width)",
                    (long long)c, (long long)h, (long long)w);
    if (c > MAX_CHANNELS || h > MAX_SIDE || w > MAX_SIDE || c * h * w > MAX_ELEMENTS)
        return fail(n, op, "%lld x %lld x %lld (channels, height, width) is too large",
                    (long long)c, (long long)h, (long long)w);
    n->tensor = grow(&n->arena, n->tensor, n->n_tensors, sizeof(*n->tensor));
    n->tensor[n->n_tensors] = (struct kn_tensor){(int)c, (int)h, (int)w, samples};
    return n->n_tensors++;
}

static bool valid_input(struct kn_net *n, const char *op, int in)
{
    if (ok(n) && (in < 0 || in >= n->n_tensors))
        fail(n, op, "there is no tensor %d", in);
    return ok(n);
}

static struct kn_op *add_op(struct kn_net *n, enum kn_kind kind, const char *name, int in)
{
    struct kn_op *op;

    if (!name || !*name || strlen(name) > MAX_OP_NAME) {
        fail(n, name, "an operation needs a name of 1 to %d characters", MAX_OP_NAME);
        return NULL;
    }
    n->op = grow(&n->arena, n->op, n->n_ops, sizeof(*n->op));
    op = &n->op[n->n_ops++];
    *op = (struct kn_op){.kind = kind,
                         .in = in,
                         .in2 = -1,
                         .out = -1,
                         .rate = -1,
                         .weight = -1,
                         .bias = -1,
                         .mean = -1,
                         .var = -1,
                         .kernel = 1,
                         .stride = 1};
    snprintf(op->name, sizeof(op->name), "%s", name);
    return op;
}

static int add_param(struct kn_net *n, const char *suffix, bool trained, enum kn_init init,
                     int n_dims, const int *dims)
{
    const char *owner = n->op[n->n_ops - 1].name;
    struct kn_param *p;
    size_t *total = trained ? &n->n_weights : &n->n_buffers;
    int64_t count = 1;

    for (int i = 0; i < n_dims; i++)
        count *= dims[i]; /* at most 2^20 * 2^28 * 2^12: no overflow */
    if (count > MAX_WEIGHTS || (int64_t)*total + count > MAX_WEIGHTS) {
        fail(n, owner, "%lld parameters are too many", (long long)count);
        return -1;
    }
    n->param = grow(&n->arena, n->param, n->n_params, sizeof(*n->param));
    p = &n->param[n->n_params];
    *p = (struct kn_param){.n_dims = n_dims,
                           .count = (size_t)count,
                           .offset = *total,
                           .trained = trained,
                           .init = init,
                           .epochs = KN_ALWAYS,
                           .op = n->n_ops - 1};
    snprintf(p->name, sizeof(p->name), "%.*s.%s", MAX_OP_NAME, owner, suffix);
    for (int i = 0; i < 4; i++)
        p->dims[i] = i < n_dims ? dims[i] : 1;
    for (int i = 0; i < n->n_params; i++)
        if (!strcmp(n->param[i].name, p->name)) {
            fail(n, owner, "two operations with parameters have this name");
            return -1;
        }
    *total += (size_t)count;
    return n->n_params++;
}

void kn_net_init(struct kn_net *n, int c, int h, int w, int classes)
{
    *n = (struct kn_net){.classes = classes};
    if (classes < 2)
        fail(n, NULL, "a classifier needs 2 or more classes, not %d", classes);
    else
        add_tensor(n, "input", c, h, w, 1);
}

void kn_net_release(struct kn_net *n)
{
    arena_release(&n->arena);
    *n = (struct kn_net){0};
}

/* Multi-sample rows have no pixels and meet nothing but linear layers. */
static bool one_sample(struct kn_net *n, const char *op, int in)
{
    if (n->tensor[in].samples != 1)
        fail(n, op, "after a multi-sample dropout only linear layers can follow");
    return ok(n);
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
        return fail(n, name, "kernel %d, stride %d, padding %d is not a convolution", kernel,
                    stride, pad);
    if (t.h + 2 * pad < kernel || t.w + 2 * pad < kernel)
        return fail(n, name, "a %d x %d kernel does not fit into %d x %d pixels", kernel, kernel,
                    t.h, t.w);
    op = add_op(n, kind, name, in);
    if (!op)
        return 0;
    op->kernel = kernel;
    op->stride = stride;
    op->pad = pad;
    out = add_tensor(n, name, dims[0], (t.h + 2 * pad - kernel) / stride + 1,
                     (t.w + 2 * pad - kernel) / stride + 1, 1);
    if (!ok(n))
        return 0;
    op->out = out;
    op->weight = add_param(n, "weight", true, init, 4, (int[]){dims[0], dims[1], kernel, kernel});
    if (bias)
        op->bias = add_param(n, "bias", true, KN_INIT_DEFAULT, 1, dims);
    return out;
}

int kn_conv2d(struct kn_net *n, const char *name, int in, int out_channels, int kernel, int stride,
              int pad, bool bias, enum kn_init init)
{
    if (!valid_input(n, name, in) || !one_sample(n, name, in))
        return 0;
    return convolution(n, KN_CONV2D, name, in, (int[]){out_channels, n->tensor[in].c},
                       (int[]){kernel, stride, pad}, bias, init);
}

int kn_depthwise(struct kn_net *n, const char *name, int in, int kernel, int stride, int pad,
                 bool bias, enum kn_init init)
{
    if (!valid_input(n, name, in) || !one_sample(n, name, in))
        return 0;
    return convolution(n, KN_DEPTHWISE, name, in, (int[]){n->tensor[in].c, 1},
                       (int[]){kernel, stride, pad}, bias, init);
}

void kn_init_with(struct kn_net *n, enum kn_init weight, enum kn_init bias)
{
    const struct kn_op *op;

    if (!ok(n) || !n->n_ops)
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

    if (!ok(n) || !n->n_ops)
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

    if (!valid_input(n, name, in) || !one_sample(n, name, in))
        return 0;
    t = n->tensor[in];
    op = add_op(n, KN_BATCH_NORM, name, in);
    if (!op)
        return 0;
    op->eps = eps;
    op->momentum = momentum;
    op->out = add_tensor(n, name, t.c, t.h, t.w, 1);
    op->weight = add_param(n, "weight", true, KN_INIT_DEFAULT, 1, &t.c);
    op->bias = add_param(n, "bias", true, KN_INIT_DEFAULT, 1, &t.c);
    op->mean = add_param(n, "running_mean", false, KN_INIT_DEFAULT, 1, &t.c);
    op->var = add_param(n, "running_var", false, KN_INIT_DEFAULT, 1, &t.c);
    return ok(n) ? op->out : 0;
}

/* Operations whose output has the shape of their input and that have no parameters. */
static int same_shape(struct kn_net *n, enum kn_kind kind, const char *name, int in)
{
    struct kn_op *op;
    struct kn_tensor t;

    if (!valid_input(n, name, in))
        return 0;
    t = n->tensor[in];
    op = add_op(n, kind, name, in);
    if (op)
        op->out = add_tensor(n, name, t.c, t.h, t.w, t.samples);
    return ok(n) ? op->out : 0;
}

int kn_relu(struct kn_net *n, const char *name, int in)
{
    return same_shape(n, KN_RELU, name, in);
}

int kn_act_layer(struct kn_net *n, const char *name, int in, enum kn_act_kind act)
{
    int out = same_shape(n, KN_ACT, name, in);

    if (ok(n))
        n->op[n->n_ops - 1].act = act;
    return out;
}

int kn_multiply(struct kn_net *n, const char *name, int in, float factor)
{
    int out;

    if (!isfinite(factor))
        return fail(n, name, "%g is no factor", (double)factor);
    out = same_shape(n, KN_MULTIPLY, name, in);
    if (ok(n))
        n->op[n->n_ops - 1].factor = factor;
    return out;
}

int kn_scale(struct kn_net *n, const char *name, int in, int by)
{
    const struct kn_tensor *a, *b;
    int out;

    if (!valid_input(n, name, in) || !valid_input(n, name, by))
        return 0;
    a = &n->tensor[in];
    b = &n->tensor[by];
    if (a->c != b->c || b->h != 1 || b->w != 1 || a->samples != 1 || b->samples != 1)
        return fail(n, name, "%d x %d x %d cannot be scaled by %d x %d x %d", a->c, a->h, a->w,
                    b->c, b->h, b->w);
    out = same_shape(n, KN_SCALE, name, in);
    if (ok(n))
        n->op[n->n_ops - 1].in2 = by;
    return out;
}

int kn_add(struct kn_net *n, const char *name, int in, int in2)
{
    const struct kn_tensor *a, *b;
    int out;

    if (!valid_input(n, name, in) || !valid_input(n, name, in2))
        return 0;
    a = &n->tensor[in];
    b = &n->tensor[in2];
    if (a->c != b->c || a->h != b->h || a->w != b->w || a->samples != b->samples)
        return fail(n, name, "%d x %d x %d and %d x %d x %d cannot be added", a->c, a->h, a->w,
                    b->c, b->h, b->w);
    out = same_shape(n, KN_ADD, name, in);
    if (ok(n))
        n->op[n->n_ops - 1].in2 = in2;
    return out;
}

int kn_max_pool(struct kn_net *n, const char *name, int in, int kernel, int stride, int pad)
{
    struct kn_op *op;
    struct kn_tensor t;

    if (!valid_input(n, name, in) || !one_sample(n, name, in))
        return 0;
    t = n->tensor[in];
    /* As PyTorch: no window may lie in the padding alone. */
    if (kernel < 1 || kernel > MAX_KERNEL || stride < 1 || stride > MAX_KERNEL || pad < 0 ||
        pad > kernel / 2)
        return fail(n, name, "kernel %d, stride %d, padding %d is not a pooling", kernel, stride,
                    pad);
    if (kernel > t.h + 2 * pad || kernel > t.w + 2 * pad)
        return fail(n, name, "a %d x %d pool does not fit into %d x %d pixels", kernel, kernel, t.h,
                    t.w);
    op = add_op(n, KN_MAX_POOL, name, in);
    if (!op)
        return 0;
    op->kernel = kernel;
    op->stride = stride;
    op->pad = pad;
    op->out = add_tensor(n, name, t.c, (t.h + 2 * pad - kernel) / stride + 1,
                         (t.w + 2 * pad - kernel) / stride + 1, 1);
    return ok(n) ? op->out : 0;
}

int kn_global_avg_pool(struct kn_net *n, const char *name, int in)
{
    struct kn_op *op;

    if (!valid_input(n, name, in) || !one_sample(n, name, in))
        return 0;
    op = add_op(n, KN_GLOBAL_AVG_POOL, name, in);
    if (op)
        op->out = add_tensor(n, name, n->tensor[in].c, 1, 1, 1);
    return ok(n) ? op->out : 0;
}

int kn_rate(struct kn_net *n, const char *name, float rate)
{
    if (!ok(n))
        return 0;
    if (!(rate >= 0.0f && rate < 1.0f))
        return fail(n, name, "a dropout rate is 0 or more and below 1, not %g", (double)rate);
    if (n->n_rates == KN_MAX_RATES)
        return fail(n, name, "at most %d dropouts", KN_MAX_RATES);
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

    if (!valid_input(n, name, in))
        return 0;
    if (samples < 1 || samples > KN_MAX_SAMPLES)
        return fail(n, name, "%d samples: from 1 to %d are possible", samples, KN_MAX_SAMPLES);
    if (samples > 1 && (n->tensor[in].h != 1 || n->tensor[in].w != 1 || n->tensor[in].samples != 1))
        return fail(n, name, "several samples are taken of 1 x 1 pixels, and once");
    index = kn_rate(n, name, rate);
    out = same_shape(n, KN_DROPOUT, name, in);
    if (ok(n)) {
        n->op[n->n_ops - 1].rate = n->op[n->n_ops - 1].layer = index;
        n->tensor[out].samples *= samples;
    }
    return out;
}

int kn_dropout_shared(struct kn_net *n, const char *name, int in, int rate)
{
    int out;

    if (!valid_input(n, name, in))
        return 0;
    if (rate < 0 || rate >= n->n_rates)
        return fail(n, name, "there is no rate %d", rate);
    out = same_shape(n, KN_DROPOUT, name, in);
    if (ok(n)) {
        n->op[n->n_ops - 1].rate = rate;
        n->op[n->n_ops - 1].layer = KN_MAX_RATES + n->n_ops;
    }
    return out;
}

int kn_drop_path(struct kn_net *n, const char *name, int in, int rate, float fraction)
{
    int out;

    if (!valid_input(n, name, in) || !one_sample(n, name, in))
        return 0;
    if (rate < 0 || rate >= n->n_rates || !(fraction >= 0.0f && fraction <= 1.0f))
        return fail(n, name, "there is no rate %d, or %g is no share of it", rate,
                    (double)fraction);
    out = same_shape(n, KN_DROP_PATH, name, in);
    if (ok(n)) {
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

    if (!valid_input(n, name, in))
        return 0;
    if (!one_sample(n, name, in))
        return 0;
    t = n->tensor[in];
    if ((int64_t)t.c * t.h * t.w > MAX_CHANNELS)
        return fail(n, name, "%lld features are too many", (long long)t.c * t.h * t.w);
    op = add_op(n, KN_FLATTEN, name, in);
    if (op)
        op->out = add_tensor(n, name, t.c * t.h * t.w, 1, 1, 1);
    return ok(n) ? op->out : 0;
}

int kn_linear(struct kn_net *n, const char *name, int in, int out, bool bias)
{
    struct kn_op *op;
    struct kn_tensor t;

    if (!valid_input(n, name, in))
        return 0;
    t = n->tensor[in];
    if (t.h != 1 || t.w != 1)
        return fail(n, name,
                    "a linear layer needs 1 x 1 pixels, not %d x %d: flatten or pool first", t.h,
                    t.w);
    op = add_op(n, KN_LINEAR, name, in);
    if (!op)
        return 0;
    op->out = add_tensor(n, name, out, 1, 1, t.samples);
    if (!ok(n))
        return 0;
    op->weight = add_param(n, "weight", true, KN_INIT_DEFAULT, 2, (int[]){out, t.c});
    if (bias && ok(n))
        op->bias = add_param(n, "bias", true, KN_INIT_DEFAULT, 1, &out);
    return ok(n) ? op->out : 0;
}

/* Every result has a reader: a backend may then take the last operation's output as the only end.
 */
static void check_all_used(struct kn_net *n)
{
    for (int t = 0; t < n->n_tensors - 1; t++) {
        bool used = false;

        for (int i = 0; i < n->n_ops; i++)
            used = used || n->op[i].in == t || n->op[i].in2 == t;
        if (!used) {
            for (int i = 0; i < n->n_ops; i++)
                if (n->op[i].out == t)
                    fail(n, n->op[i].name, "nothing uses its output");
            fail(n, "input", "nothing uses it");
        }
    }
}

int kn_net_finish(struct kn_net *n, struct hpo_err *err)
{
    const struct kn_tensor *t;

    if (ok(n) && !n->n_ops)
        fail(n, NULL, "the network has no operations");
    if (ok(n)) {
        t = &n->tensor[n->n_tensors - 1];
        if (t->c != n->classes || t->h != 1 || t->w != 1)
            fail(n, n->op[n->n_ops - 1].name, "the last output is %d x %d x %d, not %d logits",
                 t->c, t->h, t->w, n->classes);
    }
    if (ok(n))
        check_all_used(n);
    return ok(n) ? HPO_OK : hpo_fail(err, n->rc, "%s", n->err.msg);
}

double kn_net_macs(const struct kn_net *n)
{
    double macs = 0;

    for (int i = 0; i < n->n_ops; i++) {
        const struct kn_op *op = &n->op[i];

        if (op->kind == KN_CONV2D || op->kind == KN_LINEAR || op->kind == KN_DEPTHWISE) {
            const struct kn_tensor *out = &n->tensor[op->out];

            macs += (double)n->param[op->weight].count * out->h * out->w;
        }
    }
    return macs;
}
