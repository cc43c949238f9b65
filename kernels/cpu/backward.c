#include <string.h>

#include "kernels/cpu/plan.h"

/* A node's gradients: dy in, dx and dx2 out (NULL: nobody wants them). */
struct pass {
    const struct cpu_node *n;
    const struct cpu_model *m;
    const float *x, *x2, *y, *dy;
    float *dx, *dx2;
    uint32_t step;
};

static void relu_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    size_t row = r->p->tensor[a->n->out].row, at = row * (size_t)n0;

    r->p->dev->vec->relu_grad(a->y + at, a->dy + at, a->dx + at, row * (size_t)(n1 - n0));
}

static void add_side(const struct cpu_runner *r, const struct pass *a, float *dx, size_t at,
                     size_t count)
{
    if (!dx)
        return;
    if (a->n->relu)
        r->p->dev->vec->relu_grad(a->y + at, a->dy + at, dx + at, count);
    else if (dx != a->dy)
        memcpy(dx + at, a->dy + at, sizeof(float) * count);
}

/* The second side first: the first may lie where dy lies. */
static void add_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    size_t row = r->p->tensor[a->n->out].row, at = row * (size_t)n0;

    add_side(r, a, a->dx2, at, row * (size_t)(n1 - n0));
    add_side(r, a, a->dx, at, row * (size_t)(n1 - n0));
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
                                 .y = (float *)a->y,
                                 .dy = a->dy,
                                 .dx = a->dx};

    r->p->dev->vec->pool_grad(&pool, n0, n1);
}

static void gap_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    struct cpu_shape s = cpu_shape_of(r->p, &r->p->tensor[a->n->in]);

    r->p->dev->vec->gap_grad(&s, a->dy, a->dx, n0, n1);
}

static void dropout_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    const struct cpu_tensor *t = &r->p->tensor[a->n->in];
    float rate = a->m->hyper.rates[a->n->op->rate];

    if (rate > 0) {
        struct cpu_dropout d = cpu_dropout_of(r->p, a->n, a->m, a->step);

        r->p->dev->vec->dropout_grad(&d, a->dy, a->dx, n0, n1);
    } else if (a->dx != a->dy) {
        int samples = r->p->tensor[a->n->out].samples / t->samples;

        for (int n = n0; n < n1; n++) {
            float *dx = a->dx + t->row * (size_t)n;
            const float *dy = a->dy + t->row * (size_t)(n * samples);

            memcpy(dx, dy, sizeof(float) * t->row);
            for (int s = 1; s < samples; s++)
                r->p->dev->vec->accumulate(dy + t->row * (size_t)s, dx, t->row);
        }
    }
}

static void drop_path_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    size_t row = r->p->tensor[a->n->in].row;

    for (int n = n0; n < n1; n++)
        r->p->dev->vec->times(a->dy + row * (size_t)n,
                              cpu_drop_path_factor(r->p, a->n, a->m, a->step, n),
                              a->dx + row * (size_t)n, row);
}

static void multiply_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    size_t row = r->p->tensor[a->n->in].row, at = row * (size_t)n0;

    r->p->dev->vec->times(a->dy + at, a->n->op->factor, a->dx + at, row * (size_t)(n1 - n0));
}

static void act_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    size_t row = r->p->tensor[a->n->out].row, at = row * (size_t)n0;

    r->p->dev->vec->act_grad(a->n->op->act, a->x + at, a->dy + at, a->dx + at,
                             row * (size_t)(n1 - n0));
}

static void scale_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    struct cpu_shape s = cpu_shape_of(r->p, &r->p->tensor[a->n->in]);

    if (a->dx2)
        r->p->dev->vec->scale_grad(&s, a->x, a->dy, a->dx2, n0, n1);
    if (a->dx)
        r->p->dev->vec->scale(&s, a->dy, a->x2, a->dx, n0, n1);
}

static void flatten_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct pass *a = arg;
    const struct cpu_tensor *in = &r->p->tensor[a->n->in], *out = &r->p->tensor[a->n->out];
    size_t pixels = (size_t)in->h * in->w, block = (size_t)r->p->dev->block;

    for (int n = n0; n < n1; n++) {
        const float *dy = a->dy + out->row * (size_t)n;
        float *dx = a->dx + in->row * (size_t)n;

        memset(dx, 0, sizeof(float) * in->row);
        for (size_t c = 0; c < (size_t)in->c; c++)
            for (size_t i = 0; i < pixels; i++)
                dx[(c / block * pixels + i) * block + c % block] = dy[c * pixels + i];
    }
}

