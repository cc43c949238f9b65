/* From a network to nodes: which operations run together, and which primitives run them. */
#include <stdlib.h>

#include "kernels/cpu/plan.h"

static int blocks_of(const struct cpu_plan *p, int channels)
{
    return (channels + p->dev->block - 1) / p->dev->block;
}

static void lower_tensors(struct cpu_plan *p)
{
    const struct kn_net *net = p->base.net;

    p->widest = p->dev->block;
    for (int i = 0; i < net->n_tensors; i++) {
        struct cpu_tensor *t = &p->tensor[i];

        t->c = net->tensor[i].c;
        t->h = net->tensor[i].h;
        t->w = net->tensor[i].w;
        t->blocks = blocks_of(p, t->c);
        t->samples = net->tensor[i].samples;
        t->row = (size_t)t->blocks * p->dev->block * t->h * t->w;
        t->producer = -1;
        if (t->blocks * p->dev->block > p->widest)
            p->widest = t->blocks * p->dev->block;
    }
    for (int i = 0; i < net->n_ops; i++) {
        const struct kn_op *op = &net->op[i];
        struct cpu_tensor *out = &p->tensor[op->out];

        p->tensor[op->in].uses++;
        if (op->in2 >= 0)
            p->tensor[op->in2].uses++;
        out->grad = (op->weight >= 0 && i >= p->freeze) || p->tensor[op->in].grad ||
                    (op->in2 >= 0 && p->tensor[op->in2].grad);
    }
    /* oneDNN's first-convolution kernels want 3 channels as 3, not as a padded block. */
    p->tensor[0].plain = true;
    for (int i = 0; i < net->n_ops; i++)
        if (net->op[i].in == 0 || net->op[i].in2 == 0)
            p->tensor[0].plain = p->tensor[0].plain &&
                                 (net->op[i].kind == KN_CONV2D || net->op[i].kind == KN_FLATTEN);
    if (p->tensor[0].plain)
        p->tensor[0].row = (size_t)p->tensor[0].c * p->tensor[0].h * p->tensor[0].w;
}

/* The only operation that reads tensor t when its kind is that; else NULL. */
static const struct kn_op *sole_reader(const struct cpu_plan *p, int t, enum kn_kind kind)
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
static void absorb(struct cpu_plan *p, struct cpu_node *n, bool *absorbed)
{
    const struct kn_net *net = p->base.net;
    const struct kn_op *next = n->kind == KN_BATCH_NORM ? sole_reader(p, n->out, KN_ADD) : NULL;

    if (next) {
        const struct kn_op *last = n->op;
        int other = next->in == n->out ? next->in2 : next->in;
        bool before = true;

        /* Of two batch norms that are added, the later one takes the sum. */
        for (const struct kn_op *op = last + 1; op < next; op++)
            before = before && op->out != other;
        if (other != n->out && before) {
            n->in2 = other;
            n->out = next->out;
            absorbed[next - net->op] = true;
        }
    }
    if (n->kind == KN_BATCH_NORM || n->kind == KN_ADD) {
        next = sole_reader(p, n->out, KN_RELU);
        if (next) {
            n->relu = true;
            n->out = next->out;
            absorbed[next - net->op] = true;
        }
    }
    if (n->kind != KN_BATCH_NORM)
        return;
    next = sole_reader(p, n->out, KN_MAX_POOL);
    if (next && next->kernel == 2 && next->stride == 2 && !next->pad) {
        n->tail = CPU_TAIL_POOL2;
    } else {
        next = sole_reader(p, n->out, KN_GLOBAL_AVG_POOL);
        if (!next)
            return;
        n->tail = CPU_TAIL_GAP;
    }
    n->out = next->out;
    absorbed[next - net->op] = true;
}

/* Inside, every weight is whole blocks: what is beyond the network's channels is zero and has zero
 * gradients, hence stays zero under every optimizer. */
