#include "hpo/study.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "trainer/metric.h"

static double flip(const struct study *s, double v)
{
    return hpo_value_flip(v, s->config->study.direction == 1);
}

double study_value(const struct study *s, double internal)
{
    return flip(s, internal);
}

const char *study_trial_dir(const char *dir, int number, struct arena *a)
{
    return arena_printf(a, "%s/trials/%04d", dir, number);
}

/* The value of `key` in "key: value" lines; NULL when absent. */
static const char *line_value(const char *lines, const char *key, size_t key_n, size_t *ret_n)
{
    for (const char *p = lines; *p;) {
        size_t n = strcspn(p, "\n");

        if (n > key_n + 1 && !memcmp(p, key, key_n) && p[key_n] == ':') {
            const char *v = p + key_n + 1;

            v += *v == ' ';
            *ret_n = (size_t)(p + n - v);
            return v;
        }
        p += n + (p[n] == '\n');
    }
    return NULL;
}

static int missing_or_changed(const char *from, const char *to, bool only_missing, struct str *ret)
{
    int count = 0;

    for (const char *p = from; *p;) {
        size_t n = strcspn(p, "\n"), key_n = strcspn(p, ":"), old_n = 0, new_n = 0;

        if (key_n < n) {
            const char *old = line_value(p, p, key_n, &old_n);
            const char *now = line_value(to, p, key_n, &new_n);

            if (only_missing && !now) {
                str_addf(ret, "  %.*s: (not set) -> %.*s\n", (int)key_n, p, (int)old_n, old);
                count++;
            } else if (!only_missing && (!now || old_n != new_n || memcmp(old, now, old_n))) {
                str_addf(ret, "  %.*s: %.*s -> %.*s\n", (int)key_n, p, (int)old_n, old,
                         now ? (int)new_n : 9, now ? now : "(not set)");
                count++;
            }
        }
        p += n + (p[n] == '\n');
    }
    return count;
}

int study_differences(const char *old_identity, const char *new_identity, struct str *ret)
{
    return missing_or_changed(old_identity, new_identity, false, ret) +
           missing_or_changed(new_identity, old_identity, true, ret);
}

static struct study_trial *append(struct study *s)
{
    struct study_trial *t = xcalloc(1, sizeof(*t));

    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->trial = xrealloc(s->trial, sizeof(s->trial[0]) * (size_t)s->cap);
        s->view = xrealloc(s->view, sizeof(s->view[0]) * (size_t)s->cap);
    }
    s->trial[s->n] = t;
    s->view[s->n] = &t->t;
    s->n++;
    s->history.trials = s->view;
    s->history.n = s->history.next = s->n;
    return t;
}

static int load_trials(struct study *s, struct hpo_err *err)
{
    struct hpo_trial *loaded = NULL;
    int n = 0, rc;

    rc = s->storage.ops->load_trials(&s->storage, &s->config->space, &s->arena, &loaded, &n, err);
    if (rc)
        return rc;
    for (int i = 0; i < n; i++) {
        struct study_trial *t = append(s);

        t->t = loaded[i];
        t->points_cap = loaded[i].n_points;
        t->points = xmalloc(sizeof(t->points[0]) * (size_t)(t->points_cap ? t->points_cap : 1));
        if (loaded[i].n_points)
            memcpy(t->points, loaded[i].points, sizeof(t->points[0]) * (size_t)loaded[i].n_points);
        t->t.points = t->points;
    }
    return 0;
}

#define DIFFERENCES_MAX 560 /* bytes of them in a message, which ends with what to do about it */

/* The stored study must be of the same kind as the file that is run now. */
static int check_identity(struct study *s, const char *identity, struct hpo_err *err)
{
    struct str diff = {0};
    int n = study_differences(s->info.digest ? s->info.digest : "", identity, &diff), rc = 0;

    if (diff.n > DIFFERENCES_MAX) {
        diff.n = DIFFERENCES_MAX;
        while (diff.n && diff.s[diff.n - 1] != '\n')
            diff.n--;
        diff.s[diff.n] = 0;
        str_addf(&diff, "  and more: %d in all\n", n);
    }
    if (n)
        rc = hpo_fail(err, HPO_ECONFIG,
                      "%s holds results of a study that differs from this file:\n%s"
                      "Going on would mix results that do not compare. Undo the change, give the "
                      "study another name, or start anew with --fresh (the old results are kept "
                      "beside it)",
                      s->dir, str_c(&diff));
    str_release(&diff);
    return rc;
}

