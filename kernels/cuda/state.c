/* Canonical form (kernels/net.h) <-> what is on the device; and what may differ between models. */
#include <string.h>

#include "kernels/check.h"
#include "kernels/cuda/plan.h"

/* A weight (o, i, k, k) <-> (o, k, k, i padded); linear layers are the case k = 1. */
static void weight_in(const struct kn_param *q, const struct cu_param *in, const float *from,
                      float *to)
{
    size_t channels = (size_t)q->dims[1], taps = (size_t)q->dims[2] * (size_t)q->dims[3];
    size_t stored = (size_t)in->stored;

    for (size_t o = 0; o < (size_t)q->dims[0]; o++, to += taps * stored)
        for (size_t c = 0; c < channels; c++)
            for (size_t t = 0; t < taps; t++)
                to[t * stored + c] = *from++;
}

static void weight_out(const struct kn_param *q, const struct cu_param *in, const float *from,
                       float *to)
{
    size_t channels = (size_t)q->dims[1], taps = (size_t)q->dims[2] * (size_t)q->dims[3];
    size_t stored = (size_t)in->stored;

    for (size_t o = 0; o < (size_t)q->dims[0]; o++, from += taps * stored)
        for (size_t c = 0; c < channels; c++)
            for (size_t t = 0; t < taps; t++)
                *to++ = from[t * stored + c];
}

/* All parameters of one sort of a model, canonical -> device. The pinned copy is filled anew for
 * the next sort: hence the wait. */
static int send(struct cu_plan *p, bool trained, const float *from, float *to, struct hpo_err *err)
{
    const struct kn_net *net = p->base.net;
    size_t n = trained ? p->n_w : p->n_stats;
    float *flat = p->h.flat;
    int rc;

    memset(flat, 0, sizeof(*flat) * n);
    for (int i = 0; i < net->n_params; i++) {
        const struct kn_param *q = &net->param[i];
        float *at = flat + p->param[i].offset;

        if (q->trained != trained)
            continue;
        if (q->n_dims > 1)
            weight_in(q, &p->param[i], from + q->offset, at);
        else
            memcpy(at, from + q->offset, sizeof(*at) * q->count);
    }
    rc = cu_check(cudaMemcpyAsync(to, flat, sizeof(*flat) * n, cudaMemcpyHostToDevice, p->stream),
                  "sending weights", err);
    return rc ? rc : cu_check(cudaStreamSynchronize(p->stream), "sending weights", err);
}

static int fetch(struct cu_plan *p, bool trained, const float *from, float *to, struct hpo_err *err)
{
    const struct kn_net *net = p->base.net;
    float *flat = p->h.flat;
    int rc = cu_check(cudaMemcpyAsync(flat, from, sizeof(*flat) * (trained ? p->n_w : p->n_stats),
                                      cudaMemcpyDeviceToHost, p->stream),
                      "fetching weights", err);

    if (!rc)
        rc = cu_check(cudaStreamSynchronize(p->stream), "fetching weights", err);
    for (int i = 0; i < net->n_params && !rc; i++) {
        const struct kn_param *q = &net->param[i];
        const float *at = flat + p->param[i].offset;

        if (q->trained != trained)
            continue;
        if (q->n_dims > 1)
            weight_out(q, &p->param[i], at, to + q->offset);
        else
            memcpy(to + q->offset, at, sizeof(*at) * q->count);
    }
    return rc;
}

static int begin(struct cu_plan *p, int model, struct hpo_err *err)
{
    int rc = kn_check_model(&p->base, model, err);

    return rc ? rc : cu_enter(p, err);
}

int cu_pack(struct cu_plan *p, struct hpo_err *err)
{
    size_t size = cu_size(p->type), pitch = p->n_w * size;

    for (int i = 0; i < p->n_layers && p->m.packed; i++) {
        const struct cu_layer *l = &p->layer[i];
        size_t width = l->count * size;
        int rc = cu_check(
            cudaMemcpy2DAsync(cu_layer_weights(p, l), width, cu_weights(p, l->node->weight), pitch,
                              width, (size_t)p->base.models, cudaMemcpyDeviceToDevice, p->stream),
            "packing weights", err);

        if (rc)
            return rc;
    }
    return HPO_OK;
}

/* What follows from the weights: their copy of type T, and all models' packed ones. Training begins
 * with a new loss scale, as PyTorch's GradScaler does. */
static int derive(struct cu_plan *p, int model, struct hpo_err *err)
{
    const struct cu_array one = {.models = 1, .type = p->type, .stream = p->stream};
    size_t at = p->n_w * (size_t)model;
    int rc = HPO_OK;

    if (p->m.copy)
        rc = cu_narrow(&one, p->m.w + at, cu_weights(p, at), p->n_w, err);
    if (!rc && p->m.scaler) {
        *p->h.scaler = (struct cu_scaler){.scale = 65536};
        rc = cu_check(cudaMemcpyAsync(p->m.scaler + model, p->h.scaler, sizeof(*p->h.scaler),
                                      cudaMemcpyHostToDevice, p->stream),
                      "the loss scale", err);
    }
    if (!rc)
        rc = cu_pack(p, err);
    return rc ? rc : cu_check(cudaStreamSynchronize(p->stream), "sending weights", err);
}

