#include "trainer/oof.h"

#include <assert.h>
#include <dirent.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/str.h"
#include "trainer/job.h"
#include "trainer/oof_file.h"

static struct oof_shape shape_of(const struct tr_run *r)
{
    struct oof_shape s = {.n = r->job->data->images.n, .classes = r->job->data->images.classes};

    memcpy(s.fingerprint, r->ckpt.shape.fingerprint, sizeof(s.fingerprint));
    snprintf(s.digest, sizeof(s.digest), "%s", r->job->data->digest);
    return s;
}

static char *part_path(const struct tr_run *r, int fold, int epoch)
{
    struct str s = {0};

    str_addf(&s, "%s/oof-%d-%d", r->job->dir, fold, epoch);
    return s.s;
}

int run_oof_init(struct tr_run *r, int64_t rows, struct hpo_err *err)
{
    struct oof_shape s = shape_of(r);
    size_t bytes = oof_part_bytes(&s, rows);

    if (!r->job->oof)
        return 0;
    for (int i = 0; i < r->folds; i++)
        r->oof.fold[i] = (struct oof_epochs){-1, -1, -1};
    r->oof.bytes = malloc(bytes);
    return r->oof.bytes ? 0
                        : hpo_fail(err, HPO_ENOMEM, "out of memory for predictions (%.1f MiB)",
                                   (double)bytes / 1048576.0);
}

void run_oof_release(struct tr_run *r)
{
    free(r->oof.bytes);
}

int run_counts(const struct tr_run *r, int fold, int epochs)
{
    int which = r->job->objective, best = 0;
    bool maximize = metric_registry[which]->maximize;

    if (epochs > run_epochs_of(r, fold)) /* it stopped early */
        epochs = run_epochs_of(r, fold);
    if (r->job->last_epoch || !epochs)
        return epochs - 1;
    for (int e = 1; e < epochs; e++) {
        double value = run_row(r, fold, e)[which], most = run_row(r, fold, best)[which];

        if (maximize ? value > most : value < most)
            best = e;
    }
    return best;
}

/* ---------------------------------------------------------------- while it runs */

int run_oof_keep(struct tr_run *r, struct hpo_err *err)
{
    int epoch = r->place.epoch, rc = 0;
    struct oof_shape s = shape_of(r);

    for (int i = 0; i < r->members && !rc && r->job->oof; i++) {
        const struct tr_member *m = &r->member[i];
        char *path;

        if (run_counts(r, m->fold, epoch + 1) != epoch)
            continue;
        path = part_path(r, m->fold, epoch);
        oof_part_encode(&s, r->job->data->images.labels, m->fold, epoch, m->valid, m->n_valid,
                        m->probs, r->oof.bytes);
        rc = file_replace(path, r->oof.bytes, oof_part_bytes(&s, m->n_valid), err);
        r->oof.fold[m->fold].next = epoch;
        free(path);
    }
    return rc;
}

static void remove_part(const struct tr_run *r, int fold, int epoch)
{
    char *path = epoch < 0 ? NULL : part_path(r, fold, epoch);

    if (path)
        unlink(path);
    free(path);
}

void run_oof_saved(struct tr_run *r)
{
    for (int i = 0; i < r->folds && r->job->oof; i++) {
        struct oof_epochs *e = &r->oof.fold[i];

        remove_part(r, i, e->before);
        e->before = -1;
        if (e->next < 0 || e->next == e->now)
            continue;
        e->before = e->now;
        e->now = e->next;
        e->next = -1;
    }
}

/* ---------------------------------------------------------------- going on */

static bool same_training(const struct tr_run *r, const struct oof *o)
{
    struct oof_shape s = shape_of(r);

    return o->shape.n == s.n && o->shape.classes == s.classes &&
           !memcmp(o->shape.fingerprint, s.fingerprint, sizeof(s.fingerprint)) &&
           !strcmp(o->shape.digest, s.digest);
}

