/* Where everything lies: one mapping a plan, in which the buffers of a step share the same bytes
 * when they are never alive together.
 *
 * A training step has 2 F + 1 moments for F nodes: node i runs forward at i, the loss at F, node i
 * backward at 2 F - i. */
#include <stdlib.h>

#include "kernels/cpu/plan.h"

#define ALIGN 64u

/* What a node's backward pass reads of the forward pass. */
static bool keeps_in(const struct cpu_node *n)
{
    return n->conv >= 0 || n->kind == KN_BATCH_NORM || n->kind == KN_MAX_POOL ||
           n->kind == KN_ACT || n->kind == KN_SCALE;
}

static bool keeps_in2(const struct cpu_node *n)
{
    return (n->kind == KN_BATCH_NORM && n->relu) || n->kind == KN_SCALE;
}

static bool keeps_out(const struct cpu_node *n)
{
    return n->kind == KN_RELU || n->kind == KN_MAX_POOL || (n->kind == KN_ADD && n->relu);
}

static size_t tensor_bytes(const struct cpu_tensor *t, int rows)
{
    return t->row * (size_t)rows * sizeof(float);
}

static size_t train_bytes(const struct cpu_plan *p, int tensor)
{
    return tensor_bytes(&p->tensor[tensor], cpu_rows(p, tensor));
}

