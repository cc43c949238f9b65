/* The study as an SQLite file that Optuna and its dashboard open. What is where: schema.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "hpo/storage/columns.h"
#include "hpo/storage/db.h"

struct priv {
    struct db db;
};

static struct db *db_of(struct storage *s)
{
    return &((struct priv *)s->priv)->db;
}

static int open_storage(struct storage *s, const char *path, enum storage_mode mode,
                        struct hpo_err *err)
{
    if (!s->priv)
        s->priv = ARENA_NEW(s->arena, struct priv);
    return db_open(db_of(s), arena_strdup(s->arena, path), mode, err);
}

static void close_storage(struct storage *s)
{
    if (s->priv)
        db_close(db_of(s));
}

/* ---------------------------------------------------------------- the study */

static int create_study(struct storage *s, const struct hpo_study_info *info, struct hpo_err *err)
{
    struct db *db = db_of(s);
    int rc;

    if (db->study_id)
        return db_bad(db, err, "already holds a study");
    if ((rc = db_begin(db, true, err)))
        return rc;
    rc = study_add(db, info, err);
    if (!rc)
        rc = study_find(db, NULL, NULL, err);
    rc = db_end(db, rc, err);
    if (rc)
        db->study_id = 0;
    return rc;
}

struct study_query {
    struct hpo_study_info info;
    struct arena *a;
};

static int find_study(struct db *db, void *arg, struct hpo_err *err)
{
    struct study_query *q = arg;

    return study_find(db, &q->info, q->a, err);
}

static int load_study(struct storage *s, struct hpo_study_info *ret, struct hpo_err *err)
{
    struct study_query q = {.a = s->arena};
    int rc = db_read(db_of(s), find_study, &q, err);

    if (!rc)
        *ret = q.info;
    return rc;
}

static int update_study(struct storage *s, const struct hpo_study_info *info, struct hpo_err *err)
{
    struct db *db = db_of(s);
    int rc = db_begin(db, true, err);

    if (rc)
        return rc;
    rc = DB_RUN(db, DB_SET_STUDY, err, DB_TEXT(info->config), DB_TEXT(info->digest),
                DB_INT(info->interrupted), DB_INT(db->study_id));
    if (!rc && sqlite3_changes(db->handle) != 1)
        rc = hpo_fail(err, HPO_EMISSING, "%s: there is no study in it", db->path);
    return db_end(db, rc, err);
}

/* ---------------------------------------------------------------- a trial begins */

/* The three ways in which a trial comes about or begins, each one transaction. */
static int add_trial(struct storage *s, const struct hpo_space *space, struct hpo_trial *t,
                     struct hpo_err *err)
{
    struct db *db = db_of(s);
    int64_t id = 0;
    int rc = db_begin(db, false, err);

    if (rc)
        return rc;
    rc = db_end(db, trial_add(db, space, t, &id, err), err);
    if (!rc)
        t->id = id;
    return rc;
}

static int enqueue(struct storage *s, const struct hpo_space *space, struct hpo_trial *t,
                   struct hpo_err *err)
{
    struct db *db = db_of(s);
    int64_t id = 0;
    int rc = db_begin(db, true, err);

    if (rc)
        return rc;
    rc = db_end(db, trial_enqueue(db, space, t, &id, err), err);
    if (!rc)
        t->id = id;
    return rc;
}

static int claim(struct storage *s, const struct hpo_space *space, struct hpo_trial *t,
                 struct hpo_err *err)
{
    struct db *db = db_of(s);
    int rc = db_begin(db, false, err);

    return rc ? rc : db_end(db, trial_claim(db, space, t, err), err);
}

