/* The backward pass, launched node after node, last to first, for all models. */
#include "kernels/cuda/plan.h"

/* A node, what it reads of the forward pass, and its gradients: dy in, dx and dx2 out (NULL:
 * nothing trained lies there). */
struct pass {
    const struct cu_array *a; /* rows are those of its input */
    const struct cu_node *n;
    const void *x, *x2, *y, *dy;
    void *dx, *dx2;
};

static void *buffer(const struct cu_plan *p, int i)
{
    return cu_at(p, &p->train_bufs, i);
}

static int batch_norm(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    const struct cu_node *n = b->n;
    struct cu_norm norm = cu_norm_of(p, &p->train, n);

    norm.partial = buffer(p, n->scratch_back);
    return cu_norm_backward(b->a, &norm, b->x, b->y, b->dy, b->dx, n->in_add, b->dx2, n->in2_add,
                            p->m.g + n->weight, p->m.g + n->bias, err);
}

static int bias(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    const struct cu_node *n = b->n;

    if (n->op->bias < 0)
        return HPO_OK;
    return cu_bias_backward(b->a, cu_shape_of(p, n->out), b->dy, p->m.g + n->bias, p->n_w,
                            buffer(p, n->scratch_back), err);
}

static int conv(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    const struct cu_node *n = b->n;
    const struct cu_layer *l = &p->layer[n->layer];
    void *scratch = buffer(p, n->scratch_back), *diff = buffer(p, n->diff);
    float *g = p->m.g + n->weight;
    int rc = bias(p, b, err);

    if (!rc)
        rc = cu_conv_run(&p->dnn, &l->conv[CU_FILTER], b->x, b->dy, diff ? diff : (void *)g,
                         scratch, err);
    if (!rc && diff)
        rc = cu_widen(b->a, diff, l->count, g, p->n_w, l->count, err);
    if (!rc && b->dx)
        rc = cu_conv_run(&p->dnn, &l->conv[CU_DATA], b->dy, cu_layer_weights(p, l), b->dx, scratch,
                         err);
    return rc;
}

static int depthwise(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    const struct cu_node *n = b->n;
    const struct cu_depthwise d = cu_depthwise_of(p, n);
    int rc = bias(p, b, err);

    if (!rc)
        rc = cu_depthwise_filter(b->a, &d, b->x, b->dy, p->m.g + n->weight,
                                 buffer(p, n->scratch_back), err);
    if (rc || !b->dx)
        return rc;
    return cu_depthwise_data(b->a, &d, b->dy, cu_weights(p, n->weight), b->dx, n->in_add, err);
}

static int linear(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    int rc = bias(p, b, err);

    return rc ? rc : cu_linear_backward(p, b->n, b->a->rows, b->x, b->dy, b->dx, err);
}

static size_t elements(const struct cu_plan *p, const struct pass *b)
{
    return p->tensor[b->n->out].row * (size_t)b->a->rows;
}

static int relu(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    if (!b->dx)
        return HPO_OK;
    return cu_relu_backward(b->a, b->y, b->dy, b->dx, b->n->in_add, elements(p, b), err);
}

static int add_side(struct cu_plan *p, const struct pass *b, void *dx, bool adds,
                    struct hpo_err *err)
{
    if (!dx || (dx == b->dy && !b->n->relu))
        return HPO_OK;
    return cu_pass(b->a, b->y, b->dy, dx, b->n->relu, adds, elements(p, b), err);
}

/* The second side first: the first may lie where dy lies. */
static int add(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    int rc = add_side(p, b, b->dx2, b->n->in2_add, err);

    return rc ? rc : add_side(p, b, b->dx, b->n->in_add, err);
}

static int max_pool(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    const struct cu_pool pool = cu_pool_of(p, b->n);

    if (!b->dx)
        return HPO_OK;
    return cu_pool_backward(b->a, &pool, b->x, b->y, b->dy, b->dx, b->n->in_add, err);
}

static int average(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    if (!b->dx)
        return HPO_OK;
    return cu_average_backward(b->a, cu_shape_of(p, b->n->in), b->dy, b->dx, b->n->in_add, err);
}

static int dropout(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    const struct cu_drop d = cu_drop_of(p, b->n);

    if (!b->dx)
        return HPO_OK;
    return cu_dropout_backward(b->a, cu_shape_of(p, b->n->in), &d, b->dy, b->dx, b->n->in_add, err);
}

static int drop_path(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    const struct cu_drop d = cu_drop_of(p, b->n);

    if (!b->dx)
        return HPO_OK;
    return cu_drop_path(b->a, cu_shape_of(p, b->n->in), &d, b->dy, b->dx, b->n->in_add, err);
}

static int act(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    if (!b->dx)
        return HPO_OK;
    return cu_act_backward(b->a, cu_shape_of(p, b->n->in), b->n->op->act, b->x, b->dy, b->dx,
                           b->n->in_add, err);
}

static int scale(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    return cu_scale_backward(b->a, cu_shape_of(p, b->n->in), b->x, b->x2, b->dy, b->dx,
                             b->n->in_add, b->dx2, b->n->in2_add, err);
}

static int multiply(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    if (!b->dx)
        return HPO_OK;
    return cu_multiply(b->a, b->dy, b->n->op->factor, b->dx, b->n->in_add, elements(p, b), err);
}

static int flatten(struct cu_plan *p, const struct pass *b, struct hpo_err *err)
{
    if (!b->dx)
        return HPO_OK;
    return cu_flatten_backward(b->a, cu_shape_of(p, b->n->in), b->dy, b->dx, b->n->in_add, err);
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

int cu_backward(struct cu_plan *p, struct hpo_err *err)
{
    int rc = HPO_OK;

    for (int i = p->n_nodes - 1; i >= 0 && !rc; i--) {
        const struct cu_node *n = &p->node[i];
        const struct cu_array a = cu_rows_in(p, &p->train, n->in);
        struct pass b = {&a,
                         n,
                         buffer(p, p->act[n->in]),
                         n->in2 >= 0 ? buffer(p, p->act[n->in2]) : NULL,
                         buffer(p, p->act[n->out]),
                         buffer(p, p->grad[n->out]),
                         buffer(p, p->grad[n->in]),
                         NULL};

        if (!p->tensor[n->out].grad)
            continue;
        if (n->in2 >= 0)
            b.dx2 = buffer(p, p->grad[n->in2]);
        rc = launch_of[n->kind](p, &b, err);
        if (rc)
            hpo_fail_at(err, "gradient of %s", n->op->name);
    }
    return rc;
}