static void lower_params(struct cpu_plan *p)
{
    const struct kn_net *net = p->base.net;
    int block = p->dev->block;

    for (int i = 0; i < net->n_params; i++) {
        const struct kn_param *q = &net->param[i];
        struct cpu_param *in = &p->param[i];
        const struct kn_op *op = &net->op[q->op];
        size_t *total = q->trained ? &p->n_w : &p->n_stats;

        in->conv = -1;
        in->rows = blocks_of(p, q->dims[0]) * block;
        in->count = (size_t)in->rows;
        if (q->n_dims > 1) {
            int ic = p->tensor[op->in].plain || op->kind == KN_DEPTHWISE
                         ? q->dims[1]
                         : blocks_of(p, q->dims[1]) * block;

            in->count *= (size_t)ic * q->dims[2] * q->dims[3];
        }
        in->offset = *total;
        *total += (in->count + 15) / 16 * 16;
    }
}

static size_t offset_of(const struct cpu_plan *p, int param)
{
    return param < 0 ? 0 : p->param[param].offset;
}

static struct cpu_node *add_node(struct cpu_plan *p, const struct kn_op *op)
{
    struct cpu_node *n = &p->node[p->n_nodes++];

    *n = (struct cpu_node){.kind = op->kind,
                           .op = op,
                           .in = op->in,
                           .in2 = op->in2,
                           .out = op->out,
                           .conv = -1,
                           .saved = -1,
                           .scratch = -1,
                           .scratch_back = -1,
                           .eval_scratch = -1,
                           .weight_back = -1,
                           .weight_diff = -1,
                           .part = {-1, -1}};
    n->frozen = op - p->base.net->op < p->freeze;
    n->weight = offset_of(p, op->weight);
    n->bias = offset_of(p, op->bias);
    n->mean = offset_of(p, op->mean);
    n->var = offset_of(p, op->var);
    return n;
}

static void add_conv(struct cpu_plan *p, struct cpu_node *n)
{
    struct cpu_conv *c = &p->conv[p->n_convs];
    const struct cpu_tensor *in = &p->tensor[n->in], *out = &p->tensor[n->out];
    int block = p->dev->block;

    n->conv = p->n_convs++;
    p->param[n->op->weight].conv = n->conv;
    c->shape = (struct dn_shape){.n = cpu_rows(p, n->in),
                                 .ic = in->plain ? in->c : in->blocks * block,
                                 .oc = out->blocks * block,
                                 .ih = in->h,
                                 .iw = in->w,
                                 .oh = out->h,
                                 .ow = out->w,
                                 .kernel = n->kind == KN_LINEAR ? 0 : n->op->kernel,
                                 .stride = n->op->stride,
                                 .pad = n->op->pad,
                                 .depthwise = n->kind == KN_DEPTHWISE,
                                 .bias = n->op->bias >= 0,
                                 .plain_src = in->plain,
                                 .block = block};
    c->has_data = in->grad;
}

/* Nodes stand where the last of their operations stood: everything they read exists by then. */
static int by_place(const void *a, const void *b)
{
    const struct cpu_node *x = a, *y = b;

    return (x->out > y->out) - (x->out < y->out);
}

int cpu_lower(struct cpu_plan *p, const struct kn_plan_desc *desc, struct hpo_err *err)
{
    const struct kn_net *net = desc->net;
    bool *absorbed = xcalloc((size_t)net->n_ops, sizeof(*absorbed));

    p->tensor = xcalloc((size_t)net->n_tensors, sizeof(*p->tensor));
    p->node = xcalloc((size_t)net->n_ops, sizeof(*p->node));
    p->conv = xcalloc((size_t)net->n_ops, sizeof(*p->conv));
    p->param = xcalloc((size_t)net->n_params + 1, sizeof(*p->param));
    lower_tensors(p);
    lower_params(p);
    for (int i = 0; i < net->n_ops; i++)
        if (!absorbed[i]) {
            struct cpu_node *n = add_node(p, &net->op[i]);

            absorb(p, n, absorbed);
        }
    free(absorbed);
    qsort(p->node, (size_t)p->n_nodes, sizeof(*p->node), by_place);
    for (int i = 0; i < p->n_nodes; i++) {
        struct cpu_node *n = &p->node[i];
        const struct cpu_tensor *t = &p->tensor[n->in];

        p->tensor[n->out].producer = i;
        if (n->op->weight >= 0 && n->kind != KN_BATCH_NORM)
            add_conv(p, n);
        if (n->kind == KN_BATCH_NORM && (int64_t)desc->batch * t->h * t->w < 2)
            return hpo_fail(err, HPO_ECONFIG,
                            "%s: batch norm needs more than one value per channel: batch size 1 on "
                            "1 x 1 pixels has no variance",
                            n->op->name);
    }
    return HPO_OK;
}

