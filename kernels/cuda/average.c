/* Moving averages in the place of the weights. */
#include "kernels/cuda/plan.h"

void cu_swap_averages(struct cu_plan *p)
{
    struct cu_memory *m = &p->m;
    const struct cu_average was = m->average;

    m->average = (struct cu_average){m->w, m->stats, m->copy, m->packed};
    m->w = was.w;
    m->stats = was.stats;
    m->copy = was.copy;
    m->packed = was.packed;
}

int cu_refresh_averages(struct cu_plan *p, struct hpo_err *err)
{
    const struct cu_array all = {.models = p->base.models, .type = p->type, .stream = p->stream};
    int rc = HPO_OK;

    if (!p->base.averaged || !p->average_moved)
        return HPO_OK;
    cu_swap_averages(p);
    if (p->m.copy)
        rc = cu_narrow(&all, p->m.w, p->m.copy, p->n_w, err);
    if (!rc)
        rc = cu_pack(p, err);
    cu_swap_averages(p);
    p->average_moved = rc != HPO_OK;
    return rc;
}
