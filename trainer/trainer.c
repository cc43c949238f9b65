#include "trainer/trainer.h"

#include <dirent.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "trainer/init.h"
#include "trainer/job.h"

/* What a killed attempt was writing. Nobody else writes here: a trial has one owner. */
static void remove_leftovers(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    if (!d)
        return;
    while ((e = readdir(d)))
        if (!strncmp(e->d_name, "checkpoint.tmp-", 15) || !strncmp(e->d_name, "timing.tmp-", 11))
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

static int set_hyper(struct tr_run *r, struct hpo_err *err)
{
    const struct tr_config *c = r->config;
    const struct loss_ops *loss = c->loss.ops;

    for (int i = 0; i < r->models; i++) {
        const struct tr_member *m = &r->member[i];
        struct kn_hyper h = {
            .augment = {c->augment.flip, c->augment.crop_padding},
            .seed = r->job->seed,
            .fold = m->fold,
        };
        int rc;

        tr_dataset_stats(r->job->data, m->rows, m->n_rows, h.mean, h.std);
        loss->lower(c->loss.priv, &h.loss);
        r->optimizer->lower(c->optimizer.priv, &h.optim);
        memcpy(h.rates, r->rates, sizeof(h.rates));
        rc = r->plan->ops->set_hyper(r->plan, i, &h, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* resumed: the states stand in the checkpoint block already. */
static int set_states(struct tr_run *r, bool resumed, struct hpo_err *err)
{
    for (int i = 0; i < r->models; i++) {
        struct kn_state state = ckpt_state(&r->ckpt, i);
        int rc;

        if (!resumed)
            tr_init_state(r->plan->net, r->job->seed, r->member[i].fold, r->ckpt.shape.slots,
                          &state);
        rc = r->plan->ops->set_state(r->plan, i, &state, err);
        if (rc)
            return rc;
    }
    return 0;
}

static enum tr_verdict report(struct tr_run *r, int group, int epoch, bool again)
{
    struct tr_epoch e[TR_MAX_FOLDS];

    for (int i = 0; i < r->models; i++) {
        const double *row = run_row(r, group, epoch, i), *timing = run_timing(r, group, epoch, i);

        e[i] = (struct tr_epoch){
            .fold = group * r->models + i,
            .epoch = epoch,
            .n_values = r->n_metrics,
            .train_loss = row[r->n_metrics],
            .seconds = timing[0],
            .images_per_s = timing[1],
        };
        memcpy(e[i].values, row, (size_t)r->n_metrics * sizeof(double));
    }
    return r->job->report(r->job->arg, e, r->models, again);
}

/* Go on from the checkpoint, if there is one. Its last epoch may not have been answered: the
 * process can have died between writing it and hearing what to do. */
static int resume(struct tr_run *r, bool *ret_resumed, struct hpo_err *err)
{
    struct ckpt_place *at = &r->at.place;
    bool found = false;
    int rc = ckpt_load(&r->ckpt, r->job->dir, &r->at, &found, err);

    if (rc)
        return rc;
    *ret_resumed = found;
    if (!found)
        return 0;
    timing_load(&r->ckpt.shape, r->job->dir, *at, &r->timing);
    r->earlier = r->timing.total;
    for (int group = 0; group <= at->group; group++) {
        int done = group < at->group ? r->config->epochs : at->epoch;

        for (int epoch = 0; epoch < done && !rc; epoch++) {
            bool last = group == at->group && epoch == done - 1;

            rc = run_obey(r, report(r, group, epoch, !(last && !at->step)), true, err);
        }
    }
    return rc;
}

static int train_group(struct tr_run *r, bool resumed, struct hpo_err *err)
{
    struct ckpt_place *at = &r->at.place;
    int rc;

    run_enter_group(r, at->group);
    rc = set_hyper(r, err);
    if (!rc)
        rc = set_states(r, resumed, err);
    while (!rc && at->epoch < r->config->epochs) {
        rc = run_epoch(r, err);
        if (!rc)
            rc = run_save(r, err);
        if (!rc)
            rc = run_obey(r, report(r, at->group, at->epoch - 1, false), true, err);
    }
    return rc;
}

static struct tr_fold_result fold_result(const struct tr_run *r, int fold)
{
    int group = fold / r->models, model = fold % r->models, which = r->job->objective;
    bool maximize = metric_registry[which]->maximize;
    struct tr_fold_result f = {.fold = fold};

    for (int epoch = 0; epoch < r->config->epochs; epoch++) {
        double value = run_row(r, group, epoch, model)[which];
        bool better = maximize ? value > f.value : value < f.value;

        if (!epoch || r->job->last_epoch || better) {
            f.epoch = epoch;
            f.value = value;
        }
        f.seconds += run_timing(r, group, epoch, model)[0];
    }
    return f;
}

static void summarize(const struct tr_run *r, struct tr_result *ret)
{
    struct tr_result s = {.n_folds = r->job->run};
    double squares = 0;

    for (int i = 0; i < s.n_folds; i++) {
        s.fold[i] = fold_result(r, i);
        s.value += s.fold[i].value / s.n_folds;
    }
    for (int i = 0; i < s.n_folds; i++)
        squares += (s.fold[i].value - s.value) * (s.fold[i].value - s.value);
    s.std = s.n_folds > 1 ? sqrt(squares / s.n_folds) : 0;
    *ret = s;
}

int tr_train(struct tr_session *s, const struct tr_job *job, struct tr_result *ret,
             bool *ret_pruned, struct hpo_err *err)
{
    struct tr_run r;
    bool resumed = false;
    int rc;

    remove_leftovers(job->dir);
    rc = run_init(&r, s, job, err);
    if (!rc)
        rc = resume(&r, &resumed, err);
    while (!rc && r.at.place.group < r.groups) {
        /* A group that is finished needs no device; its state lies in the checkpoint. */
        if (r.at.place.epoch < r.config->epochs)
            rc = train_group(&r, resumed, err);
        if (!rc) {
            r.at.place = (struct ckpt_place){.group = r.at.place.group + 1};
            resumed = false;
        }
    }
    if (!rc)
        summarize(&r, ret);
    ret->seconds = run_seconds(&r);
    *ret_pruned = r.pruned;
    run_release(&r);
    return rc;
}