/* What is finished never changes; what Optuna runs, we could only disturb. */
static int check_running(struct db *db, int64_t trial_id, struct hpo_err *err)
{
    const char *state;
    sqlite3_stmt *s;
    int rc = DB_BIND(db, DB_GET_STATE, &s, err, DB_INT(trial_id), DB_INT(db->study_id));

    if (rc || (rc = db_step(db, s, err)) < 0)
        return rc;
    if (rc == 0)
        return db_bad(db, err, "there is no trial with trial_id %lld", (long long)trial_id);
    state = db_text(s, 0);
    rc = 0;
    if (!state || strcmp(state, "RUNNING"))
        rc = db_bad(db, err, "trial %lld is %.40s and no longer RUNNING, so it cannot change",
                    (long long)sqlite3_column_int64(s, 1), state ? state : "?");
    sqlite3_reset(s);
    return rc;
}

static int start_attempt(struct storage *s, int64_t trial_id, int attempt, const char *device,
                         int64_t pid, struct hpo_err *err)
{
    struct db *db = db_of(s);
    int rc = db_begin(db, false, err);

    if (rc)
        return rc;
    if (!(rc = check_running(db, trial_id, err)) &&
        !(rc = DB_RUN(db, DB_ADD_ATTEMPT, err, DB_INT(trial_id), DB_INT(attempt), DB_TEXT(device),
                      DB_INT(pid), DB_REAL(clock_wall()))))
        rc = DB_RUN(db, DB_SET_ATTEMPT, err, DB_INT(trial_id), DB_INT(attempt), DB_TEXT(device));
    return db_end(db, rc, err);
}

/* ---------------------------------------------------------------- reports */

static int metric_id(struct db *db, const char *name, int64_t *ret, struct hpo_err *err)
{
    size_t n = strlen(name);
    sqlite3_stmt *s;
    int rc;

    for (int i = 0; i < db->n_metrics; i++) {
        if (!strcmp(db->metrics[i].name, name)) {
            *ret = db->metrics[i].id;
            return 0;
        }
    }
    if ((rc = DB_RUN(db, DB_ADD_METRIC, err, DB_TEXT(name))) ||
        (rc = DB_BIND(db, DB_GET_METRIC, &s, err, DB_TEXT(name))) || (rc = db_step(db, s, err)) < 0)
        return rc;
    *ret = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    if (db->n_metrics < DB_METRICS && n < sizeof(db->metrics[0].name)) {
        memcpy(db->metrics[db->n_metrics].name, name, n + 1);
        db->metrics[db->n_metrics++].id = *ret;
    }
    return 0;
}

static int report(struct storage *s, int64_t trial_id, const struct hpo_epoch_report *r,
                  const struct hpo_point *point, struct hpo_err *err)
{
    struct db *db = db_of(s);
    int64_t metric = 0;
    double v;
    int rc = db_begin(db, false, err);

    if (rc)
        return rc;
    rc = check_running(db, trial_id, err);
    for (int i = 0; i < r->n_metrics && !rc; i++) {
        if (!(rc = metric_id(db, r->names[i], &metric, err)))
            rc = DB_RUN(db, DB_ADD_EPOCH, err, DB_INT(trial_id), DB_INT(r->fold), DB_INT(r->epoch),
                        DB_INT(metric), DB_REAL(r->values[i]));
    }
    if (!rc && point) {
        v = hpo_value_flip(point->value, db->maximize);
        rc = DB_RUN(db, DB_ADD_POINT, err, DB_INT(trial_id), DB_INT(point->step),
                    DB_REAL(column_value(v)), DB_TEXT(column_value_type(v)));
    }
    return db_end(db, rc, err);
}

/* ---------------------------------------------------------------- a trial ends */

static int finish(struct storage *s, const struct hpo_trial *t, struct hpo_err *err)
{
    struct db *db = db_of(s);
    int rc;

    if (!hpo_trial_finished(t))
        return hpo_fail(err, HPO_EFORMAT, "trial %d: %s is not a state to end in", t->number,
                        hpo_trial_state_name(t->state));
    /* Optuna has no row for it: a trial whose value is not a number is a failed one. */
    if (t->state == HPO_TRIAL_COMPLETE && isnan(t->value))
        return hpo_fail(err, HPO_ENUMERIC,
                        "trial %d: the value of a COMPLETE trial is not a number", t->number);
    if ((rc = db_begin(db, true, err)))
        return rc;
    rc = check_running(db, t->id, err);
    if (!rc)
        rc = trial_end(db, t, err);
    return db_end(db, rc, err);
}

