#include <string.h>

#include "kernels/check.h"
#include "kernels/cpu/plan.h"

struct train_arg {
    const struct kn_batch *batch;
    double *loss; /* NULL: not wanted */
};

static bool fetched(const struct cpu_plan *p, const struct cpu_model *m, const struct cpu_batch *b,
                    const struct kn_batch *want)
{
    return b->n && b->version == m->version && b->epoch == want->epoch &&
           !memcmp(&b->mix, &want->mix, sizeof(b->mix)) &&
           !memcmp(b->index, want->index, sizeof(*b->index) * (size_t)p->base.batch);
}

static struct kn_label label_of(const struct cpu_plan *p, const struct kn_batch *b, int row)
{
    const int32_t *labels = p->images->labels;
    struct kn_label t = {labels[b->index[row]], 0, 1.0f, b->mix.kind != KN_MIX_NONE};

    if (t.soft) {
        t.b = labels[b->index[b->n - 1 - row]];
        t.mix = t.a == t.b ? 1.0f : b->mix.lambda;
    }
    return t;
}

/* The mean loss of the batch; its gradient is left for the last node. */
static double loss_and_gradient(struct cpu_runner *r, const struct cpu_model *m,
                                const struct kn_batch *b)
{
    struct cpu_plan *p = r->p;
    int last = p->base.net->n_tensors - 1, k = p->tensor[last].c;
    int samples = p->tensor[last].samples, rows = cpu_rows(p, last);
    size_t row = p->tensor[last].row;
    const float *z = cpu_ptr(r, &p->train, p->act[last]);
    float *dz = cpu_ptr(r, &p->train, p->grad[last]), scale;
    double sum = 0, weight = 0;

    for (int n = 0; n < p->base.batch; n++)
        weight += (double)kn_row_weight(&m->hyper.loss, m->class_weights, label_of(p, b, n));
    weight *= samples;
    scale = 1.0f / (float)weight;
    if (b->micros > 1)
        scale /= (float)b->micros;
    for (int n = 0; n < rows; n++, z += row, dz += row) {
        sum += (double)kn_loss_row(&m->hyper.loss, m->class_weights, z, k,
                                   label_of(p, b, n / samples), scale, dz);
        memset(dz + k, 0, sizeof(*dz) * (row - (size_t)k));
    }
    return sum / weight;
}

static int train_model(struct cpu_runner *r, int i, const void *arg, struct hpo_err *err)
{
    const struct train_arg *a = arg;
    const struct kn_batch *b = &a->batch[i];
    struct cpu_model *m = &r->p->model[i];
    struct cpu_batch *in = &m->batch[m->front];
    struct cpu_model average = *m;
    double loss;
    int rc;

    if (a->loss)
        a->loss[i] = 0;
    if (!b->n)
        return HPO_OK;
    if (!fetched(r->p, m, in, b))
        cpu_gather_parallel(
            r->p, m,
            &(struct cpu_pick){
                .index = b->index, .n = b->n, .augment = true, .epoch = b->epoch, .mix = b->mix},
            in->x);
    if (b->estimate) {
        average.w = m->average_w;
        average.stats = m->average_stats;
        average.estimate = b->estimate;
        return cpu_forward(r, &average, in->x, b->step, err);
    }
    rc = cpu_forward(r, m, in->x, b->step, err);
    if (rc)
        return rc;
    loss = loss_and_gradient(r, m, b);
    m->loss_sum += loss;
    if (a->loss)
        a->loss[i] = loss;
    rc = cpu_backward(r, m, in->x, b->step, err);
    return rc ? rc : cpu_update(r, m, b, err);
}

int cpu_train(struct kn_plan *plan, const struct kn_batch *batch, const struct kn_batch *next,
              double *ret_loss, struct hpo_err *err)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;
    struct train_arg arg = {batch, ret_loss};
    int rc = kn_check_train(plan, batch, p->images->n, err);

    if (!rc && next)
        rc = kn_check_train(plan, next, p->images->n, err);
    if (rc)
        return rc;
    cpu_fetch_wait(p);
    cpu_fetch_next(p, next);
    rc = cpu_pool_run(p, train_model, &arg, err);
    cpu_fetch_wait(p); /* `front` is what the fetcher looks at */
    for (int i = 0; i < p->base.models; i++) {
        struct cpu_model *m = &p->model[i];

        m->batch[m->front].n = 0;
        m->front = !m->front;
    }
    return rc;
}

int cpu_losses(struct kn_plan *plan, double *ret_sum, struct hpo_err *err HPO_UNUSED)
{
    const struct cpu_plan *p = (const struct cpu_plan *)plan;

    for (int i = 0; i < p->base.models; i++)
        ret_sum[i] = p->model[i].loss_sum;
    return HPO_OK;
}

int cpu_set_losses(struct kn_plan *plan, const double *sum, struct hpo_err *err HPO_UNUSED)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;

    for (int i = 0; i < p->base.models; i++)
        p->model[i].loss_sum = sum[i];
    return HPO_OK;
}

struct eval_arg {
    const int32_t *const *index;
    const int *n;
    float *const *logits;
};

/* Logits of the images, or of their mirror images, which are the second half of a mean. A partial
 * batch runs at full size: the rows that are not there are zeros, and no row of an evaluation
 * depends on another. */
static int eval_view(struct cpu_runner *r, struct cpu_model *m, const struct cpu_pick *pick,
                     float *ret_logits, struct hpo_err *err)
{
    struct cpu_plan *p = r->p;
    int n = pick->n, last = p->base.net->n_tensors - 1, k = p->tensor[last].c, rc;
    float *x = cpu_ptr(r, &p->eval, p->eval_act[0]);
    const float *z;

    cpu_gather_parallel(p, m, pick, x);
    memset(x + p->tensor[0].row * (size_t)n, 0,
           sizeof(*x) * p->tensor[0].row * (size_t)(p->base.eval_batch - n));
    rc = cpu_forward_eval(r, m, err);
    if (rc)
        return rc;
    z = cpu_ptr(r, &p->eval, p->eval_act[last]);
    for (int j = 0; j < n; j++, z += p->tensor[last].row, ret_logits += k)
        for (int c = 0; c < k; c++)
            ret_logits[c] = pick->mirror ? 0.5f * (ret_logits[c] + z[c]) : z[c];
    return HPO_OK;
}

static int eval_model(struct cpu_runner *r, int i, const void *arg, struct hpo_err *err)
{
    const struct eval_arg *a = arg;
    struct cpu_plan *p = r->p;
    struct cpu_model *m = &p->model[i], average = *m;
    struct cpu_pick pick = {.index = a->index[i], .n = a->n[i]};
    int rc;

    if (!pick.n)
        return HPO_OK;
    if (p->base.averaged) {
        average.w = m->average_w;
        average.stats = m->average_stats;
    }
    rc = eval_view(r, &average, &pick, a->logits[i], err);
    if (rc || !m->hyper.mirror)
        return rc;
    pick.mirror = true;
    return eval_view(r, &average, &pick, a->logits[i], err);
}

int cpu_eval(struct kn_plan *plan, const int32_t *const *index, const int *n,
             float *const *ret_logits, struct hpo_err *err)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;
    struct eval_arg arg = {index, n, ret_logits};
    int rc = kn_check_eval(plan, index, n, p->images->n, err);

    return rc ? rc : cpu_pool_run(p, eval_model, &arg, err);
}
