/* A training step: what the host sends, what the device then does by itself.
 *
 * The host writes each model's cu_step and rows into a slot of pinned memory and goes on; the copy
 * and the step are queued on the plan's stream. CU_SLOTS slots let it be that many steps ahead. */
#include <string.h>

#include "kernels/check.h"
#include "kernels/cuda/plan.h"

/* Images, mixed, and a forward pass. */
static int launch_forward(struct cu_plan *p, const struct cu_pass_view *v, struct hpo_err *err)
{
    void *x = cu_at(p, &p->train_bufs, p->act[0]);
    int rc = cu_gather(&v->array, p->data->pixels, p->data->h, p->data->w, p->m.index, CU_AUGMENTED, x,
                       p->tensor[0].stored, err);

    if (!rc && p->work & CU_MIXES)
        rc = cu_mix(&v->array, cu_shape_of(p, 0), x, err);
    return rc ? rc : cu_forward(p, v, err);
}

static int launch_step(struct cu_plan *p, struct hpo_err *err)
{
    int last = p->base.net->n_tensors - 1, classes = p->base.net->classes;
    size_t models = (size_t)p->base.models;
    const struct cu_array of_loss = cu_rows_in(p, &p->train, last);
    int rc = launch_forward(p, &p->train, err);

    if (!rc)
        rc = cu_loss(&of_loss, classes, p->tensor[last].stored,
                     cu_at(p, &p->train_bufs, p->act[last]), p->data->labels, p->m.index,
                     p->m.scaler, cu_at(p, &p->train_bufs, p->grad[last]), p->m.row_loss,
                     p->m.loss_sum, err);
    if (!rc)
        rc = cu_backward(p, err);
    /* The optimizer moves the scale; get_gradients wants the one that they have. */
    if (!rc && p->m.scaler)
        rc = cu_check(cudaMemcpyAsync(p->m.used, p->m.scaler, models * sizeof(*p->m.used),
                                      cudaMemcpyDeviceToDevice, p->stream),
                      "the loss scale", err);
    return rc ? rc : cu_update(p, err);
}

static int launch_estimate(struct cu_plan *p, struct hpo_err *err)
{
    int rc;

    cu_swap_averages(p);
    rc = launch_forward(p, &p->estimate, err);
    cu_swap_averages(p);
    return rc;
}

static struct cu_step step_of(const struct kn_optim *o, const struct kn_batch *b)
{
    struct cu_step s = {.n = b->n,
                        .epoch = b->epoch,
                        .step = b->step,
                        .mix = b->mix,
                        .micro = b->micro,
                        .micros = b->micros,
                        .average = b->average,
                        .adopt = b->adopt,
                        .estimate = b->estimate,
                        .optim = kn_optim_begin(o, b->lr, b->step - b->behind)};

    if (b->momentum > 0)
        kn_optim_set_momentum(&s.optim, o, b->momentum, b->step - b->behind);
    return s;
}

/* The order of the layout is that of the device's (memory.c). */
static void fill_slot(const struct cu_plan *p, char *slot, const struct kn_batch *batch)
{
    struct cu_step *step = (struct cu_step *)slot, *estimate = NULL;
    int32_t *index = (int32_t *)(slot + ((char *)p->m.index - p->m.inbox));
    size_t rows = (size_t)p->base.batch;

    if (p->base.averaged)
        estimate = (struct cu_step *)(slot + ((char *)p->m.step_estimate - p->m.inbox));
    for (int m = 0; m < p->base.models; m++, index += rows) {
        const struct kn_batch *b = &batch[m];
        struct cu_step s = {0};

        if (b->n) {
            s = step_of(&p->optim[m], b);
            memcpy(index, b->index, sizeof(*index) * rows);
        } else {
            memset(index, 0, sizeof(*index) * rows);
        }
        step[m] = s;
        if (s.estimate)
            step[m].n = 0;
        if (!estimate)
            continue;
        estimate[m] = s;
        if (!s.estimate)
            estimate[m].n = 0;
    }
}

/* What the models that train (or those that estimate) have to do; *ret_any: there is one. */
static unsigned work_of(const struct cu_plan *p, const struct kn_batch *batch, bool estimate,
                        bool *ret_any)
{
    unsigned work = 0;

    *ret_any = false;
    for (int m = 0; m < p->base.models; m++) {
        const struct kn_batch *b = &batch[m];

        if (!b->n || (b->estimate != 0) != estimate)
            continue;
        *ret_any = true;
        if (b->mix.kind != KN_MIX_NONE)
            work |= CU_MIXES;
        if (b->micros > 1)
            work |= CU_ADDS_UP;
        if (b->micro + 1 < b->micros)
            continue;
        work |= CU_STEPS;
        if (p->optim[m].clip > 0)
            work |= CU_CLIPS;
        if (p->base.averaged && b->average < 1.0f)
            work |= CU_AVERAGES;
        if (p->base.averaged && b->adopt)
            work |= CU_ADOPTS;
    }
    return estimate ? work & CU_MIXES : work;
}

