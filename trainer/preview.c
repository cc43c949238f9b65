#include "trainer/preview.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "trainer/job.h"

/* Batches do not depend on the network, so the smallest that there is takes them in. */
static void build_smallest(const void *opts HPO_UNUSED, const struct model_input *in,
                           struct kn_net *ret)
{
    kn_linear(ret, "fc", kn_global_avg_pool(ret, "pool", 0), in->classes, true);
}

static const struct model_ops smallest = {.plugin = {.name = "preview"}, .build = build_smallest};

static size_t view_floats(const struct tr_preview *p)
{
    return (size_t)p->h * (size_t)p->w * 3;
}

/* Undo the normalisation of one image. */
static void take_pixels(const struct tr_run *r, const float *from, size_t plane, float *ret)
{
    float mean[3], std[3];

    tr_normalization(r->config, r->job->data, r->member[0].rows, r->member[0].n_rows, mean, std);
    for (int c = 0; c < 3; c++)
        for (size_t i = 0; i < plane; i++)
            ret[(size_t)c * plane + i] = from[(size_t)c * plane + i] * std[c] + mean[c];
}

static int position_of(const struct tr_member *m, int count, int32_t image)
{
    for (int i = 0; i < count; i++)
        if (m->order[i] == image)
            return i;
    return -1;
}

/* Image `which` in the epoch at hand; batch: room for one. */
static int view_image(struct tr_run *r, int which, float *batch, struct tr_preview *p,
                      struct hpo_err *err)
{
    const struct tr_member *m = &r->member[0];
    size_t slot = (size_t)r->place.epoch * (size_t)p->n + (size_t)which, floats = view_floats(p);
    int at = position_of(m, m->steps * r->batch, p->image[which]), row, rc;
    struct tr_view *v = &p->view[slot];

    v->step = at < 0 ? -1 : at / r->batch;
    if (at < 0)
        return HPO_OK;
    row = at % r->batch;
    run_fill(r, v->step, r->now);
    v->mix = r->now[0].mix;
    v->other = r->now[0].index[r->batch - 1 - row];
    rc = r->plan->ops->show(r->plan, 0, &r->now[0], batch, err);
    if (!rc)
        take_pixels(r, batch + floats * (size_t)row, floats / 3, p->pixels + floats * slot);
    return rc;
}

static int view_all(struct tr_run *r, int n, int epochs, struct tr_preview *p, struct hpo_err *err)
{
    const struct kn_images *images = &r->job->data->images;
    struct tr_member *m = &r->member[0];
    float *batch;
    int rc = 0;

    run_shuffle(r, m);
    p->h = images->h;
    p->w = images->w;
    p->n = n < m->steps * r->batch ? n : m->steps * r->batch;
    p->epochs = epochs < r->config->epochs ? epochs : r->config->epochs;
    p->image = xcalloc((size_t)p->n, sizeof(*p->image));
    memcpy(p->image, m->order, sizeof(*p->image) * (size_t)p->n);
    p->view = xcalloc((size_t)p->n * (size_t)p->epochs, sizeof(*p->view));
    p->pixels = xcalloc((size_t)p->n * (size_t)p->epochs, sizeof(float) * view_floats(p));
    batch = xcalloc((size_t)r->batch, sizeof(float) * view_floats(p));
    for (int epoch = 0; epoch < p->epochs && !rc; epoch++) {
        r->place = (struct ckpt_place){.epoch = epoch};
        run_shuffle(r, m);
        for (int i = 0; i < p->n && !rc; i++)
            rc = view_image(r, i, batch, p, err);
    }
    free(batch);
    return rc;
}

int tr_preview(struct tr_session *s, const struct tr_job *job, int fold, int n, int epochs,
               struct tr_preview *ret, struct hpo_err *err)
{
    struct tr_config config = *job->config;
    struct tr_job own = *job;
    struct tr_run r;
    int rc;

    *ret = (struct tr_preview){0};
    if (fold < 0 || fold >= job->run)
        return hpo_fail(err, HPO_ECONFIG, "fold %d is not trained: there are folds 0 to %d", fold,
                        job->run - 1);
    if (config.normalize == TR_NORMALIZE_AUTO && config.model.pretrained)
        config.normalize = TR_NORMALIZE_IMAGENET;
    config.model = (struct tr_model_opts){.part = {&smallest, NULL}, .backbone_lr = 1};
    config.seeds = 1;
    config.precision = KN_PRECISION_AUTO;
    own.config = &config;
    own.order = TR_FOLD_FIRST;
    own.parallel = 1;
    own.poll = NULL;
    own.waits = NULL;
    rc = run_init(&r, s, &own, err);
    if (!rc && !r.plan->ops->show)
        rc = hpo_fail(err, HPO_EDEVICE, "%s does not show its batches", r.plan->ops->plugin.name);
    if (!rc) {
        r.member[0].fold = fold;
        r.members = 1;
        rc = run_enter_group(&r, err);
    }
    if (!rc)
        rc = view_all(&r, n, epochs, ret, err);
    run_release(&r);
    return rc;
}

void tr_preview_release(struct tr_preview *p)
{
    free(p->image);
    free(p->view);
    free(p->pixels);
    *p = (struct tr_preview){0};
}
