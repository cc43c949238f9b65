/* The rows of a trial that begins: added, waiting in Optuna's queue, taken out of it. */
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "hpo/storage/columns.h"
#include "hpo/storage/db.h"

static int check_number(struct db *db, int number, struct hpo_err *err)
{
    int64_t next = 0;
    sqlite3_stmt *s;
    int rc = DB_BIND(db, DB_LAST_NUMBER, &s, err, DB_INT(db->study_id));

    if (rc || (rc = db_step(db, s, err)) < 0)
        return rc;
    if (rc == 1)
        next = sqlite3_column_int64(s, 0) + 1;
    sqlite3_reset(s);
    if (next == number)
        return 0;
    return hpo_fail(err, HPO_EBUSY,
                    "%s: the next trial is %lld and not %d: another program has added trials while "
                    "this study ran; stop it and run the same command again",
                    db->path, (long long)next, number);
}

static int add_params(struct db *db, int64_t id, const struct hpo_space *space,
                      const double *values, struct hpo_err *err)
{
    struct str json = {0};
    int rc = 0;

    for (int i = 0; i < space->n && !rc; i++) {
        if (isnan(values[i])) /* inactive */
            continue;
        str_clear(&json);
        distribution_write(&space->params[i], &json);
        rc = DB_RUN(db, DB_ADD_PARAM, err, DB_INT(id), DB_TEXT(space->params[i].name),
                    DB_REAL(values[i]), DB_TEXT(str_c(&json)));
    }
    str_release(&json);
    return rc;
}

/* [the failed trial, its repetitions so far] */
static int retry_history(struct db *db, const struct hpo_trial *t, struct str *ret,
                         struct hpo_err *err)
{
    sqlite3_stmt *s;
    int rc = DB_BIND(db, DB_GET_RETRIES, &s, err, DB_INT(t->retry_of), DB_INT(t->retry),
                     DB_INT(db->study_id));

    str_addf(ret, "[%d", t->retry_of);
    while (!rc && (rc = db_step(db, s, err)) == 1) {
        str_addf(ret, ", %lld", (long long)sqlite3_column_int64(s, 0));
        rc = 0;
    }
    str_addc(ret, ']');
    return rc;
}

/* Optuna's attributes, as its RetryHeartbeatStaleTrialCallback writes them, and our row. */
static int add_retry(struct db *db, int64_t id, const struct hpo_trial *t, struct hpo_err *err)
{
    struct str history = {0}, failed = {0};
    int rc;

    if (t->retry <= 0)
        return 0;
    str_addf(&failed, "%d", t->retry_of);
    rc = retry_history(db, t, &history, err);
    if (!rc)
        rc = DB_RUN(db, DB_ADD_RETRY, err, DB_INT(id), DB_INT(t->retry), DB_INT(t->retry_of));
    if (!rc)
        rc = DB_RUN(db, DB_ADD_SYSTEM_ATTR, err, DB_INT(id), DB_TEXT("failed_trial"),
                    DB_TEXT(str_c(&failed)));
    if (!rc)
        rc = DB_RUN(db, DB_ADD_SYSTEM_ATTR, err, DB_INT(id), DB_TEXT("retry_history"),
                    DB_TEXT(str_c(&history)));
    str_release(&history);
    str_release(&failed);
    return rc;
}

/* Our row, and what Optuna's tools show of it. A trial of a study without rungs has neither. */
static int add_rung(struct db *db, int64_t id, const struct hpo_trial *t, struct hpo_err *err)
{
    char text[16];
    int rc;

    if (!t->cheap && !t->rung)
        return 0;
    snprintf(text, sizeof(text), "%d", t->rung);
    rc = DB_RUN(db, DB_ADD_RUNG, err, DB_INT(id), DB_INT(t->rung), DB_INT(t->cheap),
                t->rung ? DB_INT(t->promoted_from) : DB_TEXT(NULL), DB_INT(t->explored));
    if (!rc)
        rc = DB_RUN(db, DB_ADD_USER_ATTR, err, DB_INT(id), DB_TEXT("rung"), DB_TEXT(text));
    if (rc || !t->rung)
        return rc;
    snprintf(text, sizeof(text), "%d", t->promoted_from);
    rc = DB_RUN(db, DB_ADD_USER_ATTR, err, DB_INT(id), DB_TEXT("promoted_from"), DB_TEXT(text));
    if (!rc && t->explored)
        rc = DB_RUN(db, DB_ADD_USER_ATTR, err, DB_INT(id), DB_TEXT("explored"), DB_TEXT("true"));
    return rc;
}

