#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernels/net_impl.h"

int net_fail(struct kn_net *n, const char *op, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    if (!net_ok(n))
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

int net_add_tensor(struct kn_net *n, const char *op, int64_t c, int64_t h, int64_t w, int samples)
{
    if (c < 1 || h < 1 || w < 1)
        return net_fail(n, op, "the output would be %lld x %lld x %lld (channels, height, width)",
                        (long long)c, (long long)h, (long long)w);
    if (c > MAX_CHANNELS || h > MAX_SIDE || w > MAX_SIDE || c * h * w > MAX_ELEMENTS)
        return net_fail(n, op, "%lld x %lld x %lld (channels, height, width) is too large",
                        (long long)c, (long long)h, (long long)w);
    n->tensor = grow(&n->arena, n->tensor, n->n_tensors, sizeof(*n->tensor));
    n->tensor[n->n_tensors] = (struct kn_tensor){(int)c, (int)h, (int)w, samples};
    return n->n_tensors++;
}

bool net_valid_input(struct kn_net *n, const char *op, int in)
{
    if (net_ok(n) && (in < 0 || in >= n->n_tensors))
        net_fail(n, op, "there is no tensor %d", in);
    return net_ok(n);
}

struct kn_op *net_add_op(struct kn_net *n, enum kn_kind kind, const char *name, int in)
{
    struct kn_op *op;

    if (!name || !*name || strlen(name) > MAX_OP_NAME) {
        net_fail(n, name, "an operation needs a name of 1 to %d characters", MAX_OP_NAME);
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

int net_add_param(struct kn_net *n, const char *suffix, bool trained, enum kn_init init, int n_dims,
                  const int *dims)
{
    const char *owner = n->op[n->n_ops - 1].name;
    struct kn_param *p;
    size_t *total = trained ? &n->n_weights : &n->n_buffers;
    int64_t count = 1;

    for (int i = 0; i < n_dims; i++)
        count *= dims[i]; /* at most 2^20 * 2^28 * 2^12: no overflow */
    if (count > MAX_WEIGHTS || (int64_t)*total + count > MAX_WEIGHTS) {
        net_fail(n, owner, "%lld parameters are too many", (long long)count);
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
            net_fail(n, owner, "two operations with parameters have this name");
            return -1;
        }
    *total += (size_t)count;
    return n->n_params++;
}

void kn_net_init(struct kn_net *n, int c, int h, int w, int classes)
{
    *n = (struct kn_net){.classes = classes};
    if (classes < 2)
        net_fail(n, NULL, "a classifier needs 2 or more classes, not %d", classes);
    else
        net_add_tensor(n, "input", c, h, w, 1);
}

void kn_net_release(struct kn_net *n)
{
    arena_release(&n->arena);
    *n = (struct kn_net){0};
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
                    net_fail(n, n->op[i].name, "nothing uses its output");
            net_fail(n, "input", "nothing uses it");
        }
    }
}

int kn_net_finish(struct kn_net *n, struct hpo_err *err)
{
    const struct kn_tensor *t;

    if (net_ok(n) && !n->n_ops)
        net_fail(n, NULL, "the network has no operations");
    if (net_ok(n)) {
        t = &n->tensor[n->n_tensors - 1];
        if (t->c != n->classes || t->h != 1 || t->w != 1)
            net_fail(n, n->op[n->n_ops - 1].name, "the last output is %d x %d x %d, not %d logits",
                     t->c, t->h, t->w, n->classes);
    }
    if (net_ok(n))
        check_all_used(n);
    return net_ok(n) ? HPO_OK : hpo_fail(err, n->rc, "%s", n->err.msg);
}

int kn_net_head(const struct kn_net *n)
{
    int head = n->n_ops - 1;

    while (head > 0 && n->op[head].kind != KN_LINEAR)
        head--;
    return head;
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