static int launch(struct cu_plan *p, const struct kn_batch *batch, struct hpo_err *err)
{
    bool any;
    int rc = HPO_OK;

    p->work = work_of(p, batch, false, &any);
    if (any)
        rc = cu_graph_run(p, &p->step_graph[p->work], launch_step, err);
    if (p->work & CU_AVERAGES)
        p->average_moved = true;
    p->work = work_of(p, batch, true, &any);
    if (rc || !any)
        return rc;
    rc = cu_refresh_averages(p, err);
    return rc ? rc : cu_graph_run(p, &p->estimate_graph[p->work], launch_estimate, err);
}

static int run_step(struct cu_plan *p, const struct kn_batch *batch, struct hpo_err *err)
{
    int slot = (int)(p->steps % CU_SLOTS);
    int rc = HPO_OK;

    if (p->steps >= CU_SLOTS)
        rc = cu_check(cudaEventSynchronize(p->sent[slot]), "a training step", err);
    if (rc)
        return rc;
    fill_slot(p, p->h.inbox[slot], batch);
    rc = cu_check(cudaMemcpyAsync(p->m.inbox, p->h.inbox[slot], p->inbox_bytes,
                                  cudaMemcpyHostToDevice, p->stream),
                  "sending a batch", err);
    if (!rc)
        rc = cu_check(cudaEventRecord(p->sent[slot], p->stream), "sending a batch", err);
    if (rc)
        return rc;
    p->steps++;
    return launch(p, batch, err);
}

static int get_sums(struct cu_plan *p, double *to, struct hpo_err *err)
{
    return cu_check(cudaMemcpyAsync(to, p->m.loss_sum, sizeof(*to) * (size_t)p->base.models,
                                    cudaMemcpyDeviceToHost, p->stream),
                    "fetching losses", err);
}

static int put_sums(struct cu_plan *p, const double *from, struct hpo_err *err)
{
    return cu_check(cudaMemcpyAsync(p->m.loss_sum, from, sizeof(*from) * (size_t)p->base.models,
                                    cudaMemcpyHostToDevice, p->stream),
                    "sending losses", err);
}

static int wait(struct cu_plan *p, const char *what, struct hpo_err *err)
{
    return cu_check(cudaStreamSynchronize(p->stream), what, err);
}

/* A step of which the losses are wanted at once begins with empty sums, so that they are exactly
 * what it adds (a difference of sums would lose digits, and everything after a NaN). The sum that
 * goes on is the one that the device would have: the same addition of doubles. */
static int run_told(struct cu_plan *p, const struct kn_batch *batch, double *ret_loss,
                    struct hpo_err *err)
{
    double *before = p->h.loss[0], *step = p->h.loss[1];
    size_t bytes = sizeof(double) * (size_t)p->base.models;
    int rc = get_sums(p, before, err);

    if (!rc)
        rc = cu_check(cudaMemsetAsync(p->m.loss_sum, 0, bytes, p->stream), "clearing losses", err);
    if (!rc)
        rc = run_step(p, batch, err);
    if (!rc)
        rc = get_sums(p, step, err);
    if (!rc)
        rc = wait(p, "a training step", err);
    if (rc)
        return rc;
    for (int m = 0; m < p->base.models; m++) {
        ret_loss[m] = step[m];
        before[m] += step[m];
    }
    return put_sums(p, before, err);
}

int cu_train(struct kn_plan *plan, const struct kn_batch *batch,
             const struct kn_batch *next HPO_UNUSED, double *ret_loss, struct hpo_err *err)
{
    struct cu_plan *p = (struct cu_plan *)plan;
    int rc = kn_check_train(plan, batch, p->data->n, err);

    if (!rc)
        rc = cu_enter(p, err);
    if (rc)
        return rc;
    return ret_loss ? run_told(p, batch, ret_loss, err) : run_step(p, batch, err);
}

int cu_losses(struct kn_plan *plan, double *ret_sum, struct hpo_err *err)
{
    struct cu_plan *p = (struct cu_plan *)plan;
    int rc = cu_enter(p, err);

    if (!rc)
        rc = get_sums(p, p->h.loss[0], err);
    if (!rc)
        rc = wait(p, "training", err);
    if (!rc)
        memcpy(ret_sum, p->h.loss[0], sizeof(double) * (size_t)p->base.models);
    return rc;
}

int cu_set_losses(struct kn_plan *plan, const double *sum, struct hpo_err *err)
{
    struct cu_plan *p = (struct cu_plan *)plan;
    int rc = cu_enter(p, err);

    if (!rc)
        rc = wait(p, "training", err); /* pinned memory may still be on its way */
    if (rc)
        return rc;
    memcpy(p->h.loss[0], sum, sizeof(double) * (size_t)p->base.models);
    return put_sums(p, p->h.loss[0], err);
}
