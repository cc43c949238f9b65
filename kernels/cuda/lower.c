/* From a network to nodes: which operations run together, and how parameters lie. */
#include <stdlib.h>

#include "kernels/cuda/plan.h"

/* Tensor cores read 16 bytes of channels at a time. */
static int stored(const struct cu_plan *p, int channels)
{
    int unit = p->type == CU_F32 ? 4 : 8;

    return (channels + unit - 1) / unit * unit;
}

static void lower_tensors(struct cu_plan *p)
{
    const struct kn_net *net = p->base.net;

    for (int i = 0; i < net->n_tensors; i++) {
        struct cu_tensor *t = &p->tensor[i];

        t->c = net->tensor[i].c;
        t->h = net->tensor[i].h;
        t->w = net->tensor[i].w;
        t->stored = stored(p, t->c);
        t->samples = net->tensor[i].samples;
        t->row = (size_t)t->stored * (size_t)t->h * (size_t)t->w;
        t->producer = -1;
    }
    for (int i = 0; i < net->n_ops; i++) {
        const struct kn_op *op = &net->op[i];

        p->tensor[op->in].uses++;
        if (op->in2 >= 0)
            p->tensor[op->in2].uses++;
        p->tensor[op->out].grad = (op->weight >= 0 && i >= p->freeze) || p->tensor[op->in].grad ||
                                  (op->in2 >= 0 && p->tensor[op->in2].grad);
    }
}

/* What is beyond the network's channels is zero and has zero gradients, hence stays zero under
 * every optimizer. Each parameter begins at a multiple of 16 elements, each model at one of 64,
 * which is what vector loads and the libraries want of either type. */
static void lower_params(struct cu_plan *p)
{
    const struct kn_net *net = p->base.net;

    for (int i = 0; i < net->n_params; i++) {
        const struct kn_param *q = &net->param[i];
        struct cu_param *in = &p->param[i];
        size_t *total = q->trained ? &p->n_w : &p->n_stats;

        in->stored =
            q->n_dims > 1 && net->op[q->op].kind != KN_DEPTHWISE ? stored(p, q->dims[1]) : 1;
        in->rows = stored(p, q->dims[0]);
        in->count = (size_t)in->rows * (size_t)in->stored * (size_t)q->dims[2] * (size_t)q->dims[3];
        in->offset = *total;
        *total += kn_align_up(in->count, CU_PIECE);
    }
    p->n_w = kn_align_up(p->n_w, 64);
    p->n_stats = kn_align_up(p->n_stats, 64);
}

/* The only operation that reads tensor t when its kind is that; else NULL. */
static const struct kn_op *sole_reader(const struct cu_plan *p, int t, enum kn_kind kind)
{
    const struct kn_net *net = p->base.net;

    if (p->tensor[t].uses != 1)
        return NULL;
    for (int i = 0; i < net->n_ops; i++)
        if ((net->op[i].in == t || net->op[i].in2 == t) && net->op[i].kind == kind)
            return &net->op[i];
    return NULL;
}

/* A residual's other side exists when the node runs, which is where its last operation stands. */
static void absorb(struct cu_plan *p, struct cu_node *n, bool *absorbed)
{
    const struct kn_net *net = p->base.net;
    const struct kn_op *next = n->kind == KN_BATCH_NORM ? sole_reader(p, n->out, KN_ADD) : NULL;

    if (next) {
        int other = next->in == n->out ? next->in2 : next->in;
        bool before = other != n->out;

        /* Of two batch norms that are added, the later one takes the sum. */
        for (const struct kn_op *op = n->op + 1; op < next; op++)
            before = before && op->out != other;
        if (before) {
            n->in2 = other;
            n->out = next->out;
            absorbed[next - net->op] = true;
        }
    }
    if (n->kind != KN_BATCH_NORM && n->kind != KN_ADD)
        return;
    next = sole_reader(p, n->out, KN_RELU);
    if (next) {
        n->relu = true;
        n->out = next->out;
        absorbed[next - net->op] = true;
    }
}

static size_t offset_of(const struct cu_plan *p, int param)
{
    return param < 0 ? 0 : p->param[param].offset;
}

static struct cu_node *add_node(struct cu_plan *p, const struct kn_op *op)
{
    struct cu_node *n = &p->node[p->n_nodes++];

    *n = (struct cu_node){.kind = op->kind,
                          .op = op,
                          .in = op->in,
                          .in2 = op->in2,
                          .out = op->out,
                          .frozen = op - p->base.net->op < p->freeze,
                          .weight = offset_of(p, op->weight),
                          .bias = offset_of(p, op->bias),
                          .mean = offset_of(p, op->mean),
                          .var = offset_of(p, op->var),
                          .layer = -1};
    return n;
}

static void add_layer(struct cu_plan *p, struct cu_node *n)
{
    struct cu_layer *l = &p->layer[p->n_layers];

    n->layer = p->n_layers++;
    l->node = n;
    l->has_data = p->tensor[n->in].grad;
    l->has_filter = p->tensor[n->out].grad;
    l->count = p->param[n->op->weight].count;
    l->packed = p->n_packed;
    p->n_packed += kn_align_up(l->count * (size_t)p->base.models, 64);
}

/* Nodes stand where the last of their operations stood: everything they read exists by then. */
static int by_place(const void *a, const void *b)
{
    const struct cu_node *x = a, *y = b;

    return (x->out > y->out) - (x->out < y->out);
}

int cu_lower(struct cu_plan *p, struct hpo_err *err)
{
    const struct kn_net *net = p->base.net;
    bool *absorbed = xcalloc((size_t)net->n_ops, sizeof(*absorbed));

    p->tensor = xcalloc((size_t)net->n_tensors, sizeof(*p->tensor));
    p->node = xcalloc((size_t)net->n_ops, sizeof(*p->node));
    p->layer = xcalloc((size_t)net->n_ops, sizeof(*p->layer));
    p->param = xcalloc((size_t)net->n_params + 1, sizeof(*p->param));
    lower_tensors(p);
    lower_params(p);
    for (int i = 0; i < net->n_ops; i++)
        if (!absorbed[i])
            absorb(p, add_node(p, &net->op[i]), absorbed);
    free(absorbed);
    qsort(p->node, (size_t)p->n_nodes, sizeof(*p->node), by_place);
    for (int i = 0; i < p->n_nodes; i++) {
        struct cu_node *n = &p->node[i];
        const struct cu_tensor *t = &p->tensor[n->in];

        p->tensor[n->out].producer = i;
        if (n->kind == KN_CONV2D)
            add_layer(p, n);
        if (n->kind == KN_BATCH_NORM && (int64_t)p->base.batch * t->h * t->w < 2)
            return hpo_fail(err, HPO_ECONFIG,
                            "%s: batch norm needs more than one value per channel: batch size 1 on "
                            "1 x 1 pixels has no variance",
                            n->op->name);
    }
    return HPO_OK;
}
