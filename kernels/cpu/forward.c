#include <string.h>

#include "kernels/cpu/plan.h"

/* What a pass needs to know of its node: where tensors are, in training or in evaluation. */
struct pass {
    const struct cpu_node *n;
    const struct cpu_model *m;
    const float *x, *x2;
    float *y;
    bool train;
    uint32_t step;
};

static void add_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    size_t row = r->p->tensor[a->n->out].row, at = row * (size_t)n0;

    r->p->dev->vec->add(a->x + at, a->x2 + at, a->y + at, a->n->relu, row * (size_t)(n1 - n0));
}

static void relu_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    size_t row = r->p->tensor[a->n->out].row, at = row * (size_t)n0;

    r->p->dev->vec->relu(a->x + at, a->y + at, row * (size_t)(n1 - n0));
}

static void pool_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    const struct cpu_tensor *out = &r->p->tensor[a->n->out];
    struct cpu_pool_args pool = {.s = cpu_shape_of(r->p, &r->p->tensor[a->n->in]),
                                 .oh = out->h,
                                 .ow = out->w,
                                 .kernel = a->n->op->kernel,
                                 .stride = a->n->op->stride,
                                 .pad = a->n->op->pad,
                                 .x = a->x,
                                 .y = a->y};

    r->p->dev->vec->pool(&pool, n0, n1);
}

static void gap_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    struct cpu_shape s = cpu_shape_of(r->p, &r->p->tensor[a->n->in]);

    r->p->dev->vec->gap(&s, a->x, a->y, n0, n1);
}

static void dropout_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    const struct cpu_tensor *t = &r->p->tensor[a->n->in];
    float rate = a->m->hyper.rates[a->n->op->rate];

    if (a->train && rate > 0) {
        struct cpu_dropout d = cpu_dropout_of(r->p, a->n, a->m, a->step);

        r->p->dev->vec->dropout(&d, a->x, a->y, n0, n1);
    } else if (a->x != a->y) {
        int samples = a->train ? r->p->tensor[a->n->out].samples / t->samples : 1;

        for (int n = n0; n < n1; n++)
            memcpy(a->y + t->row * (size_t)n, a->x + t->row * (size_t)(n / samples),
                   sizeof(float) * t->row);
    }
}

static void drop_path_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    size_t row = r->p->tensor[a->n->in].row;

    for (int n = n0; n < n1; n++)
        r->p->dev->vec->times(a->x + row * (size_t)n,
                              a->train ? cpu_drop_path_factor(r->p, a->n, a->m, a->step, n) : 1.0f,
                              a->y + row * (size_t)n, row);
}

static void multiply_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    size_t row = r->p->tensor[a->n->in].row, at = row * (size_t)n0;

    r->p->dev->vec->times(a->x + at, a->n->op->factor, a->y + at, row * (size_t)(n1 - n0));
}

/* Where 0 is not mapped to 0, channels beyond the network's must be kept at it. */
static void clear_padding(const struct cpu_plan *p, const struct cpu_tensor *t, float *row)
{
    size_t pixels = (size_t)t->h * (size_t)t->w, block = (size_t)p->dev->block;
    size_t used = (size_t)t->c - (size_t)(t->blocks - 1) * block;
    float *last = row + (size_t)(t->blocks - 1) * pixels * block;

    for (size_t i = 0; i < pixels && used < block; i++)
        memset(last + i * block + used, 0, sizeof(float) * (block - used));
}

static void act_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    const struct cpu_tensor *t = &r->p->tensor[a->n->out];
    size_t at = t->row * (size_t)n0;
    enum kn_act_kind act = a->n->op->act;

    r->p->dev->vec->act(act, a->x + at, a->y + at, t->row * (size_t)(n1 - n0));
    if (act == KN_SIGMOID || act == KN_HARDSIGMOID)
        for (int n = n0; n < n1; n++)
            clear_padding(r->p, t, a->y + t->row * (size_t)n);
}

static void scale_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    struct cpu_shape s = cpu_shape_of(r->p, &r->p->tensor[a->n->in]);

    r->p->dev->vec->scale(&s, a->x, a->x2, a->y, n0, n1);
}