/* ---------------------------------------------------------------- reading */

struct trials_query {
    const struct hpo_space *space;
    struct arena *a;
    struct hpo_trial *trials;
    int n;
};

static int query_trials(struct db *db, void *arg, struct hpo_err *err)
{
    struct trials_query *q = arg;

    return load_trials(db, q->space, q->a, &q->trials, &q->n, err);
}

static int read_all(struct storage *s, const struct hpo_space *space, struct arena *a,
                    struct hpo_trial **ret, int *ret_n, struct hpo_err *err)
{
    struct trials_query q = {.space = space, .a = a};
    int rc = db_read(db_of(s), query_trials, &q, err);

    if (!rc) {
        *ret = q.trials;
        *ret_n = q.n;
    }
    return rc;
}

/* ---------------------------------------------------------------- priors, groups */

static int add_priors(struct storage *s, const struct hpo_space *space, const struct hpo_trial *t,
                      int n, struct hpo_err *err)
{
    struct db *db = db_of(s);
    int rc = db_begin(db, true, err);

    return rc ? rc : db_end(db, priors_add(db, space, t, n, err), err);
}

static int query_priors(struct db *db, void *arg, struct hpo_err *err)
{
    struct trials_query *q = arg;

    return load_priors(db, q->space, q->a, &q->trials, &q->n, err);
}

static int read_priors(struct storage *s, const struct hpo_space *space, struct arena *a,
                       struct hpo_trial **ret, int *ret_n, struct hpo_err *err)
{
    struct trials_query q = {.space = space, .a = a};
    int rc = db_read(db_of(s), query_priors, &q, err);

    if (!rc) {
        *ret = q.trials;
        *ret_n = q.n;
    }
    return rc;
}

static int begin(struct storage *s, struct hpo_err *err)
{
    return db_begin_group(db_of(s), err);
}

static int commit(struct storage *s, struct hpo_err *err)
{
    return db_commit_group(db_of(s), err);
}

/* ---------------------------------------------------------------- curves */

struct epochs_query {
    int64_t trial_id;
    struct arena *a;
    struct hpo_epoch_report *reports;
    int n;
};

static int query_epochs(struct db *db, void *arg, struct hpo_err *err)
{
    struct epochs_query *q = arg;

    return load_epochs(db, q->trial_id, q->a, &q->reports, &q->n, err);
}

static int each_epoch(struct storage *s, int64_t trial_id,
                      void (*fn)(void *arg, const struct hpo_epoch_report *r), void *arg,
                      struct hpo_err *err)
{
    struct arena a = {0};
    struct epochs_query q = {.trial_id = trial_id, .a = &a};
    int rc = db_read(db_of(s), query_epochs, &q, err);

    /* Called after the transaction: fn may take its time, and may use the storage. */
    for (int i = 0; !rc && i < q.n; i++)
        fn(arg, &q.reports[i]);
    arena_release(&a);
    return rc;
}

const struct storage_ops storage_sqlite = {
    .plugin = {.name = "sqlite",
               .help = "one SQLite file in the schema of Optuna's RDB storage",
               .priv_size = sizeof(struct priv)},
    .open = open_storage,
    .close = close_storage,
    .create_study = create_study,
    .load_study = load_study,
    .update_study = update_study,
    .load_trials = read_all,
    .add_trial = add_trial,
    .enqueue = enqueue,
    .claim = claim,
    .start_attempt = start_attempt,
    .report = report,
    .finish = finish,
    .add_priors = add_priors,
    .load_priors = read_priors,
    .begin = begin,
    .commit = commit,
    .each_epoch = each_epoch,
};