static cpu_rows_fn *const rows_of[KN_N_KINDS] = {
    [KN_RELU] = relu_rows,           [KN_ADD] = add_rows,         [KN_MAX_POOL] = pool_rows,
    [KN_GLOBAL_AVG_POOL] = gap_rows, [KN_DROPOUT] = dropout_rows, [KN_FLATTEN] = flatten_rows,
    [KN_DROP_PATH] = drop_path_rows, [KN_ACT] = act_rows,         [KN_SCALE] = scale_rows,
    [KN_MULTIPLY] = multiply_rows,
};

static int conv_backward(struct cpu_runner *r, struct cpu_model *m, const struct pass *a,
                         struct hpo_err *err)
{
    struct cpu_plan *p = r->p;
    const struct cpu_node *n = a->n;
    const struct cpu_conv *c = &p->conv[n->conv];
    const struct cpu_calls *calls = &r->calls[n->conv];
    float *scratch = cpu_ptr(r, &p->train, n->scratch_back);
    float *dw = m->g + n->weight, *w = m->w + n->weight;
    void *ptr[DN_N_ARGS] = {(void *)a->x, dw, m->g + n->bias, (void *)a->dy, scratch};
    int rc;

    if (c->has_diff)
        ptr[DN_WEIGHT] = cpu_ptr(r, &p->train, n->weight_diff);
    rc = dn_run(&c->weights, &calls->weights, r->stream, ptr, err);
    if (!rc && c->has_diff)
        rc = dn_run_reorder(&c->diff, &calls->diff, r->stream, ptr[DN_WEIGHT], dw, scratch, err);
    if (rc || !a->dx)
        return rc;
    if (c->has_back) {
        float *back = cpu_ptr(r, &p->train, n->weight_back);

        rc = dn_run_reorder(&c->back, &calls->back, r->stream, w, back, scratch, err);
        w = back;
    }
    ptr[DN_SRC] = a->dx;
    ptr[DN_WEIGHT] = w;
    return rc ? rc : dn_run(&c->data, &calls->data, r->stream, ptr, err);
}

struct sum {
    const float *from;
    float *to;
    size_t row;
};

static void sum_rows(const struct cpu_runner *r, const void *arg, int n0, int n1)
{
    const struct sum *s = arg;
    size_t at = s->row * (size_t)n0;

    r->p->dev->vec->accumulate(s->from + at, s->to + at, s->row * (size_t)(n1 - n0));
}

static void add_part(const struct cpu_runner *r, int part, int tensor)
{
    struct cpu_plan *p = r->p;
    struct sum s = {cpu_ptr(r, &p->train, part), NULL, 0};

    if (part < 0)
        return;
    s.to = cpu_ptr(r, &p->train, p->grad[tensor]);
    s.row = p->tensor[tensor].row;
    cpu_each_part(r, cpu_rows(p, tensor), sum_rows, &s);
}

int cpu_backward(struct cpu_runner *r, struct cpu_model *m, const float *x, uint32_t step,
                 struct hpo_err *err)
{
    struct cpu_plan *p = r->p;
    int rc = HPO_OK;

    for (int i = p->n_nodes - 1; i >= 0 && !rc; i--) {
        const struct cpu_node *n = &p->node[i];
        struct pass a = {n,
                         m,
                         n->in ? cpu_ptr(r, &p->train, p->act[n->in]) : x,
                         n->in2 < 0 ? NULL
                         : n->in2   ? cpu_ptr(r, &p->train, p->act[n->in2])
                                    : x,
                         cpu_ptr(r, &p->train, p->act[n->out]),
                         cpu_ptr(r, &p->train, p->grad[n->out]),
                         NULL,
                         NULL,
                         step};

        if (!p->tensor[n->out].grad)
            continue;
        a.dx = cpu_ptr(r, &p->train, n->part[0] >= 0 ? n->part[0] : p->grad[n->in]);
        if (n->in2 >= 0)
            a.dx2 = cpu_ptr(r, &p->train, n->part[1] >= 0 ? n->part[1] : p->grad[n->in2]);
        if (n->conv >= 0)
            rc = conv_backward(r, m, &a, err);
        else if (n->kind == KN_BATCH_NORM)
            cpu_norm_backward(r, m, n, x);
        else
            cpu_each_part(r, cpu_rows(p, n->in), rows_of[n->kind], &a);
        add_part(r, n->part[1], n->in2);
        add_part(r, n->part[0], n->in);
    }
    return rc;
}