static int open_storage(struct study *s, const char *identity, struct hpo_err *err)
{
    const struct storage_ops *ops = storage_registry[0];
    const char *path = arena_printf(&s->arena, "%s/study.db", s->dir);
    struct str text = {0};
    int rc;

    s->storage = (struct storage){ops, arena_alloc(&s->arena, ops->plugin.priv_size), &s->arena};
    rc = ops->open(&s->storage, path, STORAGE_CREATE, err);
    if (rc)
        return rc;
    study_config_write(s->config, &text);
    rc = ops->load_study(&s->storage, &s->info, err);
    if (rc == HPO_EMISSING) {
        s->info = (struct hpo_study_info){
            .name = s->config->study.name,
            .maximize = s->config->study.direction == 1,
            .metric = s->config->study.metric_name,
            .created = clock_wall(),
        };
        if (err)
            *err = (struct hpo_err){0};
        rc = 0;
    } else if (!rc) {
        s->resumed = true;
        rc = check_identity(s, identity, err);
    }
    if (!rc) {
        s->info.config = arena_strdup(&s->arena, str_c(&text));
        s->info.digest = identity;
        s->info.interrupted = true; /* until the run ends in order */
        rc = s->resumed ? ops->update_study(&s->storage, &s->info, err)
                        : ops->create_study(&s->storage, &s->info, err);
    }
    str_release(&text);
    return rc;
}

int study_open(struct study *s, const struct study_config *c, const char *dir,
               const char *data_digest, struct hpo_err *err)
{
    struct str identity = {0};
    int rc;

    *s = (struct study){.config = c};
    s->dir = arena_strdup(&s->arena, dir);
    s->history.space = &c->space;
    study_config_identity(c, &identity);
    str_addf(&identity, "data (content of images and labels): %s\n", data_digest);
    rc = open_storage(s, arena_strdup(&s->arena, str_c(&identity)), err);
    str_release(&identity);
    if (!rc)
        rc = load_trials(s, err);
    if (!rc)
        rc = sampler_open(&s->sampler, c->sampler.part.ops, c->sampler.part.priv,
                          &(struct sampler_study){.space = &c->space,
                                                  .seed = (uint64_t)c->study.seed,
                                                  .trials = c->study.trials},
                          &s->arena, err);
    s->pruner = study_config_pruner(c);
    if (rc)
        study_close(s);
    return rc;
}

void study_close(struct study *s)
{
    sampler_close(&s->sampler);
    if (s->storage.ops)
        s->storage.ops->close(&s->storage);
    for (int i = 0; i < s->n; i++) {
        free(s->trial[i]->points);
        free(s->trial[i]);
    }
    free(s->trial);
    free(s->view);
    arena_release(&s->arena);
    *s = (struct study){0};
}

int study_finished(const struct study *s)
{
    return hpo_history_count(&s->history, HPO_TRIAL_COMPLETE) +
           hpo_history_count(&s->history, HPO_TRIAL_PRUNED);
}

int study_running(const struct study *s)
{
    int n = 0;

    for (int i = 0; i < s->n; i++)
        n += s->trial[i]->held;
    return n;
}

static struct study_trial *left_over(const struct study *s)
{
    for (int i = 0; i < s->n; i++)
        if (s->trial[i]->t.state == HPO_TRIAL_RUNNING && !s->trial[i]->held)
            return s->trial[i];
    return NULL;
}

bool study_over(const struct study *s)
{
    if (study_running(s))
        return false;
    if (s->config->study.max_failures && s->failures_in_a_row >= s->config->study.max_failures)
        return true;
    if (left_over(s))
        return false;
    return s->exhausted || study_finished(s) >= s->config->study.trials;
}

static int new_trial(struct study *s, struct study_trial **ret, struct hpo_err *err)
{
    int n = s->config->space.n, rc;
    double *values = xmalloc(sizeof(*values) * (size_t)(n ? n : 1));
    struct hpo_err why = {0};
    struct study_trial *t;
    struct hpo_trial fresh;

    rc = sampler_next(&s->sampler, &s->history, &s->history, values, &why);
    if (rc == HPO_EDONE) {
        /* A running trial may fail and have to be tried again: only silence is the end. */
        s->exhausted = study_running(s) == 0;
        snprintf(s->exhausted_why, sizeof(s->exhausted_why), "%.250s", why.msg);
        rc = 0;
        goto out;
    }
    if (rc) {
        if (err)
            *err = why;
        goto out;
    }
    fresh = (struct hpo_trial){
        .number = s->n,
        .state = HPO_TRIAL_RUNNING,
        .value = NAN,
        .values = arena_dup(&s->arena, values, sizeof(*values) * (size_t)n),
        .started = clock_wall(),
    };
    rc = s->storage.ops->add_trial(&s->storage, &s->config->space, &fresh, err);
    if (rc)
        goto out;
    t = append(s);
    t->t = fresh;
    *ret = t;
out:
    free(values); /* the arena would grow with every question that has no answer yet */
    return rc;
}

