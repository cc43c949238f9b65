/* From gradients to weights: micro-batches added up, clipping, the optimizer, moving averages.
 *
 * Parameters are grouped into parts that are treated alike: those after one another with the same
 * factors on rate and decay are one part, so that the plain case is one loop over everything. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/plan.h"

struct part {
    size_t begin, end; /* floats */
    float lr, decay;   /* factors */
    bool frozen;
    int matrix; /* Muon: the parameter; -1: none */
};

static bool is_frozen(const struct cpu_plan *p, const struct cpu_model *m, int param)
{
    const struct kn_factor *f = m->hyper.factors;

    return p->base.net->param[param].op < p->freeze || (f && f[param].lr == 0.0f);
}

static struct part part_of(const struct cpu_plan *p, const struct cpu_model *m, int param)
{
    const struct kn_param *q = &p->base.net->param[param];
    const struct kn_optim *o = &m->hyper.optim;
    struct part part = {.begin = p->param[param].offset, .lr = 1, .decay = 1, .matrix = -1};

    part.end = part.begin + (p->param[param].count + 15) / 16 * 16;
    part.frozen = is_frozen(p, m, param);
    if (o->keep_vectors && q->n_dims == 1)
        part.decay = 0;
    if (o->kind == KN_MUON && q->n_dims > 1 && q->op != kn_net_head(p->base.net))
        part.matrix = param;
    else if (o->kind == KN_MUON && o->other_lr > 0)
        part.lr *= o->other_lr;
    if (m->hyper.factors) {
        part.lr *= m->hyper.factors[param].lr;
        part.decay *= m->hyper.factors[param].decay;
    }
    return part;
}

static bool alike(const struct part *a, const struct part *b)
{
    return a->end == b->begin && a->lr == b->lr && a->decay == b->decay && a->frozen == b->frozen &&
           a->matrix < 0 && b->matrix < 0;
}

/* The part that begins with *param, which becomes the one after its last; false: there is none. */
static bool next_part(const struct cpu_plan *p, const struct cpu_model *m, int *param,
                      struct part *ret)
{
    const struct kn_net *net = p->base.net;
    struct part more;

    for (; *param < net->n_params && !net->param[*param].trained; (*param)++)
        ;
    if (*param >= net->n_params)
        return false;
    *ret = part_of(p, m, (*param)++);
    for (; *param < net->n_params; (*param)++) {
        if (!net->param[*param].trained)
            continue;
        more = part_of(p, m, *param);
        if (!alike(ret, &more))
            break;
        ret->end = more.end;
    }
    return true;
}

/* [begin, end) of thread t, whole lines of 16 floats. */
static void slice(size_t begin, size_t end, int t, int threads, size_t *ret_at, size_t *ret_n)
{
    size_t lines = (end - begin) / 16;

    *ret_at = begin + lines * (size_t)t / (size_t)threads * 16;
    *ret_n = begin + lines * (size_t)(t + 1) / (size_t)threads * 16 - *ret_at;
}

static void run_part(struct cpu_runner *r, struct cpu_model *m, const struct part *part,
                     const struct kn_optim_step *s)
{
    const struct cpu_vec *v = r->p->dev->vec;
    int threads = r->p->threads;
    enum kn_optim_kind kind = r->p->base.optim;

#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        size_t i, n;

        slice(part->begin, part->end, t, threads, &i, &n);
        v->optim[kind](s, m->g + i, m->w + i, m->slot[0] + i, m->slot[1] ? m->slot[1] + i : NULL,
                       n);
    }
}

/* The gradient's place is used for what is made of it. */
static int run_matrix(struct cpu_runner *r, struct cpu_model *m, const struct part *part,
                      const struct kn_optim_step *s, struct hpo_err *err)
{
    const struct kn_param *q = &r->p->base.net->param[part->matrix];
    float *g = m->g + part->begin, *w = m->w + part->begin, *buf = m->slot[0] + part->begin;
    size_t n = part->end - part->begin;
    int cols = (int)(q->count / (size_t)q->dims[0]), rc;
    float rate = s->lr * kn_muon_factor(q->dims[0], cols), keep = 1.0f - s->lr * s->decay;

    for (size_t i = 0; i < n; i++)
        g[i] = kn_muon_momentum(s, g[i], &buf[i]);
    rc = cpu_orthogonalize(r, part->matrix, g, m->hyper.optim.ns_steps, err);
    for (size_t i = 0; i < n && !rc; i++)
        w[i] = keep * w[i] - rate * g[i];
    return rc;
}

