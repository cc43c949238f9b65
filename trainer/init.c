#include "trainer/init.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

static void fill(float *p, size_t n, float v)
{
    for (size_t i = 0; i < n; i++)
        p[i] = v;
}

/* Inputs (dims[1] * kernel) or outputs (dims[0] * kernel) that meet in one weight. */
static double fan(const struct kn_param *weight, int dim)
{
    double n = weight->dims[dim];

    for (int i = 2; i < weight->n_dims; i++)
        n *= weight->dims[i];
    return n;
}

/* Output o is input o, for as many as there are; the rest stays as it was drawn. */
static void put_identity(const struct kn_param *p, float *ret)
{
    size_t area = (size_t)p->dims[2] * (size_t)p->dims[3], row = (size_t)p->dims[1] * area;
    size_t centre = (size_t)(p->dims[2] / 2 * p->dims[3] + p->dims[3] / 2);

    for (size_t o = 0; o < (size_t)p->dims[0] && o < (size_t)p->dims[1]; o++) {
        fill(ret + o * row, row, 0);
        ret[o * row + o * area + centre] = 1;
    }
}

static void draw(const struct kn_param *p, const struct kn_param *weight, struct hpo_rng *rng,
                 float *ret)
{
    bool normal =
        p->init == KN_INIT_NORMAL_01 || (p == weight && p->init == KN_INIT_KAIMING_FAN_OUT);

    if (p->init == KN_INIT_ZERO) {
        fill(ret, p->count, 0);
    } else if (normal) {
        double std = p->init == KN_INIT_NORMAL_01 ? 0.01 : sqrt(2.0 / fan(weight, 0));

        for (size_t i = 0; i < p->count; i++)
            ret[i] = (float)(std * hpo_rng_normal(rng));
    } else {
        double bound = 1.0 / sqrt(fan(weight, p->init == KN_INIT_UNIFORM_OUT ? 0 : 1));

        for (size_t i = 0; i < p->count; i++)
            ret[i] = (float)(bound * (2.0 * hpo_rng_uniform(rng) - 1.0));
        if (p->init == KN_INIT_DIRAC && p == weight)
            put_identity(p, ret);
    }
}

void tr_init_state(const struct kn_net *net, uint64_t seed, int fold, int n_slots,
                   struct kn_state *state)
{
    for (int i = 0; i < net->n_params; i++) {
        const struct kn_param *p = &net->param[i];
        const struct kn_op *op = &net->op[p->op];
        float *out = (p->trained ? state->weights : state->buffers) + p->offset;

        if (op->kind == KN_BATCH_NORM) {
            fill(out, p->count, i == op->weight || i == op->var ? 1.0f : 0.0f);
        } else {
            struct hpo_rng rng = hpo_rng_for(seed, -1, fold, "init", (uint64_t)i);

            draw(p, &net->param[op->weight], &rng, out);
        }
    }
    for (int i = 0; i < n_slots; i++)
        memset(state->slots[i], 0, net->n_weights * sizeof(float));
}
