/* The forward pass, launched node after node for all models. */
#include "kernels/cuda/plan.h"

/* A node and where its tensors are. */
struct pass {
    const struct cu_pass_view *v;
    const struct cu_node *n;
    struct cu_array a; /* rows are those of its input */
    const void *x, *x2;
    void *y;
};

struct cu_norm cu_norm_of(const struct cu_plan *p, const struct cu_pass_view *v,
                          const struct cu_node *n)
{
    return (struct cu_norm){.s = cu_shape_of(p, n->in),
                            .eps = n->op->eps,
                            .momentum = n->op->momentum,
                            .weight = p->m.w + n->weight,
                            .bias = p->m.w + n->bias,
                            .running_mean = p->m.stats + n->mean,
                            .running_var = p->m.stats + n->var,
                            .weights_stride = p->n_w,
                            .buffers_stride = p->n_stats,
                            .saved = cu_at(p, v->bufs, v->train ? n->saved : -1),
                            .partial = cu_at(p, v->bufs, v->train ? n->scratch : -1),
                            .relu = n->relu,
                            .estimate = v->estimate};
}

static int batch_norm(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    const struct cu_norm norm = cu_norm_of(p, a->v, a->n);

    if (a->v->train && !a->n->frozen)
        return cu_norm_train(&a->a, &norm, a->x, a->x2, a->y, err);
    return cu_norm_eval(&a->a, &norm, a->x, a->x2, a->y, err);
}

static int bias(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    const struct cu_node *n = a->n;

    if (n->op->bias < 0)
        return HPO_OK;
    return cu_bias(&a->a, cu_shape_of(p, n->out), p->m.w + n->bias, p->n_w, a->y, err);
}

static int conv(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    const struct cu_node *n = a->n;
    const struct cu_layer *l = &p->layer[n->layer];
    int scratch = a->v->train ? n->scratch : n->eval_scratch;
    int rc = cu_conv_run(&p->dnn, &l->conv[a->v->train ? CU_TRAIN : CU_INFER], a->x,
                         cu_layer_weights(p, l), a->y, cu_at(p, a->v->bufs, scratch), err);

    return rc ? rc : bias(p, a, err);
}

static int depthwise(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    const struct cu_depthwise d = cu_depthwise_of(p, a->n);
    int rc = cu_depthwise(&a->a, &d, a->x, cu_weights(p, a->n->weight), a->y, err);

    return rc ? rc : bias(p, a, err);
}

static int linear(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    const struct cu_node *n = a->n;
    int rc = cu_linear(p, n, a->a.rows, a->x, a->y, err);

    return rc ? rc : bias(p, a, err);
}

static size_t elements(const struct cu_plan *p, const struct pass *a)
{
    return p->tensor[a->n->out].row * (size_t)a->a.rows;
}

static int relu(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    return cu_relu(&a->a, a->x, a->y, elements(p, a), err);
}

static int add(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    return cu_add(&a->a, a->x, a->x2, a->y, a->n->relu, elements(p, a), err);
}

static int max_pool(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    const struct cu_pool pool = cu_pool_of(p, a->n);

    return cu_pool(&a->a, &pool, a->x, a->y, err);
}

static int average(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    return cu_average(&a->a, cu_shape_of(p, a->n->in), a->x, a->y, err);
}

/* In evaluation the output lies where the input lies: memory.c. */
static int dropout(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    const struct cu_drop d = cu_drop_of(p, a->n);

    if (!a->v->train)
        return HPO_OK;
    return cu_dropout(&a->a, cu_shape_of(p, a->n->in), &d, a->x, a->y, false, err);
}

static int drop_path(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    const struct cu_drop d = cu_drop_of(p, a->n);

    if (!a->v->train)
        return HPO_OK;
    return cu_drop_path(&a->a, cu_shape_of(p, a->n->in), &d, a->x, a->y, false, err);
}

static int act(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    return cu_act(&a->a, cu_shape_of(p, a->n->in), a->n->op->act, a->x, a->y, err);
}

static int scale(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    return cu_scale(&a->a, cu_shape_of(p, a->n->in), a->x, a->x2, a->y, err);
}

static int multiply(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    return cu_multiply(&a->a, a->x, a->n->op->factor, a->y, false, elements(p, a), err);
}

static int flatten(struct cu_plan *p, const struct pass *a, struct hpo_err *err)
{
    return cu_flatten(&a->a, cu_shape_of(p, a->n->in), a->x, a->y, err);
}

static int (*const launch_of[KN_N_KINDS])(struct cu_plan *, const struct pass *,
                                          struct hpo_err *) = {
    [KN_CONV2D] = conv,
    [KN_BATCH_NORM] = batch_norm,
    [KN_RELU] = relu,
    [KN_ADD] = add,
    [KN_MAX_POOL] = max_pool,
    [KN_GLOBAL_AVG_POOL] = average,
    [KN_DROPOUT] = dropout,
    [KN_FLATTEN] = flatten,
    [KN_LINEAR] = linear,
    [KN_DEPTHWISE] = depthwise,
    [KN_MULTIPLY] = multiply,
    [KN_ACT] = act,
    [KN_SCALE] = scale,
    [KN_DROP_PATH] = drop_path,
};

int cu_forward(struct cu_plan *p, const struct cu_pass_view *v, struct hpo_err *err)
{
    int rc = HPO_OK;

    for (int i = 0; i < p->n_nodes && !rc; i++) {
        const struct cu_node *n = &p->node[i];
        struct pass a = {v,
                         n,
                         cu_rows_in(p, v, n->in),
                         cu_at(p, v->bufs, v->act[n->in]),
                         NULL,
                         cu_at(p, v->bufs, v->act[n->out])};

        if (n->in2 >= 0)
            a.x2 = cu_at(p, v->bufs, v->act[n->in2]);
        rc = launch_of[n->kind](p, &a, err);
        if (rc)
            hpo_fail_at(err, "%s", n->op->name);
    }
    return rc;
}
