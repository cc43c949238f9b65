/* Where everything lies: one allocation a plan, in which the buffers of a step share the same bytes
 * when they are never alive together.
 *
 * A training step has 2 F + 1 moments for F nodes: node i runs forward at i, the loss at F, node i
 * backward at 2 F - i. A stream runs its launches in order, so moments are not less strict than on
 * the CPU. */
#include "kernels/cuda/plan.h"

/* What a node's backward pass reads of the forward pass. */
static bool keeps_in(const struct cu_node *n)
{
    return n->kind == KN_CONV2D || n->kind == KN_LINEAR || n->kind == KN_BATCH_NORM ||
           n->kind == KN_MAX_POOL || n->kind == KN_DEPTHWISE || n->kind == KN_ACT ||
           n->kind == KN_SCALE;
}

static bool keeps_out(const struct cu_node *n)
{
    return n->kind == KN_RELU || n->kind == KN_MAX_POOL || n->relu;
}

/* May the gradient of its input lie where that of its output lies? */
static bool may_alias(const struct cu_plan *p, const struct cu_node *n)
{
    switch (n->kind) {
    case KN_RELU:
    case KN_ADD:
    case KN_BATCH_NORM:
    case KN_ACT:
    case KN_MULTIPLY:
    case KN_SCALE:
    case KN_DROP_PATH:
        return true;
    case KN_DROPOUT:
        return p->tensor[n->in].samples == p->tensor[n->out].samples;
    default:
        return false;
    }
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t tensor_bytes(const struct cu_plan *p, int tensor, int rows)
{
    return p->tensor[tensor].row * (size_t)rows * (size_t)p->base.models * cu_size(p->type);
}

static size_t train_bytes(const struct cu_plan *p, int tensor)
{
    return tensor_bytes(p, tensor, p->base.batch * p->tensor[tensor].samples);
}

/* Partial sums of batch norm and of bias gradients. */
static size_t partial_bytes(const struct cu_plan *p, int tensor)
{
    struct cu_array a = cu_rows_in(p, &p->train, tensor);
    struct cu_shape s = cu_shape_of(p, tensor);

    return cu_norm_scratch(&a, &s);
}

static size_t depthwise_bytes(const struct cu_plan *p, const struct cu_node *n)
{
    struct cu_depthwise d = cu_depthwise_of(p, n);

    return cu_depthwise_scratch(&p->train.array, &d);
}

/* What a backward pass works in beside tensors. */
static size_t scratch_back_bytes(const struct cu_plan *p, const struct cu_node *n)
{
    const struct cu_layer *l = n->layer >= 0 ? &p->layer[n->layer] : NULL;
    size_t bytes = l ? max_size(l->workspace[CU_DATA], l->workspace[CU_FILTER]) : 0;

    if (n->kind == KN_BATCH_NORM)
        return partial_bytes(p, n->in);
    if (n->kind == KN_DEPTHWISE)
        bytes = depthwise_bytes(p, n);
    return n->op->bias >= 0 ? max_size(bytes, partial_bytes(p, n->out)) : bytes;
}

static size_t saved_bytes(const struct cu_plan *p, const struct cu_node *n)
{
    return sizeof(float) * 4 * (size_t)p->tensor[n->in].stored * (size_t)p->base.models;
}

static void plan_forward(struct cu_plan *p)
{
    struct kn_bufs *b = &p->train_bufs;
    int f = p->n_nodes;

    p->act[0] = kn_buf_add(b, train_bytes(p, 0), 0, 0);
    for (int i = 0; i < f; i++) {
        struct cu_node *n = &p->node[i];
        bool back = p->tensor[n->out].grad;

        p->act[n->out] = kn_buf_add(b, train_bytes(p, n->out), i, i == f - 1 ? f : i);
        kn_buf_lives_until(b, p->act[n->in], back && keeps_in(n) ? 2 * f - i : i);
        if (n->in2 >= 0)
            kn_buf_lives_until(b, p->act[n->in2], back && n->kind == KN_SCALE ? 2 * f - i : i);
        if (back && keeps_out(n))
            kn_buf_lives_until(b, p->act[n->out], 2 * f - i);
        if (n->kind == KN_BATCH_NORM && !n->frozen) {
            n->saved = kn_buf_add(b, saved_bytes(p, n), i, 2 * f - i);
            n->scratch = kn_buf_add(b, partial_bytes(p, n->in), i, i);
        } else if (n->layer >= 0) {
            n->scratch = kn_buf_add(b, p->layer[n->layer].workspace[CU_TRAIN], i, i);
        }
    }
}

/* Where the gradient of tensor `in` of node i goes. Its first writer finds it undefined and sets
 * it, the others add. An element-wise node may let it lie where that of its output lies, which
 * nobody reads any more. Returns whether it adds. */
static bool plan_gradient(struct cu_plan *p, int i, int in, bool may_alias)
{
    const struct cu_tensor *t = &p->tensor[in];
    int now = 2 * p->n_nodes - i, until = 2 * p->n_nodes - t->producer;

    if (!t->grad)
        return false;
    if (p->grad[in] >= 0)
        return true;
    if (may_alias) {
        p->grad[in] = p->grad[p->node[i].out];
        kn_buf_lives_until(&p->train_bufs, p->grad[in], until);
    } else {
        p->grad[in] = kn_buf_add(&p->train_bufs, train_bytes(p, in), now, until);
    }
    return false;
}

static void plan_backward(struct cu_plan *p)
{
    struct kn_bufs *b = &p->train_bufs;
    int f = p->n_nodes, logits = p->base.net->n_tensors - 1;

    p->grad[logits] = kn_buf_add(b, train_bytes(p, logits), f, f + 1);
    for (int i = f - 1; i >= 0; i--) {
        struct cu_node *n = &p->node[i];
        int now = 2 * f - i;

        if (!p->tensor[n->out].grad)
            continue;
        /* A residual is first: what aliases the gradient of the output overwrites it. */
        if (n->in2 >= 0)
            n->in2_add = plan_gradient(p, i, n->in2, false);
        n->in_add = plan_gradient(p, i, n->in, may_alias(p, n));
        if (n->op->weight >= 0)
            n->scratch_back = kn_buf_add(b, scratch_back_bytes(p, n), now, now);
        /* In fp32 one model's weight gradients go where they belong. */
        if (n->layer >= 0 && (p->type != CU_F32 || p->base.models > 1))
            n->diff = kn_buf_add(
                b, p->layer[n->layer].count * (size_t)p->base.models * cu_size(p->type), now, now);
    }
}

static void plan_eval(struct cu_plan *p)
{
    struct kn_bufs *b = &p->eval_bufs;
    int rows = p->base.eval_batch;

    p->eval_act[0] = kn_buf_add(b, tensor_bytes(p, 0, rows), 0, 0);
    for (int i = 0; i < p->n_nodes; i++) {
        struct cu_node *n = &p->node[i];

        kn_buf_lives_until(b, p->eval_act[n->in], i);
        if (n->in2 >= 0)
            kn_buf_lives_until(b, p->eval_act[n->in2], i);
        /* These are the identity, and no other node writes what it reads. */
        p->eval_act[n->out] = n->kind == KN_DROPOUT || n->kind == KN_DROP_PATH
                                  ? p->eval_act[n->in]
                                  : kn_buf_add(b, tensor_bytes(p, n->out, rows), i, i);
        if (n->layer >= 0)
            n->eval_scratch = kn_buf_add(b, p->layer[n->layer].workspace[CU_INFER], i, i);
    }
    kn_buf_lives_until(b, p->eval_act[p->base.net->n_tensors - 1], p->n_nodes);
}

void cu_plan_memory(struct cu_plan *p)
{
    size_t n = (size_t)p->base.net->n_tensors;

    kn_bufs_release(&p->train_bufs);
    kn_bufs_release(&p->eval_bufs);
    p->train_bufs.align = p->eval_bufs.align = CU_ALIGN;
    for (size_t i = 0; i < n; i++)
        p->act[i] = p->grad[i] = p->eval_act[i] = -1;
    for (int i = 0; i < p->n_nodes; i++) {
        struct cu_node *node = &p->node[i];

        node->saved = node->scratch = node->scratch_back = node->diff = -1;
        node->eval_scratch = -1;
    }
    plan_forward(p);
    plan_backward(p);
    plan_eval(p);
    kn_bufs_place(&p->train_bufs);
    kn_bufs_place(&p->eval_bufs);
    p->train_bufs.total = max_size(p->train_bufs.total, cu_muon_bytes(p));
    p->bytes = cu_memory_bytes(p, NULL);
}

static void take_averages(struct cu_plan *p, char *base, size_t *at)
{
    struct cu_average *a = &p->m.average;
    size_t models = (size_t)p->base.models, w = models * p->n_w;

    a->w = kn_take(base, at, w * sizeof(float), CU_ALIGN);
    a->stats = kn_take(base, at, models * p->n_stats * sizeof(float), CU_ALIGN);
    if (p->type != CU_F32)
        a->copy = kn_take(base, at, w * cu_size(p->type), CU_ALIGN);
    if (models > 1 && p->n_packed)
        a->packed = kn_take(base, at, p->n_packed * cu_size(p->type), CU_ALIGN);
}

size_t cu_memory_bytes(struct cu_plan *p, char *base)
{
    struct cu_memory *m = &p->m;
    size_t models = (size_t)p->base.models, at = 0, w = models * p->n_w;
    size_t rows = models * (size_t)p->base.batch, eval = models * (size_t)p->base.eval_batch;
    size_t samples = (size_t)p->tensor[p->base.net->n_tensors - 1].samples;
    size_t steps = kn_align_up(models * sizeof(struct cu_step), CU_ALIGN);
    size_t index = p->base.averaged ? 2 * steps : steps;
    size_t eval_index = kn_align_up(models * sizeof(int), CU_ALIGN);
    size_t parts = (size_t)p->base.net->n_params + 1;

    m->w = kn_take(base, &at, w * sizeof(float), CU_ALIGN);
    m->g = kn_take(base, &at, w * sizeof(float), CU_ALIGN);
    for (int s = 0; s < kn_optim_slots(p->base.optim); s++)
        m->slot[s] = kn_take(base, &at, w * sizeof(float), CU_ALIGN);
    m->stats = kn_take(base, &at, models * p->n_stats * sizeof(float), CU_ALIGN);
    if (p->type != CU_F32)
        m->copy = kn_take(base, &at, w * cu_size(p->type), CU_ALIGN);
    if (models > 1 && p->n_packed)
        m->packed = kn_take(base, &at, p->n_packed * cu_size(p->type), CU_ALIGN);
    if (p->base.averaged)
        take_averages(p, base, &at);
    if (p->base.accumulate)
        m->sum = kn_take(base, &at, w * sizeof(float), CU_ALIGN);
    m->which = kn_take(base, &at, p->n_w / CU_PIECE * sizeof(*m->which), CU_ALIGN);
    m->part = kn_take(base, &at, models * parts * sizeof(*m->part), CU_ALIGN);
    m->hyper = kn_take(base, &at, models * sizeof(*m->hyper), CU_ALIGN);
    m->class_weights =
        kn_take(base, &at, models * (size_t)p->base.net->classes * sizeof(float), CU_ALIGN);
    if (p->type == CU_F16) {
        m->scaler = kn_take(base, &at, models * sizeof(*m->scaler), CU_ALIGN);
        m->used = kn_take(base, &at, models * sizeof(*m->used), CU_ALIGN);
    }
    m->squares =
        kn_take(base, &at, models * (size_t)cu_flat_blocks(p->n_w) * sizeof(double), CU_ALIGN);
    m->factor = kn_take(base, &at, models * sizeof(float), CU_ALIGN);
    p->inbox_bytes = index + rows * sizeof(int32_t);
    p->eval_inbox_bytes = eval_index + eval * sizeof(int32_t);
    m->inbox = kn_take(base, &at, p->inbox_bytes, CU_ALIGN);
    m->eval_inbox = kn_take(base, &at, p->eval_inbox_bytes, CU_ALIGN);
    m->loss_sum = kn_take(base, &at, models * sizeof(double), CU_ALIGN);
    m->row_loss = kn_take(base, &at, rows * samples * sizeof(float), CU_ALIGN);
    m->logits = kn_take(base, &at, eval * (size_t)p->base.net->classes * sizeof(float), CU_ALIGN);
    m->blas = kn_take(base, &at, CU_BLAS_WORKSPACE, CU_ALIGN);
    m->arena = kn_take(base, &at, max_size(p->train_bufs.total, p->eval_bufs.total), CU_ALIGN);
    if (base) {
        m->step = (struct cu_step *)m->inbox;
        m->step_estimate = p->base.averaged ? (struct cu_step *)(m->inbox + steps) : NULL;
        m->index = (int32_t *)(m->inbox + index);
        m->count = (int *)m->eval_inbox;
        m->eval_index = (int32_t *)(m->eval_inbox + eval_index);
    }
    return kn_align_up(at, CU_ALIGN);
}

size_t cu_pinned_bytes(struct cu_plan *p, char *base)
{
    struct cu_pinned *h = &p->h;
    size_t models = (size_t)p->base.models, at = 0;
    size_t eval = models * (size_t)p->base.eval_batch;

    for (int i = 0; i < CU_SLOTS; i++)
        h->inbox[i] = kn_take(base, &at, p->inbox_bytes, CU_ALIGN);
    h->eval_inbox = kn_take(base, &at, p->eval_inbox_bytes, CU_ALIGN);
    for (int i = 0; i < 2; i++)
        h->loss[i] = kn_take(base, &at, models * sizeof(double), CU_ALIGN);
    h->logits = kn_take(base, &at, eval * (size_t)p->base.net->classes * sizeof(float), CU_ALIGN);
    h->flat = kn_take(base, &at, max_size(p->n_w, p->n_stats) * sizeof(float), CU_ALIGN);
    h->class_weights = kn_take(base, &at, (size_t)p->base.net->classes * sizeof(float), CU_ALIGN);
    h->hyper = kn_take(base, &at, sizeof(*h->hyper), CU_ALIGN);
    h->part = kn_take(base, &at, ((size_t)p->base.net->n_params + 1) * sizeof(*h->part), CU_ALIGN);
    h->scaler = kn_take(base, &at, sizeof(*h->scaler), CU_ALIGN);
    return kn_align_up(at, CU_ALIGN);
}
