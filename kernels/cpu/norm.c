/* Batch normalization with what follows it (Ioffe and Szegedy 2015), in PyTorch's conventions:
 * normalised by the biased variance, running_var from the unbiased one.
 *
 * Sums are taken by a fixed partition of the images into as many parts as the model has threads,
 * each in a fixed order, and added up in the order of the parts: the bits depend on the number of
 * threads, not on their timing. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/plan.h"

/* The node's small vectors, one after the other. */
struct saved {
    float *mean, *istd, *scale, *shift, *ca, *cb, *cc;
};

static struct saved saved_at(float *s, int channels)
{
    return (struct saved){s,
                          s + channels,
                          s + 2 * channels,
                          s + 3 * channels,
                          s + 4 * channels,
                          s + 5 * channels,
                          s + 6 * channels};
}

static int channels_of(const struct cpu_plan *p, const struct cpu_node *n)
{
    return p->tensor[n->in].blocks * p->dev->block;
}

typedef void sums_fn(const struct cpu_vec *v, const struct cpu_norm *a, const float *origin, int n0,
                     int n1, double *first, double *second);

static void forward_sums(const struct cpu_vec *v, const struct cpu_norm *a, const float *origin,
                         int n0, int n1, double *first, double *second)
{
    v->norm_sums(a, origin, n0, n1, first, second);
}

static void backward_sums(const struct cpu_vec *v, const struct cpu_norm *a,
                          const float *origin HPO_UNUSED, int n0, int n1, double *first,
                          double *second)
{
    v->norm_grad_sums(a, n0, n1, first, second);
}

/* Both sums of every channel, left in the first part's place. */
static void reduce(struct cpu_runner *r, const struct cpu_norm *a, const float *origin,
                   int channels, sums_fn *fn)
{
    const struct cpu_vec *v = r->p->dev->vec;
    int threads = r->p->threads, rows = r->p->base.batch;
    size_t stride = 2 * (size_t)r->p->widest;

#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        double *part = r->partial + stride * (size_t)t;

        memset(part, 0, sizeof(double) * 2 * (size_t)channels);
        fn(v, a, origin, cpu_part(rows, t, threads), cpu_part(rows, t + 1, threads), part,
           part + channels);
    }
    for (int t = 1; t < threads; t++)
        for (int c = 0; c < 2 * channels; c++)
            r->partial[c] += r->partial[stride * (size_t)t + (size_t)c];
}

static struct cpu_norm norm_of(const struct cpu_runner *r, const struct cpu_node *n,
                               const struct saved *s, const struct kn_bufs *bufs, const int *act,
                               const float *input)
{
    return (struct cpu_norm){.s = cpu_shape_of(r->p, &r->p->tensor[n->in]),
                             .relu = n->relu,
                             .tail = n->tail,
                             .x = n->in ? cpu_ptr(r, bufs, act[n->in]) : input,
                             .res = n->in2 < 0 ? NULL
                                    : n->in2   ? cpu_ptr(r, bufs, act[n->in2])
                                               : input,
                             .scale = s->scale,
                             .shift = s->shift,
                             .mean = s->mean,
                             .ca = s->ca,
                             .cb = s->cb,
                             .cc = s->cc};
}

static void apply(struct cpu_runner *r, const struct cpu_norm *a, int rows)
{
    const struct cpu_vec *v = r->p->dev->vec;
    int threads = r->p->threads;

#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++)
        v->norm_apply(a, cpu_part(rows, t, threads), cpu_part(rows, t + 1, threads));
}

static void running_scale(const struct cpu_model *m, const struct cpu_node *n, struct saved *s,
                          int channels)
{
    for (int c = 0; c < channels; c++) {
        double istd = 1.0 / sqrt((double)m->stats[n->var + c] + (double)n->op->eps);

        s->scale[c] = (float)(m->w[n->weight + c] * istd);
        s->shift[c] = m->w[n->bias + c] - m->stats[n->mean + c] * s->scale[c];
    }
}

