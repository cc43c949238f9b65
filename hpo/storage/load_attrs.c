/* What was asked of a trial before it ran: Optuna's system attributes, and our table of retries. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "hpo/storage/columns.h"
#include "hpo/storage/db.h"

#define RETRY_MAX 1000000
#define RUNG_MAX 1000

static const struct hpo_param *find_param(const struct hpo_space *space, const char *name,
                                          int *ret_index)
{
    for (int i = 0; name && i < space->n; i++) {
        if (!strcmp(space->params[i].name, name)) {
            *ret_index = i;
            return &space->params[i];
        }
    }
    return NULL;
}

/* What is not a value of the space is left to the sampler. */
static void read_fixed(const struct hpo_space *space, const cJSON *fixed, double *values)
{
    const cJSON *j;
    int k;

    if (!cJSON_IsObject(fixed))
        return;
    cJSON_ArrayForEach(j, fixed)
    {
        const struct hpo_param *p = find_param(space, j->string, &k);

        if (p)
            values[k] = param_read(p, j);
    }
}

/* Optuna's own retries: the first failed trial, and how many there were before this one. */
static void read_retry(const char *key, const cJSON *j, struct hpo_trial *t)
{
    int n = cJSON_IsArray(j) ? cJSON_GetArraySize(j) : 0;

    if (!strcmp(key, "retry_history"))
        t->retry = n < RETRY_MAX ? n : RETRY_MAX;
    else if (cJSON_IsNumber(j) && j->valuedouble >= 0 && j->valuedouble < t->number)
        t->retry_of = (int)j->valuedouble;
}

static int read_attrs(struct db *db, const struct hpo_space *space,
                      struct hpo_trial *(*find)(void *arg, int64_t id), void *arg, double *values,
                      struct hpo_err *err)
{
    sqlite3_stmt *s;
    int rc = db_bind(db, DB_LOAD_ATTRS, NULL, 0, &s, err);

    while (!rc && (rc = db_step(db, s, err)) == 1) {
        struct hpo_trial *t = find(arg, sqlite3_column_int64(s, 0));
        const char *key = db_text(s, 1), *json = db_text(s, 2);
        bool fixed = key && !strcmp(key, "fixed_params");
        cJSON *j;

        rc = 0;
        if (!t || !key || !json)
            continue;
        t->enqueued |= fixed;
        if (fixed && (!space || t->state != HPO_TRIAL_WAITING))
            continue;
        j = json_parse(json, strlen(json));
        if (fixed)
            read_fixed(space, j, values + (size_t)t->number * (size_t)space->n);
        else
            read_retry(key, j, t);
        cJSON_Delete(j);
    }
    return rc;
}

static int read_retries(struct db *db, struct hpo_trial *(*find)(void *arg, int64_t id), void *arg,
                        struct hpo_err *err)
{
    sqlite3_stmt *s;
    int rc = db_bind(db, DB_LOAD_RETRIES, NULL, 0, &s, err);

    while (!rc && (rc = db_step(db, s, err)) == 1) {
        struct hpo_trial *t = find(arg, sqlite3_column_int64(s, 0));
        int64_t retry = sqlite3_column_int64(s, 1), of = sqlite3_column_int64(s, 2);

        rc = 0;
        if (!t)
            continue;
        if (retry < 1 || retry > RETRY_MAX || of < 0 || of >= t->number) {
            sqlite3_reset(s);
            return db_bad(db, err,
                          "table hpo_retries, trial_id %lld: it is not a repetition of an earlier "
                          "trial",
                          (long long)t->id);
        }
        t->retry = (int)retry;
        t->retry_of = (int)of;
    }
    return rc;
}

static int read_rungs(struct db *db, struct hpo_trial *(*find)(void *arg, int64_t id), void *arg,
                      struct hpo_err *err)
{
    sqlite3_stmt *s;
    int rc = db_bind(db, DB_LOAD_RUNGS, NULL, 0, &s, err);

    while (!rc && (rc = db_step(db, s, err)) == 1) {
        struct hpo_trial *t = find(arg, sqlite3_column_int64(s, 0));
        int64_t rung = sqlite3_column_int64(s, 1), from = sqlite3_column_int64(s, 3);

        rc = 0;
        if (!t)
            continue;
        if (rung < 0 || rung > RUNG_MAX || (rung && (from < 0 || from >= t->number))) {
            sqlite3_reset(s);
            return db_bad(db, err,
                          "table hpo_rungs, trial_id %lld: it is not on a rung that an earlier "
                          "trial was promoted to",
                          (long long)t->id);
        }
        t->rung = (int)rung;
        t->cheap = sqlite3_column_int(s, 2) != 0;
        t->promoted_from = rung ? (int)from : 0;
        t->explored = sqlite3_column_int(s, 4) != 0;
        if (t->cheap && sqlite3_column_int(s, 5) && t->state == HPO_TRIAL_PRUNED &&
            !isnan(t->value))
            t->state = HPO_TRIAL_COMPLETE;
    }
    return rc;
}

int load_attrs(struct db *db, const struct hpo_space *space,
               struct hpo_trial *(*find)(void *arg, int64_t id), void *arg, double *values,
               struct hpo_err *err)
{
    int rc = read_attrs(db, space, find, arg, values, err);

    if (!rc && db->format >= 2)
        rc = read_retries(db, find, arg, err);
    if (!rc && db->format >= 3)
        rc = read_rungs(db, find, arg, err);
    return rc;
}
