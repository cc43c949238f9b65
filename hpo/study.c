#include "hpo/study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hpo/study_impl.h"

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

const char *study_oof_path(const char *dir, int number, struct arena *a)
{
    return arena_printf(a, "%s/oof/%04d.oof", dir, number);
}

struct study_trial *study_append(struct study *s)
{
    struct study_trial *t = xcalloc(1, sizeof(*t));

    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->trial = xrealloc(s->trial, sizeof(s->trial[0]) * (size_t)s->cap);
        s->all = xrealloc(s->all, sizeof(s->all[0]) * (size_t)(s->cap + s->n_prior));
    }
    s->trial[s->n] = t;
    s->all[s->n_prior + s->n] = &t->t;
    s->n++;
    s->history.trials = s->all + s->n_prior;
    s->history.n = s->history.next = s->n;
    return t;
}

static void count_in(struct study *s, const struct study_trial *t)
{
    const struct hpo_trial *best = s->best;

    s->count[t->t.state]++;
    s->rung[t->t.rung].count[t->t.state]++;
    if (t->t.state == HPO_TRIAL_COMPLETE && (!best || hpo_trial_better(&t->t, best)))
        s->best = &t->t;
    while (s->first_open < s->n && hpo_trial_finished(&s->trial[s->first_open]->t))
        s->first_open++;
}

void study_moved(struct study *s, const struct study_trial *t, enum hpo_trial_state before)
{
    s->count[before]--;
    s->rung[t->t.rung].count[before]--;
    count_in(s, t);
}

static int load_trials(struct study *s, struct hpo_err *err)
{
    struct hpo_trial *loaded = NULL;
    int n = 0, rc;

    rc = s->storage.ops->load_trials(&s->storage, &s->config->space, &s->arena, &loaded, &n, err);
    if (rc)
        return rc;
    for (int i = 0; i < n; i++) {
        struct study_trial *t = study_append(s);

        t->t = loaded[i];
        /* Another program, or --set, may have made of it what this study does not have. */
        t->t.rung = t->t.rung < s->n_rungs ? t->t.rung : s->n_rungs - 1;
        t->t.cheap = t->t.rung < s->n_rungs - 1;
        t->points_cap = loaded[i].n_points;
        t->points = xmalloc(sizeof(t->points[0]) * (size_t)(t->points_cap ? t->points_cap : 1));
        if (loaded[i].n_points)
            memcpy(t->points, loaded[i].points, sizeof(t->points[0]) * (size_t)loaded[i].n_points);
        t->t.points = t->points;
        count_in(s, t);
    }
    /* Of a trial and its repetitions only the last may be repeated again. */
    for (int i = 0; i < n; i++)
        for (int k = loaded[i].retry > 0 ? 0 : i; k < i; k++)
            if (k == loaded[i].retry_of ||
                (loaded[k].retry > 0 && loaded[k].retry_of == loaded[i].retry_of))
                s->trial[k]->retried = true;
    return 0;
}

/* The priors stand before the trials in one array, so that a sampler can be shown both. */
static int load_priors(struct study *s, struct hpo_err *err)
{
    int rc = study_load_priors(s, err);

    if (rc)
        return rc;
    s->all = xmalloc(sizeof(s->all[0]) * (size_t)(s->n_prior + 1));
    for (int i = 0; i < s->n_prior; i++)
        s->all[i] = &s->prior[i];
    s->history.trials = s->all + s->n_prior;
    return 0;
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
        rc = study_check_identity(s, identity, err);
    }
    if (!rc) {
        s->info.config = arena_strdup(&s->arena, str_c(&text));
        s->info.digest = identity;
        s->info.interrupted = true; /* until the run ends in order */
        rc = s->resumed ? ops->update_study(&s->storage, &s->info, err)
                        : ops->create_study(&s->storage, &s->info, err);
    }
    if (!rc && !s->resumed)
        rc = study_take_over(s, err);
    str_release(&text);
    return rc;
}

/* A study that knows another's trials must not begin with the same draws. */
static uint64_t sampler_seed(const struct study *s)
{
    return (uint64_t)s->config->study.seed + (uint64_t)s->n_prior * 0x9e3779b97f4a7c15u;
}