static int open_part(void *arg, int fold, struct oof *ret, struct hpo_err *err)
{
    const struct tr_run *r = arg;
    int epoch = run_counts(r, fold, r->at.place[fold].epoch);
    char *path = part_path(r, fold, epoch);
    struct oof o;
    int rc = oof_open(path, &o, err);

    if (!rc && (!same_training(r, &o) || o.folds != 1 || o.fold[0].fold != fold ||
                o.fold[0].epoch != epoch)) {
        rc = hpo_fail(err, HPO_EFORMAT, "%s: has the predictions of another training", path);
        oof_close(&o);
    }
    if (!rc)
        *ret = o;
    free(path);
    return rc;
}

/* The end of this training was reached before: what it left is there. */
static bool is_joined(const struct tr_run *r)
{
    struct oof o = {0};
    bool same = !oof_open(r->job->oof, &o, NULL) && same_training(r, &o) && o.folds == r->folds;

    for (int i = 0; i < r->folds && same; i++)
        same = r->at.place[i].epoch == r->config->epochs && o.fold[i].fold == i &&
               o.fold[i].epoch == run_counts(r, i, r->config->epochs);
    oof_close(&o);
    return same;
}

/* What lies there that nobody needs: of epochs that the checkpoint does not know yet, or of the
 * checkpoint before the one before. An epoch that counted before the one that does now may be that
 * of checkpoint.prev: the latest such is. */
static void sort_parts(struct tr_run *r, bool remove)
{
    DIR *d = opendir(r->job->dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        int fold, epoch, end = 0;
        struct oof_epochs *f;

        if (sscanf(e->d_name, "oof-%d-%d%n", &fold, &epoch, &end) != 2 || e->d_name[end] ||
            fold < 0 || fold >= r->folds)
            continue;
        f = &r->oof.fold[fold];
        if (remove && epoch != f->now && epoch != f->before)
            unlinkat(dirfd(d), e->d_name, 0);
        else if (epoch < f->now && epoch > f->before)
            f->before = epoch;
    }
    if (d)
        closedir(d);
}

/* Are the predictions of every epoch that counts there? One that cannot be read is no answer, as
 * with checkpoints. */
static int check_parts(struct tr_run *r, bool *ret, struct hpo_err *err)
{
    int rc = 0;

    for (int i = 0; i < r->folds && !rc; i++) {
        struct oof o = {0};

        r->oof.fold[i] = (struct oof_epochs){run_counts(r, i, r->at.place[i].epoch), -1, -1};
        if (r->oof.fold[i].now >= 0)
            rc = open_part(r, i, &o, err);
        oof_close(&o);
    }
    *ret = !rc;
    return rc == HPO_EMISSING || rc == HPO_EFORMAT ? 0 : rc;
}

int run_oof_resume(struct tr_run *r, bool *ret_whole, struct hpo_err *err)
{
    int rc;

    *ret_whole = true;
    if (!r->job->oof)
        return 0;
    r->oof.joined = is_joined(r);
    rc = r->oof.joined ? 0 : check_parts(r, ret_whole, err);
    if (rc)
        return rc;
    if (r->oof.joined || !*ret_whole)
        for (int i = 0; i < r->folds; i++)
            r->oof.fold[i] = (struct oof_epochs){-1, -1, -1};
    sort_parts(r, false);
    sort_parts(r, true);
    return 0;
}

/* The folder may have been deleted, or be the first to be written to. */
static int make_folder(const char *path, struct hpo_err *err)
{
    char *copy = xstrdup(path);
    int rc = file_mkdirs(dirname(copy), err);

    free(copy);
    return rc;
}

int run_oof_join(struct tr_run *r, struct hpo_err *err)
{
    int rc = 0;

    if (!r->job->oof)
        return 0;
    if (!r->oof.joined) {
        rc = make_folder(r->job->oof, err);
        if (!rc)
            rc = oof_join(r->job->oof, r->folds, open_part, r, err);
        /* They were written a moment ago, or looked at when it was gone on from. */
        if (rc == HPO_EFORMAT || rc == HPO_EMISSING)
            rc = hpo_fail(err, HPO_EIO, "the predictions of a fold were lost while it trained: %s",
                          r->job->dir);
    }
    for (int i = 0; i < r->folds && !rc; i++) {
        remove_part(r, i, r->oof.fold[i].now);
        remove_part(r, i, r->oof.fold[i].before);
    }
    return rc;
}
