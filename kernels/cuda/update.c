/* From gradients to weights: micro-batches added up, the loss scale, clipping, the optimizer, and
 * moving averages. */
#include <string.h>

#include "kernels/cuda/plan.h"

bool cu_is_matrix(const struct cu_plan *p, int param)
{
    const struct kn_param *q = &p->base.net->param[param];

    return p->base.optim == KN_MUON && q->trained && q->n_dims > 1 && q->op >= p->freeze &&
           q->op != kn_net_head(p->base.net);
}

static struct cu_part part_of(const struct cu_plan *p, int param, const struct kn_optim *o)
{
    const struct kn_param *q = &p->base.net->param[param];
    struct cu_part part = {1, 1, CU_PLAIN};

    if (o->keep_vectors && q->n_dims == 1)
        part.decay = 0;
    if (cu_is_matrix(p, param))
        part.how = CU_MATRIX;
    else if (o->kind == KN_MUON && o->other_lr > 0)
        part.lr *= o->other_lr;
    return part;
}

void cu_parts(const struct cu_plan *p, const struct kn_optim *o, const struct kn_factor *factors,
              struct cu_part *ret)
{
    int n = p->base.net->n_params;

    for (int i = 0; i < n; i++) {
        ret[i] = part_of(p, i, o);
        if (factors) {
            ret[i].lr *= factors[i].lr;
            ret[i].decay *= factors[i].decay;
        }
        if (p->base.net->param[i].op < p->freeze || (factors && factors[i].lr == 0.0f))
            ret[i].how = CU_FROZEN;
    }
    ret[n] = (struct cu_part){0, 0, CU_FROZEN};
}

static int optimize(struct cu_plan *p, struct hpo_err *err)
{
    struct cu_flat flat = {.w = p->m.w,
                           .g = p->m.g,
                           .copy = p->m.copy,
                           .n = p->n_w,
                           .kind = p->base.optim,
                           .which = p->m.which,
                           .part = p->m.part,
                           .parts = p->base.net->n_params + 1,
                           .clip = p->work & CU_CLIPS,
                           .scaler = p->m.scaler,
                           .squares = p->m.squares,
                           .factor = p->m.factor};
    int rc;

    memcpy(flat.slot, p->m.slot, sizeof(flat.slot));
    rc = cu_optim(&p->train.array, &flat, err);
    return rc || p->base.optim != KN_MUON ? rc : cu_muon(p, &flat, err);
}

static int average(struct cu_plan *p, struct hpo_err *err)
{
    const struct cu_array *a = &p->train.array;
    const struct cu_average *to = &p->m.average;
    int rc = HPO_OK;

    if (p->work & CU_AVERAGES)
        rc = cu_moving_average(a, p->m.w, to->w, p->n_w, err);
    if (!rc && p->work & CU_AVERAGES)
        rc = cu_moving_average(a, p->m.stats, to->stats, p->n_stats, err);
    if (!rc && p->work & CU_ADOPTS)
        rc = cu_adopt(a, to->w, p->m.w, p->m.copy, p->n_w, err);
    if (!rc && p->work & CU_ADOPTS)
        rc = cu_adopt(a, to->stats, p->m.stats, NULL, p->n_stats, err);
    return rc;
}

int cu_update(struct cu_plan *p, struct hpo_err *err)
{
    const struct cu_array *a = &p->train.array;
    int rc = HPO_OK;

    if (p->work & CU_ADDS_UP)
        rc = cu_accumulate(a, p->m.g, p->m.sum, p->n_w, err);
    if (!rc && p->work & CU_STEPS)
        rc = optimize(p, err);
    if (!rc)
        rc = average(p, err);
    return rc || !(p->work & CU_STEPS) ? rc : cu_pack(p, err);
}
