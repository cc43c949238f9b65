/* Logits of rows of the data set, with running statistics. */
#include <string.h>

#include "kernels/check.h"
#include "kernels/cuda/plan.h"

/* A partial batch runs at full size: no row of an evaluation depends on another. */
static int launch_view(struct cu_plan *p, enum cu_view view, struct hpo_err *err)
{
    const struct cu_array *a = &p->eval.array;
    int last = p->base.net->n_tensors - 1;
    int rc = cu_gather(a, p->data->pixels, p->data->h, p->data->w, p->m.eval_index, view,
                       cu_at(p, &p->eval_bufs, p->eval_act[0]), p->tensor[0].stored, err);

    if (rc)
        return rc;
    if (p->base.averaged)
        cu_swap_averages(p);
    rc = cu_forward(p, &p->eval, err);
    if (p->base.averaged)
        cu_swap_averages(p);
    if (rc)
        return rc;
    return cu_logits(a, p->base.net->classes, p->tensor[last].stored,
                     cu_at(p, &p->eval_bufs, p->eval_act[last]), view == CU_MIRRORED, p->m.logits,
                     err);
}

static int launch_eval(struct cu_plan *p, struct hpo_err *err)
{
    return launch_view(p, CU_AS_IS, err);
}

static int launch_both(struct cu_plan *p, struct hpo_err *err)
{
    int rc = launch_view(p, CU_AS_IS, err);

    return rc ? rc : launch_view(p, CU_MIRRORED, err);
}

/* Rows that do not count are row 0: they must be rows. */
static void fill_inbox(struct cu_plan *p, const int32_t *const *index, const int *n)
{
    char *inbox = p->h.eval_inbox;
    int32_t *to = (int32_t *)(inbox + ((char *)p->m.eval_index - p->m.eval_inbox));
    size_t rows = (size_t)p->base.eval_batch;

    for (int m = 0; m < p->base.models; m++, to += rows) {
        memcpy(inbox + sizeof(int) * (size_t)m, &n[m], sizeof(int));
        if (n[m])
            memcpy(to, index[m], sizeof(*to) * (size_t)n[m]);
        memset(to + n[m], 0, sizeof(*to) * (rows - (size_t)n[m]));
    }
}

int cu_eval(struct kn_plan *plan, const int32_t *const *index, const int *n,
            float *const *ret_logits, struct hpo_err *err)
{
    struct cu_plan *p = (struct cu_plan *)plan;
    size_t classes = (size_t)p->base.net->classes, rows = (size_t)p->base.eval_batch;
    size_t models = (size_t)p->base.models;
    bool both = false;
    int rc = kn_check_eval(plan, index, n, p->data->n, err);

    for (int m = 0; m < p->base.models; m++)
        both = both || p->mirror[m];
    if (!rc)
        rc = cu_enter(p, err);
    if (rc)
        return rc;
    fill_inbox(p, index, n);
    rc = cu_check(cudaMemcpyAsync(p->m.eval_inbox, p->h.eval_inbox, p->eval_inbox_bytes,
                                  cudaMemcpyHostToDevice, p->stream),
                  "sending rows", err);
    if (!rc)
        rc = cu_refresh_averages(p, err);
    if (!rc)
        rc = cu_graph_run(p, &p->eval_graph[both], both ? launch_both : launch_eval, err);
    if (!rc)
        rc = cu_check(cudaMemcpyAsync(p->h.logits, p->m.logits,
                                      models * rows * classes * sizeof(float),
                                      cudaMemcpyDeviceToHost, p->stream),
                      "fetching logits", err);
    if (!rc)
        rc = cu_check(cudaStreamSynchronize(p->stream), "an evaluation", err);
    for (size_t m = 0; m < models && !rc; m++)
        if (n[m])
            memcpy(ret_logits[m], p->h.logits + m * rows * classes,
                   sizeof(float) * classes * (size_t)n[m]);
    return rc;
}
