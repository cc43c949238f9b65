/* Trials taken over from an earlier study: tables of ours, which Optuna does not see. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/storage/columns.h"
#include "hpo/storage/db.h"

static int check_prior(const struct hpo_trial *t, int number, struct hpo_err *err)
{
    if (t->number != number || !hpo_trial_finished(t))
        return hpo_fail(err, HPO_EFORMAT, "prior trial %d: a finished trial %d must come here",
                        t->number, number);
    if (t->state == HPO_TRIAL_COMPLETE && isnan(t->value))
        return hpo_fail(err, HPO_ENUMERIC,
                        "prior trial %d: the value of a COMPLETE trial is not a number", t->number);
    return 0;
}

static int add_prior(struct db *db, const struct hpo_space *space, const struct hpo_trial *t,
                     struct hpo_err *err)
{
    double value = hpo_value_flip(t->value, db->maximize);
    struct str json = {0};
    int rc = DB_RUN(db, DB_ADD_PRIOR, err, DB_INT(t->number),
                    DB_TEXT(hpo_trial_state_name(t->state)), DB_REAL(column_value(value)),
                    DB_TEXT(isnan(value) ? NULL : column_value_type(value)));

    for (int i = 0; i < space->n && !rc; i++) {
        if (isnan(t->values[i]))
            continue;
        str_clear(&json);
        param_write(&space->params[i], t->values[i], &json);
        rc = DB_RUN(db, DB_ADD_PRIOR_PARAM, err, DB_INT(t->number), DB_TEXT(space->params[i].name),
                    DB_TEXT(str_c(&json)));
    }
    str_release(&json);
    return rc;
}

int priors_add(struct db *db, const struct hpo_space *space, const struct hpo_trial *t, int n,
               struct hpo_err *err)
{
    sqlite3_stmt *s;
    int rc = db_bind(db, DB_GET_PRIOR, NULL, 0, &s, err);

    if (rc || (rc = db_step(db, s, err)) < 0)
        return rc;
    sqlite3_reset(s);
    if (rc == 1)
        return db_bad(db, err, "already holds trials of an earlier study");
    for (int i = 0; i < n && !rc; i++) {
        rc = check_prior(&t[i], i - n, err);
        if (!rc)
            rc = add_prior(db, space, &t[i], err);
    }
    return rc;
}

/* ---------------------------------------------------------------- reading */

static int read_prior(struct db *db, sqlite3_stmt *s, struct hpo_trial *t, struct hpo_err *err)
{
    int64_t number = sqlite3_column_int64(s, 0);
    const char *state = db_text(s, 1), *type = db_text(s, 3);

    *t = (struct hpo_trial){.number = (int)number, .value = NAN};
    if (number < -INT32_MAX || number > -1 || !state || !hpo_trial_state_parse(state, &t->state) ||
        !hpo_trial_finished(t))
        return db_bad(db, err, "table hpo_priors, number %lld: it is not a finished trial",
                      (long long)number);
    if (t->state == HPO_TRIAL_FAIL || (t->state == HPO_TRIAL_PRUNED && db_is_null(s, 3)))
        return 0;
    if (!type || !column_value_read(type, db_real(s, 2), &t->value) || isnan(t->value))
        return db_bad(db, err, "table hpo_priors, number %lld: its value is not a number",
                      (long long)number);
    t->value = hpo_value_flip(t->value, db->maximize);
    return 0;
}

/* The rows, numbers rising to -1 without a gap; malloc'ed. */
static int read_priors(struct db *db, struct hpo_trial **ret, int *ret_n, struct hpo_err *err)
{
    struct hpo_trial *trials = NULL;
    int n = 0, cap = 0, rc;
    sqlite3_stmt *s;

    rc = db_bind(db, DB_LOAD_PRIORS, NULL, 0, &s, err);
    while (!rc && (rc = db_step(db, s, err)) == 1) {
        if (n == cap) {
            cap = cap ? cap * 2 : 64;
            trials = xrealloc(trials, sizeof(*trials) * (size_t)cap);
        }
        if (!(rc = read_prior(db, s, &trials[n], err)) && n &&
            trials[n].number != trials[n - 1].number + 1)
            rc =
                db_bad(db, err, "table hpo_priors: number %d is missing", trials[n - 1].number + 1);
        if (rc)
            sqlite3_reset(s);
        n++;
    }
    if (!rc && n && trials[n - 1].number != -1)
        rc = db_bad(db, err, "table hpo_priors: number -1 is missing");
    *ret = trials;
    *ret_n = n;
    return rc;
}

static void read_param(const struct hpo_space *space, const char *name, const char *json,
                       double *values)
{
    for (int i = 0; i < space->n; i++) {
        cJSON *j;

        if (strcmp(space->params[i].name, name))
            continue;
        j = json_parse(json, strlen(json));
        values[i] = j ? param_read(&space->params[i], j) : NAN;
        cJSON_Delete(j);
        return;
    }
}

static int read_params(struct db *db, const struct hpo_space *space, int n, double *values,
                       struct hpo_err *err)
{
    sqlite3_stmt *s;
    int rc = db_bind(db, DB_LOAD_PRIOR_PARAMS, NULL, 0, &s, err);

    while (!rc && (rc = db_step(db, s, err)) == 1) {
        int64_t number = sqlite3_column_int64(s, 0);
        const char *name = db_text(s, 1), *json = db_text(s, 2);

        if (name && json && number >= -n && number < 0)
            read_param(space, name, json, values + (size_t)(number + n) * (size_t)space->n);
        rc = 0;
    }
    return rc;
}

int load_priors(struct db *db, const struct hpo_space *space, struct arena *a,
                struct hpo_trial **ret, int *ret_n, struct hpo_err *err)
{
    struct hpo_trial *trials = NULL;
    double *values = NULL;
    int n = 0, rc;

    if (db->format < 2) {
        *ret = NULL;
        *ret_n = 0;
        return 0;
    }
    if (!(rc = read_priors(db, &trials, &n, err)) && space) {
        values = ARENA_ARRAY(a, double, (size_t)n *(size_t)space->n + 1);
        for (size_t i = 0; i < (size_t)n * (size_t)space->n; i++)
            values[i] = NAN;
        rc = read_params(db, space, n, values, err);
    }
    for (int i = 0; i < n && !rc && space; i++) {
        double *v = values + (size_t)i * (size_t)space->n;

        hpo_space_mask(space, v);
        trials[i].values = v;
    }
    if (!rc) {
        *ret = n ? arena_dup(a, trials, sizeof(*trials) * (size_t)n) : NULL;
        *ret_n = n;
    }
    free(trials);
    return rc;
}
