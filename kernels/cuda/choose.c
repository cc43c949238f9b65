/* Plans of convolutions: which pass needs which, and how much workspace it may take.
 *
 * Of 16-bit types cuDNN has tensor-core engines for NHWC that need next to none, single or grouped:
 * the limit is small. In TF32 and fp32 there are shapes for which the only good engines first copy
 * tensors into another layout (a first convolution of 3 channels): there is room for a copy of one
 * model's three tensors, and an array is then launched model by model. Workspaces lie in the arena
 * among the activations, so that the limit costs less than its size. */
#include "kernels/cuda/plan.h"

#define SMALL_WORKSPACE ((size_t)4 << 20)
#define MARGIN ((size_t)1 << 20)

static const enum cu_pass pass_of[CU_N_USES] = {CU_FORWARD, CU_FORWARD, CU_BACKWARD_DATA,
                                                CU_BACKWARD_FILTER};

struct cu_conv_shape cu_layer_shape(const struct cu_plan *p, const struct cu_layer *l,
                                    enum cu_use use)
{
    const struct cu_node *n = l->node;
    const struct cu_tensor *in = &p->tensor[n->in], *out = &p->tensor[n->out];

    return (struct cu_conv_shape){.models = p->base.models,
                                  .n = use == CU_INFER ? p->base.eval_batch : p->base.batch,
                                  .c = in->stored,
                                  .h = in->h,
                                  .w = in->w,
                                  .k = out->stored,
                                  .kernel = n->op->kernel,
                                  .stride = n->op->stride,
                                  .pad = n->op->pad,
                                  .type = p->type,
                                  .tf32 = p->tf32,
                                  .accumulate = use == CU_DATA && n->in_add};
}

static bool wanted(const struct cu_layer *l, enum cu_use use)
{
    return (use != CU_DATA || l->has_data) && (use != CU_FILTER || l->has_filter);
}

static size_t limit_of(const struct cu_plan *p, const struct cu_layer *l, enum cu_use use)
{
    size_t rows = (size_t)(use == CU_INFER ? p->base.eval_batch : p->base.batch);
    size_t elements = rows * (p->tensor[l->node->in].row + p->tensor[l->node->out].row) + l->count;

    if (p->type != CU_F32)
        return SMALL_WORKSPACE;
    return elements * sizeof(float) + MARGIN;
}

void cu_limit_workspaces(struct cu_plan *p)
{
    for (int i = 0; i < p->n_layers; i++)
        for (enum cu_use u = 0; u < CU_N_USES; u++)
            p->layer[i].workspace[u] = wanted(&p->layer[i], u) ? limit_of(p, &p->layer[i], u) : 0;
}

/* With tuning ahead the workspaces stay as large as they may get. */
int cu_choose(struct cu_plan *p, struct hpo_err *err)
{
    for (int i = 0; i < p->n_layers; i++) {
        struct cu_layer *l = &p->layer[i];

        for (enum cu_use u = 0; u < CU_N_USES; u++) {
            struct cu_conv_shape s = cu_layer_shape(p, l, u);

            if (!wanted(l, u))
                continue;
            if (cu_conv_choose(&p->dnn, &s, pass_of[u], l->workspace[u], &l->conv[u], err))
                return hpo_fail_at(err, "%s", l->node->op->name);
            if (!p->tune || l->conv[u].workspace > l->workspace[u])
                l->workspace[u] = l->conv[u].workspace;
        }
    }
    return HPO_OK;
}

/* Measured where the plan will work: on its stream, in its memory. What is overwritten is what a
 * step computes anew. */
static int tune_one(struct cu_plan *p, struct cu_layer *l, enum cu_use use, struct hpo_err *err)
{
    const struct cu_node *n = l->node;
    const struct kn_bufs *b = use == CU_INFER ? &p->eval_bufs : &p->train_bufs;
    const int *act = use == CU_INFER ? p->eval_act : p->act;
    void *x = cu_at(p, b, act[n->in]), *y = cu_at(p, b, act[n->out]), *w = cu_layer_weights(p, l);
    void *dx = cu_at(p, b, p->grad[n->in]), *dy = cu_at(p, b, p->grad[n->out]);
    void *dw = n->diff >= 0 ? cu_at(p, b, n->diff) : p->m.g + n->weight;
    void *const buffers[CU_N_USES][3] = {{x, w, y}, {x, w, y}, {dy, w, dx}, {x, dy, dw}};
    int scratch = use == CU_TRAIN   ? n->scratch
                  : use == CU_INFER ? n->eval_scratch
                                    : n->scratch_back;
    struct cu_conv_shape s = cu_layer_shape(p, l, use);
    struct cu_conv tuned = {0};
    int rc = cu_conv_tune(&p->dnn, &s, pass_of[use], l->workspace[use], buffers[use],
                          cu_at(p, b, scratch), &tuned, err);

    if (rc)
        return hpo_fail_at(err, "%s", n->op->name);
    cu_conv_release(&l->conv[use]);
    l->conv[use] = tuned;
    return HPO_OK;
}

int cu_tune(struct cu_plan *p, struct hpo_err *err)
{
    int rc = HPO_OK;

    for (int i = 0; i < p->n_layers; i++)
        for (enum cu_use u = 0; u < CU_N_USES && !rc; u++)
            if (wanted(&p->layer[i], u))
                rc = tune_one(p, &p->layer[i], u, err);
    return rc;
}