int study_next(struct study *s, struct study_trial **ret, struct hpo_err *err)
{
    int limit = s->config->study.max_failures;

    *ret = NULL;
    if (limit && s->failures_in_a_row >= limit)
        return 0;
    *ret = left_over(s);
    if (*ret || s->exhausted || study_finished(s) + study_running(s) >= s->config->study.trials)
        return 0;
    return new_trial(s, ret, err);
}

int study_start(struct study *s, struct study_trial *t, const char *device, int64_t pid,
                struct hpo_err *err)
{
    int rc =
        s->storage.ops->start_attempt(&s->storage, t->t.id, t->t.attempts + 1, device, pid, err);

    if (rc)
        return rc;
    t->t.attempts++;
    t->t.device = device;
    t->held = true;
    return 0;
}

void study_release(struct study *s, struct study_trial *t)
{
    (void)s;
    t->held = false;
}

static int64_t step_of(const struct study *s, const struct tr_epoch *e)
{
    return s->config->folds.order == TR_EPOCH_FIRST
               ? e->epoch
               : (int64_t)e->fold * s->config->max_epochs + e->epoch;
}

static bool add_point(struct study_trial *t, int64_t step, double value)
{
    if (t->t.n_points && t->points[t->t.n_points - 1].step >= step)
        return false; /* a resumed worker repeats what was reported already */
    if (t->t.n_points == t->points_cap) {
        t->points_cap = t->points_cap ? t->points_cap * 2 : 8;
        t->points = xrealloc(t->points, sizeof(t->points[0]) * (size_t)t->points_cap);
        t->t.points = t->points;
    }
    t->points[t->t.n_points++] = (struct hpo_point){step, value};
    return true;
}

static int store_epoch(struct study *s, struct study_trial *t, const struct tr_epoch *e,
                       const struct hpo_point *point, struct hpo_err *err)
{
    const char *names[TR_MAX_METRICS + 2];
    double values[TR_MAX_METRICS + 2];
    struct hpo_epoch_report r = {
        .fold = e->fold, .epoch = e->epoch, .names = names, .values = values};

    for (int i = 0; i < e->n_values && metric_registry[i]; i++) {
        names[i] = metric_registry[i]->plugin.name;
        values[i] = e->values[i];
        r.n_metrics++;
    }
    names[r.n_metrics] = "train_loss";
    values[r.n_metrics++] = e->train_loss;
    names[r.n_metrics] = "seconds";
    values[r.n_metrics++] = e->seconds;
    return s->storage.ops->report(&s->storage, t->t.id, &r, point, err);
}

int study_report(struct study *s, struct study_trial *t, const struct tr_epoch *e, int n,
                 bool *ret_prune, struct hpo_err *err)
{
    struct hpo_point point = {step_of(s, &e[0]), 0};
    int rc = 0;

    for (int i = 0; i < n; i++)
        point.value += flip(s, e[i].values[s->config->metric]) / n;
    for (int i = 0; i < n && !rc; i++)
        rc = store_epoch(s, t, &e[i], i == n - 1 ? &point : NULL, err);
    if (rc)
        return rc;
    if (add_point(t, point.step, point.value))
        t->idle_deaths = 0;
    *ret_prune = s->pruner.ops->should_stop(&s->pruner, &s->history, &t->t);
    return 0;
}

int study_finish(struct study *s, struct study_trial *t, enum hpo_trial_state state,
                 const struct tr_result *result, const char *reason, double seconds,
                 struct hpo_err *err)
{
    struct hpo_trial end = t->t;
    int rc;

    if (state == HPO_TRIAL_COMPLETE && !isfinite(result->value)) {
        state = HPO_TRIAL_FAIL;
        reason = "its value is not a number";
    }
    end.state = state;
    end.ended = clock_wall();
    end.seconds = seconds;
    if (state == HPO_TRIAL_COMPLETE) {
        struct hpo_fold *folds = ARENA_ARRAY(&s->arena, struct hpo_fold, result->n_folds);

        for (int i = 0; i < result->n_folds; i++) {
            const struct tr_fold_result *f = &result->fold[i];

            folds[i] = (struct hpo_fold){f->fold, f->value, f->epoch, f->seconds};
        }
        end.folds = folds;
        end.n_folds = result->n_folds;
        end.value = flip(s, result->value);
    } else if (state == HPO_TRIAL_PRUNED) {
        end.value = end.n_points ? end.points[end.n_points - 1].value : NAN;
    } else {
        end.reason = arena_strdup(&s->arena, reason);
    }
    rc = s->storage.ops->finish(&s->storage, &end, err);
    if (rc)
        return rc;
    t->t = end;
    t->held = false;
    s->failures_in_a_row = state == HPO_TRIAL_FAIL ? s->failures_in_a_row + 1 : 0;
    return 0;
}

int study_mark(struct study *s, bool interrupted, struct hpo_err *err)
{
    s->info.interrupted = interrupted;
    return s->storage.ops->update_study(&s->storage, &s->info, err);
}
