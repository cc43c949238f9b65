/* The rows of a trial that ends: ours, Optuna's, and the attributes its dashboard shows. */
#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "hpo/storage/columns.h"
#include "hpo/storage/db.h"

/* The text of an attribute: the message of a failure may quote bytes that are not UTF-8. */
static cJSON *text_value(const char *text)
{
    struct str s = {0};
    cJSON *j;

    column_json_string(text, &s);
    j = cJSON_CreateRaw(str_c(&s));
    str_release(&s);
    return j;
}

static int add_attr(struct db *db, enum db_sql table, int64_t id, const char *key, cJSON *value,
                    struct hpo_err *err)
{
    struct str json = {0};
    int rc;

    json_write(value, &json);
    cJSON_Delete(value);
    rc = DB_RUN(db, table, err, DB_INT(id), DB_TEXT(key), DB_TEXT(str_c(&json)));
    str_release(&json);
    return rc;
}

static cJSON *fold_array(const struct hpo_trial *t)
{
    cJSON *j = cJSON_CreateArray();

    for (int i = 0; i < t->n_folds; i++)
        cJSON_AddItemToArray(j, json_number(t->folds[i].value));
    return j;
}

/* What people want to see beside a trial in Optuna's dashboard, which does not read our tables. */
static int add_attrs(struct db *db, const struct hpo_trial *t, struct hpo_err *err)
{
    bool finite = t->n_folds > 0;
    int rc = 0;

    for (int i = 0; i < t->n_folds; i++)
        finite &= isfinite(t->folds[i].value) != 0;
    if (t->n_folds)
        rc = add_attr(db, DB_ADD_USER_ATTR, t->id, "fold_values", fold_array(t), err);
    if (!rc && t->n_folds > 1)
        rc = add_attr(db, DB_ADD_USER_ATTR, t->id, "std", json_number(hpo_trial_std(t)), err);
    /* Where Optuna's terminator looks for cross validation scores; it computes with them. */
    if (!rc && finite && t->state == HPO_TRIAL_COMPLETE && !t->cheap)
        rc = add_attr(db, DB_ADD_SYSTEM_ATTR, t->id, "terminator:cv_scores", fold_array(t), err);
    if (!rc)
        rc = add_attr(db, DB_ADD_USER_ATTR, t->id, "seconds", json_number(t->seconds), err);
    if (!rc && t->device)
        rc = add_attr(db, DB_ADD_USER_ATTR, t->id, "device", text_value(t->device), err);
    if (!rc && t->state == HPO_TRIAL_FAIL && t->reason)
        rc = add_attr(db, DB_ADD_USER_ATTR, t->id, "fail_reason", text_value(t->reason), err);
    return rc;
}

int trial_end(struct db *db, const struct hpo_trial *t, struct hpo_err *err)
{
    double ended = t->ended > 0 ? t->ended : clock_wall();
    double value = hpo_value_flip(t->value, db->maximize);
    bool cheap = t->cheap && t->state == HPO_TRIAL_COMPLETE;
    enum hpo_trial_state to_optuna = cheap ? HPO_TRIAL_PRUNED : t->state;
    char time[COLUMN_TIME];
    int rc;

    if ((rc = DB_RUN(db, DB_END_TRIAL, err, DB_TEXT(hpo_trial_state_name(to_optuna)),
                     DB_TEXT(column_time(time, ended)), DB_INT(t->id))) ||
        (rc = DB_RUN(db, DB_END_HPO_TRIAL, err, DB_INT(t->id), DB_REAL(ended),
                     DB_REAL(isfinite(t->seconds) ? t->seconds : 0), DB_INT(t->attempts),
                     DB_TEXT(t->device), DB_TEXT(t->reason))))
        return rc;
    if (cheap)
        rc = DB_RUN(db, DB_END_RUNG, err, DB_INT(t->id));
    if (!rc && t->state != HPO_TRIAL_FAIL && !isnan(value))
        rc = DB_RUN(db, DB_ADD_VALUE, err, DB_INT(t->id), DB_REAL(column_value(value)),
                    DB_TEXT(column_value_type(value)));
    for (int i = 0; i < t->n_folds && !rc; i++)
        rc = DB_RUN(db, DB_ADD_FOLD, err, DB_INT(t->id), DB_INT(t->folds[i].fold),
                    DB_INT(t->folds[i].epoch), DB_REAL(t->folds[i].value),
                    DB_REAL(t->folds[i].seconds));
    return rc ? rc : add_attrs(db, t, err);
}