/* Into PyTorch's order: channel by channel, each row by row. */
static void flatten_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    const struct cpu_tensor *in = &r->p->tensor[a->n->in], *out = &r->p->tensor[a->n->out];
    size_t pixels = (size_t)in->h * in->w, block = (size_t)r->p->dev->block;

    for (int n = n0; n < n1; n++) {
        const float *x = a->x + in->row * (size_t)n;
        float *y = a->y + out->row * (size_t)n;

        if (in->plain)
            memcpy(y, x, sizeof(float) * in->row);
        else
            for (size_t c = 0; c < (size_t)in->c; c++)
                for (size_t i = 0; i < pixels; i++)
                    y[c * pixels + i] = x[(c / block * pixels + i) * block + c % block];
        memset(y + out->c, 0, sizeof(float) * (out->row - (size_t)out->c));
    }
}

static cpu_rows_fn *const rows_of[KN_N_KINDS] = {
    [KN_RELU] = relu_rows,           [KN_ADD] = add_rows,         [KN_MAX_POOL] = pool_rows,
    [KN_GLOBAL_AVG_POOL] = gap_rows, [KN_DROPOUT] = dropout_rows, [KN_FLATTEN] = flatten_rows,
    [KN_DROP_PATH] = drop_path_rows, [KN_ACT] = act_rows,         [KN_SCALE] = scale_rows,
    [KN_MULTIPLY] = multiply_rows,
};

static int conv_forward(struct cpu_runner *r, struct cpu_model *m, const struct pass *a,
                        struct hpo_err *err)
{
    const struct cpu_conv *c = &r->p->conv[a->n->conv];
    const struct cpu_calls *calls = &r->calls[a->n->conv];
    void *ptr[DN_N_ARGS] = {(void *)a->x, m->w + a->n->weight, m->w + a->n->bias, a->y,
                            a->train ? cpu_ptr(r, &r->p->train, a->n->scratch)
                                     : cpu_ptr(r, &r->p->eval, a->n->eval_scratch)};

    return a->train ? dn_run(&c->train, &calls->train, r->stream, ptr, err)
                    : dn_run(&c->infer, &calls->infer, r->stream, ptr, err);
}

int cpu_forward(struct cpu_runner *r, struct cpu_model *m, const float *x, uint32_t step,
                struct hpo_err *err)
{
    struct cpu_plan *p = r->p;
    int rc = HPO_OK;

    for (int i = 0; i < p->n_nodes && !rc; i++) {
        const struct cpu_node *n = &p->node[i];
        struct pass a = {n,
                         m,
                         n->in ? cpu_ptr(r, &p->train, p->act[n->in]) : x,
                         NULL,
                         cpu_ptr(r, &p->train, p->act[n->out]),
                         true,
                         step};

        if (n->in2 >= 0)
            a.x2 = n->in2 ? cpu_ptr(r, &p->train, p->act[n->in2]) : x;
        if (n->conv >= 0)
            rc = conv_forward(r, m, &a, err);
        else if (n->kind == KN_BATCH_NORM)
            cpu_norm_forward(r, m, n, x);
        else
            cpu_each_part(r, cpu_rows(p, n->out), rows_of[n->kind], &a);
    }
    return rc;
}

int cpu_forward_eval(struct cpu_runner *r, struct cpu_model *m, struct hpo_err *err)
{
    struct cpu_plan *p = r->p;
    int rc = HPO_OK;

    for (int i = 0; i < p->n_nodes && !rc; i++) {
        const struct cpu_node *n = &p->node[i];
        struct pass a = {n,
                         m,
                         cpu_ptr(r, &p->eval, p->eval_act[n->in]),
                         NULL,
                         cpu_ptr(r, &p->eval, p->eval_act[n->out]),
                         false,
                         0};

        if (n->in2 >= 0)
            a.x2 = cpu_ptr(r, &p->eval, p->eval_act[n->in2]);
        if (n->conv >= 0)
            rc = conv_forward(r, m, &a, err);
        else if (n->kind == KN_BATCH_NORM)
            cpu_norm_forward_eval(r, m, n);
        else
            cpu_each_part(r, p->base.eval_batch, rows_of[n->kind], &a);
    }
    return rc;
}
