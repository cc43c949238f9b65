/* The cpu backend: oneDNN for convolutions and linear layers, our own loops for the rest. */
#include <string.h>

#include "kernels/check.h"
#include "kernels/cpu/plan.h"

/* The data set stays where it is. */
static int data_open(struct kn_dev *d HPO_UNUSED, const struct kn_images *images, void **ret,
                     struct hpo_err *err)
{
    for (int64_t i = 0; i < images->n; i++)
        if (images->labels[i] < 0 || images->labels[i] >= images->classes)
            return hpo_fail(err, HPO_ECONFIG, "image %lld has label %d of %d classes", (long long)i,
                            (int)images->labels[i], images->classes);
    *ret = (void *)images;
    return HPO_OK;
}

static void data_close(struct kn_dev *d HPO_UNUSED, void *data HPO_UNUSED)
{
}

static struct cpu_model *model_at(struct kn_plan *plan, int model, struct hpo_err *err)
{
    return kn_check_model(plan, model, err) ? NULL : &((struct cpu_plan *)plan)->model[model];
}

static int set_hyper(struct kn_plan *plan, int model, const struct kn_hyper *h, struct hpo_err *err)
{
    struct cpu_model *m = model_at(plan, model, err);

    if (!m)
        return HPO_ECONFIG;
    if (kn_check_hyper(plan, h, err))
        return HPO_ECONFIG;
    m->hyper = *h;
    m->class_weights = h->class_weights ? m->weights_room : NULL;
    if (h->class_weights)
        memcpy(m->weights_room, h->class_weights,
               sizeof(*m->weights_room) * (size_t)plan->net->classes);
    m->hyper.class_weights = m->class_weights;
    if (h->factors) {
        memcpy(m->factors_room, h->factors, sizeof(*m->factors_room) * (size_t)plan->net->n_params);
        m->hyper.factors = m->factors_room;
    }
    m->version++;
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            m->lut[c][v] = kn_normalise(v, h->mean[c], h->std[c]);
    for (int v = 0; v < 256; v++)
        m->share[v] = (float)v / 255.0f;
    return HPO_OK;
}

static int set_state(struct kn_plan *plan, int model, const struct kn_state *s, struct hpo_err *err)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;
    struct cpu_model *m = model_at(plan, model, err);
    struct cpu_team team;
    int rc;

    if (!m)
        return HPO_ECONFIG;
    team = cpu_team_enter(p->threads);
    rc = cpu_set_state(&p->runner[0], m, s, err);
    cpu_team_leave(team);
    return rc;
}

static int get_state(struct kn_plan *plan, int model, struct kn_state *ret, struct hpo_err *err)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;
    struct cpu_model *m = model_at(plan, model, err);
    struct cpu_team team;
    int rc;

    if (!m)
        return HPO_ECONFIG;
    team = cpu_team_enter(p->threads);
    rc = cpu_get_state(&p->runner[0], m, ret, err);
    cpu_team_leave(team);
    return rc;
}

static int get_gradients(struct kn_plan *plan, int model, float *ret, struct hpo_err *err)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;
    struct cpu_model *m = model_at(plan, model, err);
    struct cpu_team team;
    int rc;

    if (!m)
        return HPO_ECONFIG;
    team = cpu_team_enter(p->threads);
    rc = cpu_get_gradients(&p->runner[0], m, ret, err);
    cpu_team_leave(team);
    return rc;
}

const struct kn_backend_ops kn_backend_cpu = {
    .plugin = {.name = "cpu", .help = "oneDNN and OpenMP on the host's processor, in fp32"},
    .precisions = 1u << KN_PRECISION_AUTO | 1u << KN_FP32 | 1u << KN_TF32,
    .count = cpu_device_count,
    .describe = cpu_device_describe,
    .open = cpu_device_open,
    .close = cpu_device_close,
    .data_open = data_open,
    .data_close = data_close,
    .estimate = cpu_estimate,
    .compile = cpu_compile,
    .plan_free = cpu_plan_free,
    .set_hyper = set_hyper,
    .set_state = set_state,
    .get_state = get_state,
    .train = cpu_train,
    .losses = cpu_losses,
    .set_losses = cpu_set_losses,
    .eval = cpu_eval,
    .get_gradients = get_gradients,
    .show = cpu_show,
};