/* In double, by thread and then in their order. */
static double sum_of_squares(struct cpu_runner *r, const float *g)
{
    int threads = r->p->threads;
    double sum = 0;

#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        double s = 0;
        size_t i, n;

        slice(0, r->p->n_w, t, threads, &i, &n);
        for (size_t k = i; k < i + n; k++)
            s += (double)g[k] * (double)g[k];
        r->partial[t] = s;
    }
    for (int t = 0; t < threads; t++)
        sum += r->partial[t];
    return sum;
}

enum pass { ADD_UP, TAKE_SUM, SCALE, AVERAGE, ADOPT };

static void each(struct cpu_runner *r, struct cpu_model *m, enum pass what, float factor)
{
    int threads = r->p->threads;

#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        size_t i, n;

        slice(0, r->p->n_w, t, threads, &i, &n);
        for (size_t k = i; k < i + n; k++)
            switch (what) {
            case ADD_UP:
                m->sum[k] = factor != 0.0f ? m->sum[k] + m->g[k] : m->g[k];
                break;
            case TAKE_SUM:
                m->g[k] += m->sum[k];
                break;
            case SCALE:
                m->g[k] *= factor;
                break;
            case AVERAGE:
                m->average_w[k] = kn_average(m->average_w[k], m->w[k], factor);
                break;
            case ADOPT:
                m->w[k] = m->average_w[k];
                break;
            }
    }
}

static int step_parts(struct cpu_runner *r, struct cpu_model *m, const struct kn_optim_step *s,
                      struct hpo_err *err)
{
    struct part part;
    int param = 0, rc = HPO_OK;

    while (!rc && next_part(r->p, m, &param, &part)) {
        struct kn_optim_step own = kn_optim_part(s, part.lr, part.decay);

        if (part.frozen)
            continue;
        if (part.matrix >= 0)
            rc = run_matrix(r, m, &part, &own, err);
        else
            run_part(r, m, &part, &own);
    }
    return rc;
}

/* Frozen parameters have no gradient: what lies there must not count. */
static void clear_frozen(const struct cpu_plan *p, struct cpu_model *m)
{
    for (int i = 0; i < p->base.net->n_params; i++)
        if (p->base.net->param[i].trained && is_frozen(p, m, i))
            memset(m->g + p->param[i].offset, 0, sizeof(float) * p->param[i].count);
}

static void average(struct cpu_runner *r, struct cpu_model *m, const struct kn_batch *b)
{
    size_t n = r->p->n_stats;

    if (b->average < 1.0f) {
        each(r, m, AVERAGE, b->average);
        for (size_t i = 0; i < n; i++)
            m->average_stats[i] = kn_average(m->average_stats[i], m->stats[i], b->average);
    }
    if (b->adopt) {
        each(r, m, ADOPT, 0);
        memcpy(m->stats, m->average_stats, sizeof(float) * n);
    }
}

int cpu_update(struct cpu_runner *r, struct cpu_model *m, const struct kn_batch *b,
               struct hpo_err *err)
{
    struct cpu_plan *p = r->p;
    struct kn_optim_step s = kn_optim_begin(&m->hyper.optim, b->lr, b->step - b->behind);
    int rc;

    if (b->micro + 1 < b->micros) {
        each(r, m, ADD_UP, (float)b->micro);
        return HPO_OK;
    }
    if (b->micros > 1)
        each(r, m, TAKE_SUM, 0);
    if (b->momentum > 0)
        kn_optim_set_momentum(&s, &m->hyper.optim, b->momentum, b->step - b->behind);
    if (p->freeze || m->hyper.factors)
        clear_frozen(p, m);
    if (m->hyper.optim.clip > 0) {
        float f = kn_clip_factor(m->hyper.optim.clip, sum_of_squares(r, m->g));

        if (f != 1.0f)
            each(r, m, SCALE, f);
    }
    rc = step_parts(r, m, &s, err);
    if (!rc && p->base.averaged)
        average(r, m, b);
    return rc;
}