/* started 0: it has not. */
static int add_rows(struct db *db, const struct hpo_trial *t, const char *state, double started,
                    int64_t *ret, struct hpo_err *err)
{
    char time[COLUMN_TIME];
    int64_t id;
    int rc = check_number(db, t->number, err);

    if (rc)
        return rc;
    rc = DB_RUN(db, DB_ADD_TRIAL, err, DB_INT(t->number), DB_INT(db->study_id), DB_TEXT(state),
                DB_TEXT(started > 0 ? column_time(time, started) : NULL));
    if (rc)
        return rc;
    id = sqlite3_last_insert_rowid(db->handle);
    rc = DB_RUN(db, DB_ADD_HPO_TRIAL, err, DB_INT(id), DB_REAL(started > 0 ? started : NAN));
    if (!rc)
        rc = add_retry(db, id, t, err);
    if (!rc)
        rc = add_rung(db, id, t, err);
    if (!rc)
        *ret = id;
    return rc;
}

int trial_add(struct db *db, const struct hpo_space *space, const struct hpo_trial *t, int64_t *ret,
              struct hpo_err *err)
{
    double started = t->started > 0 ? t->started : clock_wall();
    int rc = add_rows(db, t, "RUNNING", started, ret, err);

    return rc ? rc : add_params(db, *ret, space, t->values, err);
}

int trial_enqueue(struct db *db, const struct hpo_space *space, const struct hpo_trial *t,
                  int64_t *ret, struct hpo_err *err)
{
    struct str json = {0};
    int given = 0;
    int rc = add_rows(db, t, "WAITING", 0, ret, err);

    if (rc)
        return rc;
    str_addc(&json, '{');
    for (int i = 0; i < space->n; i++) {
        if (isnan(t->values[i]))
            continue;
        str_add(&json, given++ ? ", " : "");
        column_json_string(space->params[i].name, &json);
        str_add(&json, ": ");
        param_write(&space->params[i], t->values[i], &json);
    }
    str_addc(&json, '}');
    rc = DB_RUN(db, DB_ADD_SYSTEM_ATTR, err, DB_INT(*ret), DB_TEXT("fixed_params"),
                DB_TEXT(str_c(&json)));
    str_release(&json);
    return rc;
}

static int no_longer_waiting(struct db *db, int64_t id, struct hpo_err *err)
{
    sqlite3_stmt *s;
    int rc = DB_BIND(db, DB_GET_STATE, &s, err, DB_INT(id), DB_INT(db->study_id));

    if (rc || (rc = db_step(db, s, err)) < 0)
        return rc;
    if (rc == 0)
        return db_bad(db, err, "there is no trial with trial_id %lld", (long long)id);
    rc = hpo_fail(err, HPO_EBUSY, "%s: trial %lld is %.40s and no longer WAITING", db->path,
                  (long long)sqlite3_column_int64(s, 1), db_text(s, 0) ? db_text(s, 0) : "?");
    sqlite3_reset(s);
    return rc;
}

int trial_claim(struct db *db, const struct hpo_space *space, const struct hpo_trial *t,
                struct hpo_err *err)
{
    double started = t->started > 0 ? t->started : clock_wall();
    char time[COLUMN_TIME];
    int rc = DB_RUN(db, DB_CLAIM_TRIAL, err, DB_TEXT(column_time(time, started)), DB_INT(t->id),
                    DB_INT(db->study_id));

    if (!rc && sqlite3_changes(db->handle) != 1)
        rc = no_longer_waiting(db, t->id, err);
    if (!rc)
        rc = DB_RUN(db, DB_ADD_HPO_TRIAL, err, DB_INT(t->id), DB_REAL(started));
    if (!rc) /* another program may have asked for it, and knows of no rungs */
        rc = add_rung(db, t->id, t, err);
    return rc ? rc : add_params(db, t->id, space, t->values, err);
}
