/* Folds side by side: who is trained next, and how they get onto the device and back. */
#include <string.h>

#include "trainer/init.h"
#include "trainer/job.h"
#include "trainer/mixing.h"
#include "trainer/whiten.h"

/* Fold-first the lowest fold that is not done; epoch-first the lowest of those that are behind. -1:
 * all are done. */
static int next_fold(const struct tr_run *r)
{
    const struct ckpt_place *at = r->at.place;
    int first = -1;

    for (int i = 0; i < r->folds; i++)
        if (at[i].epoch < r->config->epochs &&
            (first < 0 || (r->job->order == TR_EPOCH_FIRST && at[i].epoch < at[first].epoch)))
            first = i;
    return first;
}

bool run_next_group(struct tr_run *r)
{
    const struct ckpt_place *at = r->at.place;
    int first = next_fold(r);

    r->members = 0;
    for (int i = first; i >= 0 && i < r->folds && r->members < r->models; i++)
        if (at[i].epoch == at[first].epoch && at[i].step == at[first].step)
            r->member[r->members++].fold = i;
    if (first >= 0)
        r->place = at[first];
    return first >= 0;
}

static void find_rows(struct tr_run *r, struct tr_member *m)
{
    const struct tr_folds *f = r->job->folds;
    int split = run_split(r->job, m->fold);

    m->n_rows = (int)tr_folds_train(f, split, m->rows);
    m->steps = m->n_rows / r->batch;
    m->valid = f->index + f->start[split];
    m->n_valid = (int)(f->start[split + 1] - f->start[split]);
}

/* From the member's training rows. */
static int set_class_weights(struct tr_run *r, const struct tr_member *m, struct kn_hyper *h,
                             struct hpo_err *err)
{
    const struct loss_ops *loss = r->config->loss.ops;
    const struct kn_images *images = &r->job->data->images;
    int64_t *counts = r->confusion; /* nobody's at this moment */
    bool any;
    int rc;

    memset(counts, 0, (size_t)images->classes * sizeof(*counts));
    for (int i = 0; i < m->n_rows; i++)
        counts[images->labels[m->rows[i]]]++;
    rc = tr_class_weights(loss->weights(r->config->loss.priv), counts, images->classes,
                          r->class_weights, &any, err);
    h->class_weights = any ? r->class_weights : NULL;
    return rc;
}

static int set_hyper(struct tr_run *r, int model, const struct tr_member *m, struct hpo_err *err)
{
    const struct tr_config *c = r->config;
    const struct loss_ops *loss = c->loss.ops;
    int rc;
    struct kn_hyper h = {
        .seed = r->job->seed,
        .fold = m->fold,
        .mirror = c->tta == TR_TTA_FLIP,
        .factors = run_factors(r, r->place.epoch),
    };

    rc = tr_augment_lower(&c->augment, &h.augment, err);
    if (rc)
        return rc;
    tr_normalization(c, r->job->data, m->rows, m->n_rows, h.mean, h.std);
    loss->lower(c->loss.priv, &h.loss);
    r->optimizer->lower(c->optimizer.part.priv, &h.optim);
    h.optim.keep_vectors = !c->optimizer.decay_bias_norm;
    h.optim.clip = (float)c->optimizer.clip_norm;
    memcpy(h.rates, r->rates, sizeof(h.rates));
    rc = set_class_weights(r, m, &h, err);
    return rc ? rc : r->plan->ops->set_hyper(r->plan, model, &h, err);
}

/* What a fold begins with. */
static int init_state(struct tr_run *r, const struct tr_member *m, struct kn_state *state,
                      struct hpo_err *err)
{
    const struct kn_net *net = r->plan->net;
    float mean[3], std[3];
    int rc;

    tr_init_state(net, r->job->seed, m->fold, r->ckpt.shape.slots, state);
    tr_normalization(r->config, r->job->data, m->rows, m->n_rows, mean, std);
    rc = tr_whiten(net, &r->job->data->images, m->rows, m->n_rows, mean, std, state->weights, err);
    if (rc)
        return rc;
    tr_pretrained_load(&r->pretrained, net, state);
    if (r->ckpt.shape.averaged) {
        memcpy(state->average_weights, state->weights,
               r->ckpt.shape.weights * sizeof(*state->weights));
        memcpy(state->average_buffers, state->buffers,
               r->ckpt.shape.buffers * sizeof(*state->buffers));
    }
    return HPO_OK;
}

/* Memory of folds that are done, for those that begin. */
static int take_states(struct tr_run *r, struct hpo_err *err)
{
    int rc = 0;

    for (int i = 0; i < r->folds; i++)
        if (r->ckpt.state[i] && !ckpt_keeps(&r->ckpt.shape, i, r->at.place[i]))
            ckpt_give(&r->ckpt, i);
    for (int i = 0; i < r->members && !rc; i++) {
        int fold = r->member[i].fold;
        bool begun = r->place.epoch || r->place.step;
        struct kn_state state;

        rc = ckpt_take(&r->ckpt, fold, err);
        if (rc)
            break;
        state = ckpt_state(&r->ckpt, fold);
        if (!r->place.step && run_unfreezes(r, r->place.epoch))
            for (int k = 0; k < r->ckpt.shape.slots; k++)
                memset(state.slots[k], 0, r->ckpt.shape.weights * sizeof(float));
        if (!begun)
            rc = init_state(r, &r->member[i], &state, err);
    }
    return rc;
}

/* A model that sits out is a copy of the first: it must be something that a device can look at. */
int run_enter_group(struct tr_run *r, struct hpo_err *err)
{
    int rc = run_choose_plan(r, err);

    for (int i = 0; i < r->members && !rc; i++)
        find_rows(r, &r->member[i]);
    if (!rc)
        rc = take_states(r, err);
    for (int i = 0; i < r->models && !rc; i++) {
        const struct tr_member *m = &r->member[i < r->members ? i : 0];
        struct kn_state state = ckpt_state(&r->ckpt, m->fold);

        rc = set_hyper(r, i, m, err);
        if (!rc)
            rc = r->plan->ops->set_state(r->plan, i, &state, err);
    }
    return rc;
}

void run_arrive(struct tr_run *r)
{
    for (int i = 0; i < r->members; i++)
        r->at.place[r->member[i].fold] = r->place;
}

int run_fetch(struct tr_run *r, struct hpo_err *err)
{
    int rc = 0;

    for (int i = 0; i < r->members && !rc; i++) {
        struct kn_state state = ckpt_state(&r->ckpt, r->member[i].fold);

        rc = r->plan->ops->get_state(r->plan, i, &state, err);
    }
    return rc;
}

int run_save(struct tr_run *r, struct hpo_err *err)
{
    int rc;

    r->timing.total = run_seconds(r);
    timing_save(&r->ckpt.shape, r->job->dir, r->at.place, &r->timing);
    rc = ckpt_save(&r->ckpt, r->job->dir, &r->at, err);
    if (!rc)
        run_oof_saved(r);
    return rc;
}
