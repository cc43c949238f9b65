/* Canonical form (kernels/net.h) <-> what is inside: channels padded to whole blocks, weights of
 * convolutions in the layout that oneDNN computes with. */
#include <string.h>

#include "kernels/cpu/plan.h"

enum direction { IN, OUT };

/* (oc, ic, k, k) dense <-> the same with oc and ic padded by zeros. */
static void copy_flat(const struct dn_shape *s, const struct kn_param *q, const float *dense_in,
                      float *dense_out, float *flat)
{
    size_t taps = s->kernel ? (size_t)s->kernel * (size_t)s->kernel : 1;
    size_t row = (size_t)q->dims[1] * taps, stride = (s->depthwise ? 1 : (size_t)s->ic) * taps;

    if (dense_in)
        memset(flat, 0, sizeof(float) * stride * (size_t)s->oc);
    for (size_t o = 0; o < (size_t)q->dims[0]; o++)
        if (dense_in)
            memcpy(flat + o * stride, dense_in + o * row, sizeof(float) * row);
        else
            memcpy(dense_out + o * row, flat + o * stride, sizeof(float) * row);
}

static int move_weight(struct cpu_runner *r, const struct kn_param *q, const struct cpu_param *in,
                       const float *from, float *to, float *inside, struct hpo_err *err)
{
    const struct cpu_conv *c = &r->p->conv[in->conv];
    const struct cpu_calls *calls = &r->calls[in->conv];
    float *flat = (float *)r->arena;
    char *scratch = r->arena + (c->weight_bytes + 63) / 64 * 64;
    int rc;

    if (from) {
        copy_flat(&c->shape, q, from, NULL, flat);
        return dn_run_reorder(&c->pack, &calls->pack, r->stream, flat, inside, scratch, err);
    }
    rc = dn_run_reorder(&c->unpack, &calls->unpack, r->stream, inside, flat, scratch, err);
    if (!rc)
        copy_flat(&c->shape, q, NULL, to, flat);
    return rc;
}

/* All parameters of one sort; from or to is canonical, the other NULL. */
static int move(struct cpu_runner *r, bool trained, const float *from, float *to, float *inside,
                struct hpo_err *err)
{
    const struct kn_net *net = r->p->base.net;
    int rc = HPO_OK;

    for (int i = 0; i < net->n_params && !rc; i++) {
        const struct kn_param *q = &net->param[i];
        const struct cpu_param *in = &r->p->param[i];
        float *at = inside + in->offset;

        if (q->trained != trained)
            continue;
        if (in->conv >= 0) {
            rc = move_weight(r, q, in, from ? from + q->offset : NULL, to ? to + q->offset : NULL,
                             at, err);
        } else if (from) {
            memset(at, 0, sizeof(float) * in->count);
            memcpy(at, from + q->offset, sizeof(float) * q->count);
        } else {
            memcpy(to + q->offset, at, sizeof(float) * q->count);
        }
    }
    return rc;
}

int cpu_set_state(struct cpu_runner *r, struct cpu_model *m, const struct kn_state *s,
                  struct hpo_err *err)
{
    int rc = move(r, true, s->weights, NULL, m->w, err);

    if (!rc)
        rc = move(r, false, s->buffers, NULL, m->stats, err);
    for (int i = 0; i < kn_optim_slots(r->p->base.optim) && !rc; i++)
        rc = move(r, true, s->slots[i], NULL, m->slot[i], err);
    if (!rc && m->average_w)
        rc = move(r, true, s->average_weights, NULL, m->average_w, err);
    if (!rc && m->average_w)
        rc = move(r, false, s->average_buffers, NULL, m->average_stats, err);
    return rc;
}

int cpu_get_state(struct cpu_runner *r, struct cpu_model *m, struct kn_state *s,
                  struct hpo_err *err)
{
    int rc = move(r, true, NULL, s->weights, m->w, err);

    if (!rc)
        rc = move(r, false, NULL, s->buffers, m->stats, err);
    for (int i = 0; i < kn_optim_slots(r->p->base.optim) && !rc; i++)
        rc = move(r, true, NULL, s->slots[i], m->slot[i], err);
    if (!rc && m->average_w)
        rc = move(r, true, NULL, s->average_weights, m->average_w, err);
    if (!rc && m->average_w)
        rc = move(r, false, NULL, s->average_buffers, m->average_stats, err);
    return rc;
}

int cpu_get_gradients(struct cpu_runner *r, struct cpu_model *m, float *ret, struct hpo_err *err)
{
    return move(r, true, NULL, ret, m->g, err);
}
