#include "trainer/trainer.h"

#include <dirent.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "trainer/job.h"

/* What a killed attempt was writing. Nobody else writes here: a trial has one owner. */
static void remove_leftovers(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    if (!d)
        return;
    while ((e = readdir(d)))
        if (!strncmp(e->d_name, "checkpoint.tmp-", 15) || !strncmp(e->d_name, "timing.tmp-", 11) ||
            (!strncmp(e->d_name, "oof-", 4) && strstr(e->d_name, ".tmp-")))
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

static struct tr_epoch epoch_of(const struct tr_run *r, int fold, int epoch)
{
    const double *row = run_row(r, fold, epoch), *timing = run_timing(r, fold, epoch);
    struct tr_epoch e = {
        .fold = fold,
        .epoch = epoch,
        .n_values = r->n_metrics,
        .train_loss = row[r->n_metrics],
        .seconds = timing[0],
        .images_per_s = timing[1],
        .over = epoch >= run_epochs_of(r, fold),
    };

    memcpy(e.values, row, (size_t)r->n_metrics * sizeof(double));
    return e;
}

/* Is the report of this number (from 0) due? Fold-first they come in the order in which folds that
 * train one after the other make them, whatever is trained side by side: so the same pruner's
 * answer comes at the same report, and what a later fold has done by then is kept back, or thrown
 * away. */
static bool is_due(const struct tr_run *r, int number)
{
    int epochs = r->config->epochs, behind = epochs;

    if (r->job->order != TR_EPOCH_FIRST)
        return number < r->folds * epochs && number % epochs < r->at.place[number / epochs].epoch;
    for (int i = 0; i < r->folds; i++)
        if (r->at.place[i].epoch < behind)
            behind = r->at.place[i].epoch;
    return number < behind;
}

/* Nothing was trained: there is nothing to say. */
static bool all_over(const struct tr_epoch *e, int n)
{
    for (int i = 0; i < n; i++)
        if (!e[i].over)
            return false;
    return true;
}

/* Reports that are due, from number *next on; those below `told` were answered by an earlier
 * attempt. */
static int report_due(struct tr_run *r, int *next, int told, struct hpo_err *err)
{
    bool all = r->job->order == TR_EPOCH_FIRST;
    struct tr_epoch e[TR_MAX_FOLDS];
    int rc = 0;

    for (; !rc && is_due(r, *next); ++*next) {
        int epoch = all ? *next : *next % r->config->epochs, n = all ? r->folds : 1;

        for (int i = 0; i < n; i++)
            e[i] = epoch_of(r, all ? i : *next / r->config->epochs, epoch);
        if (!all_over(e, n))
            rc = run_obey(r, r->job->report(r->job->arg, e, n, *next < told), true, err);
        r->at.told = *next + !rc > told ? *next + !rc : told;
    }
    return rc;
}

/* As if there were no checkpoint. */
static void forget(struct tr_run *r)
{
    for (int i = 0; i < r->folds; i++)
        ckpt_give(&r->ckpt, i);
    r->at = (struct ckpt_rest){.curve = r->at.curve};
}

/* Go on from the checkpoint, if there is one. Its last epoch may not have been answered: the
 * process can have died between writing it and hearing what to do. */
static int resume(struct tr_run *r, int *next, struct hpo_err *err)
{
    bool found = false, whole = true;
    int rc = ckpt_load(&r->ckpt, r->job->dir, &r->at, &found, err);

    if (!rc)
        rc = run_oof_resume(r, &whole, err);
    if (!rc && !whole)
        forget(r);
    if (rc || !found || !whole)
        return rc;
    timing_load(&r->ckpt.shape, r->job->dir, r->at.place, &r->timing);
    r->earlier = r->timing.total;
    return report_due(r, next, r->at.told, err);
}

static bool same_group(const struct tr_run *r, const struct tr_member *was, int n)
{
    bool same = r->members == n && r->frozen == run_freezes(r, r->place.epoch) &&
                !run_factors_change(r, r->place.epoch);

    for (int i = 0; i < n && same; i++)
        same = r->member[i].fold == was[i].fold;
    return same;
}

/* Epoch after epoch of group after group. A checkpoint is written when something is to be reported:
 * epoch-first, when every fold has done its epoch. */
static int train(struct tr_run *r, int next, struct hpo_err *err)
{
    struct tr_member was[TR_MAX_FOLDS];
    int n = 0, rc = 0;

    while (!rc && run_next_group(r)) {
        if (!same_group(r, was, n))
            rc = run_enter_group(r, err);
        n = r->members;
        memcpy(was, r->member, sizeof(*was) * (size_t)n);
        if (!rc)
            rc = run_epoch(r, err);
        if (!rc)
            rc = run_fetch(r, err);
        if (!rc && (r->job->order != TR_EPOCH_FIRST || is_due(r, next)))
            rc = run_save(r, err);
        if (!rc)
            rc = report_due(r, &next, next, err);
    }
    return rc;
}

static struct tr_fold_result fold_result(const struct tr_run *r, int fold)
{
    struct tr_fold_result f = {.fold = fold, .epoch = run_counts(r, fold, r->config->epochs)};

    f.value = run_row(r, fold, f.epoch)[r->job->objective];
    for (int epoch = 0; epoch < r->config->epochs; epoch++)
        f.seconds += run_timing(r, fold, epoch)[0];
    return f;
}

static void summarize(const struct tr_run *r, struct tr_result *ret)
{
    struct tr_result s = {.n_folds = r->folds};
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
    int next = 0, rc;

    remove_leftovers(job->dir);
    rc = run_init(&r, s, job, err);
    if (!rc)
        rc = resume(&r, &next, err);
    if (!rc)
        rc = train(&r, next, err);
    if (!rc)
        rc = run_oof_join(&r, err);
    if (!rc)
        summarize(&r, ret);
    ret->seconds = run_seconds(&r);
    *ret_pruned = r.pruned;
    run_release(&r);
    return rc;
}