int study_open(struct study *s, const struct study_config *c, const char *dir,
               const char *data_digest, int parallel, struct hpo_err *err)
{
    struct str identity = {0};
    int rc;

    *s = (struct study){.config = c, .parallel = parallel};
    s->dir = arena_strdup(&s->arena, dir);
    s->history.space = &c->space;
    s->n_rungs = c->n_rungs ? c->n_rungs : 1;
    s->rung = ARENA_ARRAY(&s->arena, struct study_rung_state, s->n_rungs);
    for (int i = 0; i < s->n_rungs; i++)
        s->rung[i].pruner = study_config_pruner(study_config_rung(c, i));
    study_config_identity(c, &identity);
    if (*data_digest)
        str_addf(&identity, STUDY_DATA_LINE "%s\n", data_digest);
    rc = open_storage(s, arena_strdup(&s->arena, str_c(&identity)), err);
    str_release(&identity);
    if (!rc)
        rc = load_priors(s, err);
    if (!rc)
        rc = load_trials(s, err);
    if (!rc)
        rc = study_enqueue_rows(s, err);
    if (!rc)
        rc = sampler_open(&s->sampler, c->sampler.part.ops, c->sampler.part.priv,
                          &(struct sampler_study){.space = &c->space,
                                                  .seed = sampler_seed(s),
                                                  .trials = c->study.trials,
                                                  .parallel = parallel,
                                                  .duplicates = c->sampler.duplicates == 1},
                          &s->arena, err);
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
    free(s->all);
    arena_release(&s->arena);
    *s = (struct study){0};
}

int study_finished(const struct study *s)
{
    return s->count[HPO_TRIAL_COMPLETE] + s->count[HPO_TRIAL_PRUNED];
}

int study_running(const struct study *s)
{
    return s->n_held;
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
    s->n_held++;
    s->rung[t->t.rung].n_held++;
    return 0;
}

void study_release(struct study *s, struct study_trial *t)
{
    s->n_held -= t->held;
    s->rung[t->t.rung].n_held -= t->held;
    t->held = false;
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

/* The rows, and with the last of them the point. */
static int store_report(struct study *s, struct study_trial *t, const struct objective_report *r,
                        const struct hpo_point *point, struct hpo_err *err)
{
    struct hpo_epoch_report nothing = {0};
    int rc = 0;

    if (!r->n_rows)
        return s->storage.ops->report(&s->storage, t->t.id, &nothing, point, err);
    for (int i = 0; i < r->n_rows && !rc; i++)
        rc = s->storage.ops->report(&s->storage, t->t.id, &r->rows[i],
                                    i == r->n_rows - 1 ? point : NULL, err);
    return rc;
}

int study_report(struct study *s, struct study_trial *t, const struct objective_report *r,
                 bool *ret_prune, struct hpo_err *err)
{
    struct hpo_point point = {r->step, flip(s, r->value)};
    int rc = store_report(s, t, r, &point, err);

    if (rc)
        return rc;
    if (add_point(t, point.step, point.value))
        t->idle_deaths = 0;
    /* One that has begun anew and repeats what it said was answered go, up to its last report. */
    *ret_prune = t->points[t->t.n_points - 1].step == point.step && study_should_stop(s, &t->t);
    return 0;
}

static const struct hpo_fold *keep_folds(struct study *s, const struct objective_result *result)
{
    return arena_dup(&s->arena, result->folds, sizeof(result->folds[0]) * (size_t)result->n_folds);
}

int study_finish(struct study *s, struct study_trial *t, enum hpo_trial_state state,
                 const struct objective_result *result, const char *reason, double seconds,
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
        end.folds = keep_folds(s, result);
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
    study_release(s, t);
    t->t = end;
    study_moved(s, t, HPO_TRIAL_RUNNING);
    s->failures_in_a_row = state == HPO_TRIAL_FAIL ? s->failures_in_a_row + 1 : 0;
    return 0;
}

int study_mark(struct study *s, bool interrupted, struct hpo_err *err)
{
    s->info.interrupted = interrupted;
    return s->storage.ops->update_study(&s->storage, &s->info, err);
}