int cu_set_state(struct kn_plan *plan, int model, const struct kn_state *s, struct hpo_err *err)
{
    struct cu_plan *p = (struct cu_plan *)plan;
    int rc = begin(p, model, err);
    size_t at = p->n_w * (size_t)model;

    if (!rc)
        rc = send(p, true, s->weights, p->m.w + at, err);
    if (!rc)
        rc = send(p, false, s->buffers, p->m.stats + p->n_stats * (size_t)model, err);
    for (int i = 0; i < kn_optim_slots(p->base.optim) && !rc; i++)
        rc = send(p, true, s->slots[i], p->m.slot[i] + at, err);
    if (!rc && p->base.averaged)
        rc = send(p, true, s->average_weights, p->m.average.w + at, err);
    if (!rc && p->base.averaged)
        rc = send(p, false, s->average_buffers, p->m.average.stats + p->n_stats * (size_t)model,
                  err);
    p->average_moved = true;
    return rc ? rc : derive(p, model, err);
}

int cu_get_state(struct kn_plan *plan, int model, struct kn_state *ret, struct hpo_err *err)
{
    struct cu_plan *p = (struct cu_plan *)plan;
    int rc = begin(p, model, err);
    size_t at = p->n_w * (size_t)model;

    if (!rc)
        rc = fetch(p, true, p->m.w + at, ret->weights, err);
    if (!rc)
        rc = fetch(p, false, p->m.stats + p->n_stats * (size_t)model, ret->buffers, err);
    for (int i = 0; i < kn_optim_slots(p->base.optim) && !rc; i++)
        rc = fetch(p, true, p->m.slot[i] + at, ret->slots[i], err);
    if (!rc && p->base.averaged)
        rc = fetch(p, true, p->m.average.w + at, ret->average_weights, err);
    if (!rc && p->base.averaged)
        rc = fetch(p, false, p->m.average.stats + p->n_stats * (size_t)model, ret->average_buffers,
                   err);
    return rc;
}

int cu_get_gradients(struct kn_plan *plan, int model, float *ret, struct hpo_err *err)
{
    struct cu_plan *p = (struct cu_plan *)plan;
    int rc = begin(p, model, err);

    if (!rc)
        rc = fetch(p, true, p->m.g + p->n_w * (size_t)model, ret, err);
    if (rc || !p->m.used)
        return rc;
    rc = cu_check(cudaMemcpyAsync(p->h.scaler, p->m.used + model, sizeof(*p->h.scaler),
                                  cudaMemcpyDeviceToHost, p->stream),
                  "the loss scale", err);
    if (!rc)
        rc = cu_check(cudaStreamSynchronize(p->stream), "the loss scale", err);
    for (size_t i = 0; i < p->base.net->n_weights && !rc; i++)
        ret[i] /= p->h.scaler->scale;
    return rc;
}

static int send_class_weights(struct cu_plan *p, const float *from, float *to, struct hpo_err *err)
{
    size_t bytes = sizeof(*from) * (size_t)p->base.net->classes;

    memcpy(p->h.class_weights, from, bytes);
    return cu_check(
        cudaMemcpyAsync(to, p->h.class_weights, bytes, cudaMemcpyHostToDevice, p->stream),
        "sending class weights", err);
}

static int send_parts(struct cu_plan *p, int model, const struct kn_hyper *h, struct hpo_err *err)
{
    size_t n = (size_t)p->base.net->n_params + 1;

    cu_parts(p, &h->optim, h->factors, p->h.part);
    return cu_check(cudaMemcpyAsync(p->m.part + n * (size_t)model, p->h.part,
                                    n * sizeof(*p->h.part), cudaMemcpyHostToDevice, p->stream),
                    "sending factors", err);
}

int cu_set_hyper(struct kn_plan *plan, int model, const struct kn_hyper *h, struct hpo_err *err)
{
    struct cu_plan *p = (struct cu_plan *)plan;
    float *weights = p->m.class_weights;
    int rc = begin(p, model, err);

    if (!rc)
        rc = kn_check_hyper(plan, h, err);
    if (!rc)
        weights += (size_t)p->base.net->classes * (size_t)model;
    if (!rc && h->class_weights)
        rc = send_class_weights(p, h->class_weights, weights, err);
    if (!rc)
        rc = send_parts(p, model, h, err);
    if (rc)
        return rc;
    *p->h.hyper = (struct cu_hyper){.augment = h->augment,
                                    .loss = h->loss,
                                    .optim = h->optim,
                                    .class_weights = h->class_weights ? weights : NULL,
                                    .seed = h->seed,
                                    .fold = h->fold,
                                    .mirror = h->mirror};
    memcpy(p->h.hyper->mean, h->mean, sizeof(h->mean));
    memcpy(p->h.hyper->std, h->std, sizeof(h->std));
    memcpy(p->h.hyper->rates, h->rates, sizeof(h->rates));
    rc = cu_check(cudaMemcpyAsync(p->m.hyper + model, p->h.hyper, sizeof(*p->h.hyper),
                                  cudaMemcpyHostToDevice, p->stream),
                  "sending hyperparameters", err);
    if (!rc)
        rc = cu_check(cudaStreamSynchronize(p->stream), "sending hyperparameters", err);
    if (rc)
        return rc;
    /* Recorded are so many of Muon's iterations as there were. */
    if (p->optim[model].ns_steps != h->optim.ns_steps)
        for (int i = 0; i < CU_N_WORKS; i++)
            cu_graph_release(&p->step_graph[i]);
    p->optim[model] = h->optim;
    p->mirror[model] = h->mirror != 0;
    return HPO_OK;
}
