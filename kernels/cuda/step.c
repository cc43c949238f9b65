/* A training step: what the host sends, what the device then does by itself.
 *
 * The host writes each model's cu_step and rows into a slot of pinned memory and goes on; the copy
 * and the step are queued on the plan's stream. CU_SLOTS slots let it be that many steps ahead. */
#include <string.h>

#include "kernels/check.h"
#include "kernels/cuda/plan.h"

static int launch_step(struct cu_plan *p, struct hpo_err *err)
{
    const struct cu_array *a = &p->train.array;
    int last = p->base.net->n_tensors - 1, classes = p->base.net->classes;
    size_t models = (size_t)p->base.models;
    const struct cu_array of_loss = cu_rows_in(p, &p->train, last);
    struct cu_flat flat = {.w = p->m.w,
                           .g = p->m.g,
                           .copy = p->m.copy,
                           .n = p->n_w,
                           .kind = p->base.optim,
                           .scaler = p->m.scaler,
                           .bad = p->m.bad};
    int rc = cu_gather(a, p->data->pixels, p->data->h, p->data->w, p->m.index, true,
                       cu_at(p, &p->train_bufs, p->act[0]), p->tensor[0].stored, err);

    memcpy(flat.slot, p->m.slot, sizeof(flat.slot));
    if (!rc)
        rc = cu_forward(p, &p->train, err);
    if (!rc)
        rc = cu_loss(&of_loss, classes, p->tensor[last].stored, cu_at(p, &p->train_bufs, p->act[last]),
                     p->data->labels, p->m.index, p->m.scaler,
                     cu_at(p, &p->train_bufs, p->grad[last]), p->m.row_loss, p->m.loss_sum, err);
    if (!rc)
        rc = cu_backward(p, err);
    /* The optimizer moves the scale; get_gradients wants the one that they have. */
    if (!rc && p->m.scaler)
        rc = cu_check(cudaMemcpyAsync(p->m.used, p->m.scaler, models * sizeof(*p->m.used),
                                      cudaMemcpyDeviceToDevice, p->stream),
                      "the loss scale", err);
    if (!rc)
        rc = cu_optim(a, &flat, err);
    return rc ? rc : cu_pack(p, err);
}

/* The order of the layout is that of the device's (memory.c). */
static void fill_slot(const struct cu_plan *p, char *slot, const struct kn_batch *batch)
{
    struct cu_step *step = (struct cu_step *)slot;
    int32_t *index = (int32_t *)(slot + ((char *)p->m.index - p->m.inbox));
    size_t rows = (size_t)p->base.batch;

    for (int m = 0; m < p->base.models; m++, index += rows) {
        const struct kn_batch *b = &batch[m];

        step[m] = (struct cu_step){.n = b->n, .epoch = b->epoch, .step = b->step};
        if (b->n) {
            step[m].optim = kn_optim_begin(&p->optim[m], b->lr, b->step);
            memcpy(index, b->index, sizeof(*index) * rows);
        } else {
            memset(index, 0, sizeof(*index) * rows);
        }
    }
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
    return cu_graph_run(p, &p->step_graph, launch_step, err);
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
        rc = cu_check_batch_support(batch, p->base.models, err);
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