/* Winograd F(4x4, 3x3) does 4 times fewer multiplications, at the price of transforms that only pay
 * with enough channels. The limits are measured (2 cores with AVX-512, 32 x 32 to 8 x 8 pixels,
 * oneDNN 2.6) and fixed: the choice, and with it the rounding, must not depend on timing. */
static enum dn_alg alg_for(const struct dn_shape *s, enum dn_pass pass)
{
    int low = s->ic < s->oc ? s->ic : s->oc, high = s->ic < s->oc ? s->oc : s->ic;

    if (s->kernel != 3 || s->stride != 1 || s->plain_src || s->depthwise || low < 32)
        return DN_DIRECT;
    return pass != DN_WEIGHTS || high >= 64 ? DN_WINOGRAD : DN_DIRECT;
}

static int choose_conv(struct cpu_plan *p, struct cpu_conv *c, struct hpo_err *err)
{
    dnnl_engine_t e = p->dev->engine;
    struct dn_shape eval = c->shape;
    dn_md master;
    int rc;

    eval.n = p->base.eval_batch;
    rc = dn_layout_init(&c->flat, &c->shape, err);
    if (!rc)
        rc = dn_prim_choose(&c->train, e, &c->shape, DN_TRAIN, alg_for(&c->shape, DN_TRAIN),
                            p->exact, NULL, err);
    if (rc)
        return rc;
    master = dn_prim_weight(&c->train);
    c->weight_bytes = dn_md_bytes(master);
    if (c->weight_bytes != dn_md_bytes(c->flat.md)) {
        /* A layout with padding or extra data is none that an optimizer can work on. */
        dn_prim_release(&c->train);
        rc = dn_prim_choose(&c->train, e, &c->shape, DN_TRAIN, DN_DIRECT, true, c->flat.md, err);
        if (rc)
            return rc;
        master = dn_prim_weight(&c->train);
        c->weight_bytes = dn_md_bytes(master);
    }
    rc = dn_prim_choose(&c->infer, e, &eval, DN_INFER, alg_for(&eval, DN_INFER), p->exact, master,
                        err);
    if (!rc)
        rc = dn_prim_choose(&c->weights, e, &c->shape, DN_WEIGHTS, alg_for(&c->shape, DN_WEIGHTS),
                            p->exact, NULL, err);
    if (!rc && c->has_data)
        rc = dn_prim_choose(&c->data, e, &c->shape, DN_DATA, alg_for(&c->shape, DN_DATA), p->exact,
                            NULL, err);
    if (!rc)
        rc = dn_reorder_choose(&c->pack, e, c->flat.md, master, err);
    if (!rc)
        rc = dn_reorder_choose(&c->unpack, e, master, c->flat.md, err);
    c->has_diff = !rc && !dn_md_equal(dn_prim_weight(&c->weights), master);
    if (c->has_diff)
        rc = dn_reorder_choose(&c->diff, e, dn_prim_weight(&c->weights), master, err);
    c->has_back = !rc && c->has_data && !dn_md_equal(dn_prim_weight(&c->data), master);
    if (c->has_back)
        rc = dn_reorder_choose(&c->back, e, master, dn_prim_weight(&c->data), err);
    return rc;
}

int cpu_choose(struct cpu_plan *p, struct hpo_err *err)
{
    int rc = HPO_OK;

    for (int i = 0; i < p->n_nodes && !rc; i++)
        if (p->node[i].conv >= 0) {
            rc = choose_conv(p, &p->conv[p->node[i].conv], err);
            if (rc)
                hpo_fail_at(err, "%s", p->node[i].op->name);
        }
    return rc;
}

void cpu_convs_release(struct cpu_plan *p)
{
    for (int i = 0; i < p->n_convs; i++) {
        struct cpu_conv *c = &p->conv[i];

        dn_prim_release(&c->train);
        dn_prim_release(&c->infer);
        dn_prim_release(&c->data);
        dn_prim_release(&c->weights);
        dn_reorder_release(&c->pack);
        dn_reorder_release(&c->unpack);
        dn_reorder_release(&c->back);
        dn_reorder_release(&c->diff);
        dn_layout_release(&c->flat);
    }
}