/* May the gradient of its input lie where that of its output lies? */
static bool may_alias(const struct cpu_plan *p, const struct cpu_node *n)
{
    switch (n->kind) {
    case KN_RELU:
    case KN_ADD:
    case KN_ACT:
    case KN_DROP_PATH:
    case KN_MULTIPLY:
        return true;
    case KN_DROPOUT:
        return p->tensor[n->in].samples == p->tensor[n->out].samples;
    case KN_BATCH_NORM:
        return n->tail == CPU_TAIL_NONE;
    default:
        return false;
    }
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void plan_forward(struct cpu_plan *p)
{
    int last = p->n_nodes;

    for (int i = 0; i < p->n_nodes; i++) {
        struct cpu_node *n = &p->node[i];
        bool back = p->tensor[n->out].grad;

        p->act[n->out] =
            kn_buf_add(&p->train, train_bytes(p, n->out), i, i == p->n_nodes - 1 ? last : i);
        if (p->act[n->in] >= 0)
            kn_buf_lives_until(&p->train, p->act[n->in], back && keeps_in(n) ? 2 * last - i : i);
        if (n->in2 >= 0 && p->act[n->in2] >= 0)
            kn_buf_lives_until(&p->train, p->act[n->in2], back && keeps_in2(n) ? 2 * last - i : i);
        if (back && keeps_out(n))
            kn_buf_lives_until(&p->train, p->act[n->out], 2 * last - i);
        if (n->kind == KN_BATCH_NORM)
            n->saved = kn_buf_add(&p->train,
                                  sizeof(float) * 7 * (size_t)p->tensor[n->in].blocks *
                                      (size_t)p->dev->block,
                                  i, 2 * last - i);
        if (n->conv >= 0)
            n->scratch = kn_buf_add(&p->train, p->conv[n->conv].train.scratch, i, i);
    }
}

/* Give tensor `in` of node i its gradient: the first writer's goes where it stays, another's into a
 * buffer of its own that is then added. */
static void plan_contribution(struct cpu_plan *p, int i, int in, bool alias, bool *ret_first,
                              int *ret_part)
{
    struct cpu_node *n = &p->node[i];
    const struct cpu_tensor *t = &p->tensor[in];
    int now = 2 * p->n_nodes - i;

    if (!t->grad)
        return;
    *ret_first = p->grad[in] < 0;
    if (!*ret_first) {
        *ret_part = kn_buf_add(&p->train, train_bytes(p, in), now, now);
    } else if (alias) {
        p->grad[in] = p->grad[n->out];
        kn_buf_lives_until(&p->train, p->grad[in], 2 * p->n_nodes - t->producer);
    } else {
        p->grad[in] = kn_buf_add(&p->train, train_bytes(p, in), now, 2 * p->n_nodes - t->producer);
    }
}

static void plan_backward(struct cpu_plan *p)
{
    int f = p->n_nodes, logits = p->base.net->n_tensors - 1;

    p->grad[logits] = kn_buf_add(&p->train, train_bytes(p, logits), f, f + 1);
    for (int i = f - 1; i >= 0; i--) {
        struct cpu_node *n = &p->node[i];
        int now = 2 * f - i;

        if (!p->tensor[n->out].grad)
            continue;
        /* A residual is first: what aliases the gradient of the output overwrites it. */
        if (n->in2 >= 0)
            plan_contribution(p, i, n->in2, false, &n->in2_first, &n->part[1]);
        plan_contribution(p, i, n->in, may_alias(p, n), &n->in_first, &n->part[0]);
        if (n->conv >= 0) {
            const struct cpu_conv *c = &p->conv[n->conv];
            size_t scratch = max_size(c->weights.scratch, c->data.scratch);

            scratch = max_size(scratch, max_size(c->back.scratch, c->diff.scratch));
            n->scratch_back = kn_buf_add(&p->train, scratch, now, now);
            if (c->has_back)
                n->weight_back =
                    kn_buf_add(&p->train, dn_md_bytes(dn_prim_weight(&c->data)), now, now);
            if (c->has_diff)
                n->weight_diff =
                    kn_buf_add(&p->train, dn_md_bytes(dn_prim_weight(&c->weights)), now, now);
        }
    }
}

static void plan_eval(struct cpu_plan *p)
{
    int rows = p->base.eval_batch;

    p->eval_act[0] = kn_buf_add(&p->eval, tensor_bytes(&p->tensor[0], rows), 0, 0);
    for (int i = 0; i < p->n_nodes; i++) {
        struct cpu_node *n = &p->node[i];
        bool in_place = n->in != 0 && p->tensor[n->in].uses == 1 &&
                        (n->kind == KN_RELU || n->kind == KN_ACT || n->kind == KN_DROPOUT ||
                         n->kind == KN_DROP_PATH || n->kind == KN_SCALE || n->kind == KN_MULTIPLY ||
                         (n->kind == KN_BATCH_NORM && n->tail == CPU_TAIL_NONE));

        kn_buf_lives_until(&p->eval, p->eval_act[n->in], i);
        if (n->in2 >= 0)
            kn_buf_lives_until(&p->eval, p->eval_act[n->in2], i);
        p->eval_act[n->out] =
            in_place ? p->eval_act[n->in]
                     : kn_buf_add(&p->eval, tensor_bytes(&p->tensor[n->out], rows), i, i);
        if (n->conv >= 0)
            n->eval_scratch = kn_buf_add(&p->eval, p->conv[n->conv].infer.scratch, i, i);
        else if (n->kind == KN_BATCH_NORM)
            n->eval_scratch = kn_buf_add(&p->eval, sizeof(float) * 2 * (size_t)p->widest, i, i);
    }
}

/* set_state and get_state borrow the arena of a runner: a flat weight, then scratch. */
static size_t state_bytes(const struct cpu_plan *p)
{
    size_t bytes = 0;

    for (int i = 0; i < p->n_convs; i++) {
        const struct cpu_conv *c = &p->conv[i];
        size_t scratch = max_size(c->pack.scratch, c->unpack.scratch);

        bytes = max_size(bytes, kn_align_up(c->weight_bytes, ALIGN) + scratch);
    }
    return bytes;
}

void cpu_plan_memory(struct cpu_plan *p)
{
    size_t n = (size_t)p->base.net->n_tensors;

    p->act = xcalloc(n, sizeof(int));
    p->grad = xcalloc(n, sizeof(int));
    p->eval_act = xcalloc(n, sizeof(int));
    for (size_t i = 0; i < n; i++)
        p->act[i] = p->grad[i] = p->eval_act[i] = -1;
    p->train.align = p->eval.align = ALIGN;
    plan_forward(p);
    plan_backward(p);
    plan_eval(p);
    kn_bufs_place(&p->train);
    kn_bufs_place(&p->eval);
    p->train.total = max_size(p->train.total, max_size(state_bytes(p), cpu_muon_bytes(p)));
}

#define PAGE 4096u

size_t cpu_memory_bytes(struct cpu_plan *p, char *base)
{
    size_t at = 0, x = tensor_bytes(&p->tensor[0], p->base.batch);
    size_t w = p->n_w * sizeof(float);

    for (int i = 0; i < p->base.models; i++) {
        struct cpu_model *m = &p->model[i];

        m->w = kn_take(base, &at, w, PAGE);
        m->g = kn_take(base, &at, w, PAGE);
        for (int s = 0; s < kn_optim_slots(p->base.optim); s++)
            m->slot[s] = kn_take(base, &at, w, PAGE);
        m->stats = kn_take(base, &at, p->n_stats * sizeof(float), ALIGN);
        if (p->base.averaged) {
            m->average_w = kn_take(base, &at, w, PAGE);
            m->average_stats = kn_take(base, &at, p->n_stats * sizeof(float), ALIGN);
        }
        if (p->base.accumulate)
            m->sum = kn_take(base, &at, w, PAGE);
        m->weights_room = kn_take(base, &at, sizeof(float) * (size_t)p->base.net->classes, ALIGN);
        m->factors_room =
            kn_take(base, &at, sizeof(*m->factors_room) * (size_t)p->base.net->n_params, ALIGN);
        for (int b = 0; b < 2; b++) {
            m->batch[b].index = kn_take(base, &at, (size_t)p->base.batch * sizeof(int32_t), ALIGN);
            m->batch[b].x = kn_take(base, &at, x, PAGE);
        }
    }
    for (int i = 0; i < p->n_runners; i++) {
        struct cpu_runner *r = &p->runner[i];

        r->arena = kn_take(base, &at, max_size(p->train.total, p->eval.total), PAGE);
        r->partial =
            kn_take(base, &at, sizeof(double) * 2 * (size_t)p->widest * (size_t)p->threads, PAGE);
    }
    return kn_align_up(at, PAGE);
}