void cpu_norm_forward(struct cpu_runner *r, struct cpu_model *m, const struct cpu_node *n,
                      const float *input)
{
    struct cpu_plan *p = r->p;
    int channels = channels_of(p, n), block = p->dev->block;
    struct saved s = saved_at(cpu_ptr(r, &p->train, n->saved), channels);
    struct cpu_norm a = norm_of(r, n, &s, &p->train, p->act, input);
    size_t pixels = (size_t)a.s.h * (size_t)a.s.w;
    double count = (double)p->base.batch * (double)pixels, momentum = n->op->momentum;
    float *rm = m->stats + n->mean, *rv = m->stats + n->var, *origin = s.ca;

    a.y = cpu_ptr(r, &p->train, p->act[n->out]);
    if (n->frozen) {
        running_scale(m, n, &s, channels);
        apply(r, &a, p->base.batch);
        return;
    }
    if (m->estimate)
        momentum = 1.0 / m->estimate;
    /* Sums around a value of the channel itself lose no digits when the mean is far from 0. */
    for (int c = 0; c < channels; c++)
        origin[c] = a.x[(size_t)(c / block) * pixels * block + c % block];
    reduce(r, &a, origin, channels, forward_sums);
    for (int c = 0; c < channels; c++) {
        double d = r->partial[c] / count, mean = (double)origin[c] + d;
        double var = r->partial[channels + c] / count - d * d;

        /* Rounding can push it below zero; NaN must stay NaN. */
        var = var < 0 ? 0 : var;
        s.mean[c] = (float)mean;
        s.istd[c] = (float)(1.0 / sqrt(var + (double)n->op->eps));
        s.scale[c] = m->w[n->weight + c] * s.istd[c];
        s.shift[c] = m->w[n->bias + c] - s.mean[c] * s.scale[c];
        rm[c] = (float)((1 - momentum) * rm[c] + momentum * mean);
        rv[c] = (float)((1 - momentum) * rv[c] + momentum * var * (count / (count - 1)));
    }
    apply(r, &a, p->base.batch);
}

void cpu_norm_forward_eval(struct cpu_runner *r, struct cpu_model *m, const struct cpu_node *n)
{
    struct cpu_plan *p = r->p;
    int channels = channels_of(p, n);
    float *two = cpu_ptr(r, &p->eval, n->eval_scratch);
    struct saved s = {.scale = two, .shift = two + channels};
    struct cpu_norm a =
        norm_of(r, n, &s, &p->eval, p->eval_act, cpu_ptr(r, &p->eval, p->eval_act[0]));

    a.y = cpu_ptr(r, &p->eval, p->eval_act[n->out]);
    running_scale(m, n, &s, channels);
    apply(r, &a, p->base.eval_batch);
}

void cpu_norm_backward(struct cpu_runner *r, struct cpu_model *m, const struct cpu_node *n,
                       const float *input)
{
    struct cpu_plan *p = r->p;
    const struct cpu_vec *v = p->dev->vec;
    int channels = channels_of(p, n), threads = p->threads, rows = p->base.batch;
    struct saved s = saved_at(cpu_ptr(r, &p->train, n->saved), channels);
    struct cpu_norm a = norm_of(r, n, &s, &p->train, p->act, input);
    double count = (double)rows * a.s.h * a.s.w;

    a.dy = cpu_ptr(r, &p->train, p->grad[n->out]);
    reduce(r, &a, NULL, channels, backward_sums);
    for (int c = 0; c < channels; c++) {
        double dbeta = r->partial[c], dgamma = r->partial[channels + c] * s.istd[c];
        double ca = (double)m->w[n->weight + c] * s.istd[c];

        m->g[n->bias + c] = (float)dbeta;
        m->g[n->weight + c] = (float)dgamma;
        s.ca[c] = (float)ca;
        s.cb[c] = (float)(-ca * s.istd[c] * dgamma / count);
        s.cc[c] = (float)(-ca * dbeta / count);
    }
    a.dx = cpu_ptr(r, &p->train, n->part[0] >= 0 ? n->part[0] : p->grad[n->in]);
    if (n->in2 >= 0)
        a.dres = cpu_ptr(r, &p->train, n->part[1] >= 0 ? n->part[1] : p->grad[n->in2]);
    if (!a.dx && !a.dres)
        return; /* nothing trained lies before it */
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++)
        v->norm_grad(&a, cpu_part(rows, t, threads), cpu_part(rows, t + 1, threads));
}
