/* The tables: Optuna's, column for column as its own migrations leave them (3.2 to 5.0 at least),
 * and ours beside them, which Optuna and its dashboard pass over. application_id and user_version
 * stay 0, as Optuna leaves them. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "hpo/storage/db.h"
#include "hpo/storage/schema.h"

/* Source: Optuna's storages/_rdb/models.py. */
static const char optuna_tables[] =
    "CREATE TABLE studies (study_id INTEGER NOT NULL, study_name VARCHAR(512) NOT NULL,"
    " PRIMARY KEY (study_id));"
    "CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);"
    "CREATE TABLE version_info (version_info_id INTEGER NOT NULL, schema_version INTEGER,"
    " library_version VARCHAR(256), PRIMARY KEY (version_info_id), CHECK (version_info_id=1));"
    "CREATE TABLE study_directions (study_direction_id INTEGER NOT NULL,"
    " direction VARCHAR(8) NOT NULL, study_id INTEGER NOT NULL, objective INTEGER NOT NULL,"
    " PRIMARY KEY (study_direction_id), UNIQUE (study_id, objective),"
    " FOREIGN KEY(study_id) REFERENCES studies (study_id));"
    "CREATE TABLE study_user_attributes (study_user_attribute_id INTEGER NOT NULL,"
    " study_id INTEGER, \"key\" VARCHAR(512), value_json TEXT,"
    " PRIMARY KEY (study_user_attribute_id), UNIQUE (study_id, \"key\"),"
    " FOREIGN KEY(study_id) REFERENCES studies (study_id));"
    "CREATE TABLE study_system_attributes (study_system_attribute_id INTEGER NOT NULL,"
    " study_id INTEGER, \"key\" VARCHAR(512), value_json TEXT,"
    " PRIMARY KEY (study_system_attribute_id), UNIQUE (study_id, \"key\"),"
    " FOREIGN KEY(study_id) REFERENCES studies (study_id));"
    "CREATE TABLE trials (trial_id INTEGER NOT NULL, number INTEGER, study_id INTEGER,"
    " state VARCHAR(8) NOT NULL, datetime_start DATETIME, datetime_complete DATETIME,"
    " PRIMARY KEY (trial_id), FOREIGN KEY(study_id) REFERENCES studies (study_id));"
    "CREATE INDEX ix_trials_study_id ON trials (study_id);"
    "CREATE TABLE trial_user_attributes (trial_user_attribute_id INTEGER NOT NULL,"
    " trial_id INTEGER, \"key\" VARCHAR(512), value_json TEXT,"
    " PRIMARY KEY (trial_user_attribute_id), UNIQUE (trial_id, \"key\"),"
    " FOREIGN KEY(trial_id) REFERENCES trials (trial_id));"
    "CREATE TABLE trial_system_attributes (trial_system_attribute_id INTEGER NOT NULL,"
    " trial_id INTEGER, \"key\" VARCHAR(512), value_json TEXT,"
    " PRIMARY KEY (trial_system_attribute_id), UNIQUE (trial_id, \"key\"),"
    " FOREIGN KEY(trial_id) REFERENCES trials (trial_id));"
    "CREATE TABLE trial_params (param_id INTEGER NOT NULL, trial_id INTEGER,"
    " param_name VARCHAR(512), param_value FLOAT, distribution_json TEXT,"
    " PRIMARY KEY (param_id), UNIQUE (trial_id, param_name),"
    " FOREIGN KEY(trial_id) REFERENCES trials (trial_id));"
    "CREATE TABLE trial_values (trial_value_id INTEGER NOT NULL, trial_id INTEGER NOT NULL,"
    " objective INTEGER NOT NULL, value FLOAT, value_type VARCHAR(7) NOT NULL,"
    " PRIMARY KEY (trial_value_id), UNIQUE (trial_id, objective),"
    " FOREIGN KEY(trial_id) REFERENCES trials (trial_id));"
    "CREATE TABLE trial_intermediate_values (trial_intermediate_value_id INTEGER NOT NULL,"
    " trial_id INTEGER NOT NULL, step INTEGER NOT NULL, intermediate_value FLOAT,"
    " intermediate_value_type VARCHAR(7) NOT NULL, PRIMARY KEY (trial_intermediate_value_id),"
    " UNIQUE (trial_id, step), FOREIGN KEY(trial_id) REFERENCES trials (trial_id));"
    "CREATE TABLE trial_heartbeats (trial_heartbeat_id INTEGER NOT NULL,"
    " trial_id INTEGER NOT NULL, heartbeat DATETIME NOT NULL, PRIMARY KEY (trial_heartbeat_id),"
    " UNIQUE (trial_id), FOREIGN KEY(trial_id) REFERENCES trials (trial_id));"
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
    " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));"
    /* library_version is shown in a message of Optuna's and not interpreted. */
    "INSERT INTO version_info VALUES (1, 12, 'hpo " HPO_VERSION "');"
    "INSERT INTO alembic_version VALUES ('" SCHEMA_OPTUNA "');";

static const char our_tables[] =
    /* One row: the study that this file is about. created: seconds since 1970. */
    "CREATE TABLE hpo_study (study_id INTEGER PRIMARY KEY REFERENCES studies (study_id),"
    " format INTEGER NOT NULL, metric TEXT NOT NULL, config TEXT NOT NULL, digest TEXT NOT NULL,"
    " created REAL NOT NULL, interrupted INTEGER NOT NULL);"
    "CREATE TABLE hpo_trials (trial_id INTEGER PRIMARY KEY REFERENCES trials (trial_id),"
    " started REAL, ended REAL, seconds REAL NOT NULL, attempts INTEGER NOT NULL, device TEXT,"
    " reason TEXT);"
    "CREATE TABLE hpo_attempts (trial_id INTEGER NOT NULL REFERENCES trials (trial_id),"
    " attempt INTEGER NOT NULL, device TEXT, pid INTEGER, started REAL NOT NULL,"
    " PRIMARY KEY (trial_id, attempt)) WITHOUT ROWID;"
    /* The values of metrics are not flipped; a NaN is NULL. */
    "CREATE TABLE hpo_metrics (metric_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE hpo_epochs (trial_id INTEGER NOT NULL REFERENCES trials (trial_id),"
    " fold INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " metric_id INTEGER NOT NULL REFERENCES hpo_metrics (metric_id), value REAL,"
    " PRIMARY KEY (trial_id, fold, epoch, metric_id)) WITHOUT ROWID;"
    "CREATE TABLE hpo_folds (trial_id INTEGER NOT NULL REFERENCES trials (trial_id),"
    " fold INTEGER NOT NULL, epoch INTEGER NOT NULL, value REAL, seconds REAL,"
    " PRIMARY KEY (trial_id, fold)) WITHOUT ROWID;";

/* retry_of: the number of the trial whose failure began it. Of trials taken over from an earlier
 * study, parameters are kept as what they are to people (JSON), whatever becomes of the space. */
static const char tables_of_2[] =
    "CREATE TABLE hpo_retries (trial_id INTEGER PRIMARY KEY REFERENCES trials (trial_id),"
    " retry INTEGER NOT NULL, retry_of INTEGER NOT NULL);"
    "CREATE TABLE hpo_priors (number INTEGER PRIMARY KEY, state TEXT NOT NULL, value REAL,"
    " value_type TEXT);"
    "CREATE TABLE hpo_prior_params (number INTEGER NOT NULL REFERENCES hpo_priors (number),"
    " name TEXT NOT NULL, value_json TEXT NOT NULL, PRIMARY KEY (number, name)) WITHOUT ROWID;";

/* Of trials of a study with rungs. complete: it is COMPLETE, though Optuna is told PRUNED. */
static const char tables_of_3[] =
    "CREATE TABLE hpo_rungs (trial_id INTEGER PRIMARY KEY REFERENCES trials (trial_id),"
    " rung INTEGER NOT NULL, cheap INTEGER NOT NULL, promoted_from INTEGER,"
    " explored INTEGER NOT NULL, complete INTEGER NOT NULL);";

static const char *const optuna_names[] = {
    "studies",      "study_directions",      "study_system_attributes",
    "trials",       "trial_user_attributes", "trial_system_attributes",
    "trial_params", "trial_values",          "trial_intermediate_values",
    "version_info", "alembic_version"};
static const char *const our_names[] = {"hpo_study",   "hpo_trials", "hpo_attempts",
                                        "hpo_metrics", "hpo_epochs", "hpo_folds"};
static const char *const names_of_2[] = {"hpo_retries", "hpo_priors", "hpo_prior_params"};
static const char *const names_of_3[] = {"hpo_rungs"};

/* The revisions whose tables are the ones above. A file stamped v3.0.0.d opens in Optuna 3.0 and
 * 3.1 (people change the row to that end); it lacks an index. */
static const char *const revisions[] = {SCHEMA_OPTUNA, "v3.0.0.d"};

/* The first column of the first row of a query with at most one text parameter. */
static int query(struct db *db, const char *sql, const char *arg, sqlite3_stmt **ret, bool *ret_row,
                 struct hpo_err *err)
{
    sqlite3_stmt *s = NULL;
    int rc;

    if (sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) != SQLITE_OK)
        return db_fail(db, err);
    if (arg)
        sqlite3_bind_text(s, 1, arg, -1, SQLITE_STATIC);
    rc = sqlite3_step(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        rc = db_fail(db, err);
        sqlite3_finalize(s);
        return rc;
    }
    *ret = s;
    *ret_row = rc == SQLITE_ROW;
    return 0;
}

static int query_int(struct db *db, const char *sql, const char *arg, int64_t *ret,
                     struct hpo_err *err)
{
    sqlite3_stmt *s;
    bool row;
    int rc = query(db, sql, arg, &s, &row, err);

    if (rc)
        return rc;
    *ret = row && db_is_int(s, 0) ? sqlite3_column_int64(s, 0) : -1;
    sqlite3_finalize(s);
    return 0;
}

int schema_empty(struct db *db, bool *ret, struct hpo_err *err)
{
    int64_t n;
    int rc = query_int(db, "SELECT count(*) FROM sqlite_master", NULL, &n, err);

    if (!rc)
        *ret = n == 0;
    return rc;
}

int schema_create(struct db *db, struct hpo_err *err)
{
    int rc = db_begin(db, true, err);

    if (rc)
        return rc;
    rc = db_exec(db, optuna_tables, err);
    if (!rc)
        rc = db_exec(db, our_tables, err);
    if (!rc)
        rc = db_exec(db, tables_of_2, err);
    if (!rc)
        rc = db_exec(db, tables_of_3, err);
    return db_end(db, rc, err);
}

int schema_migrate(struct db *db, struct hpo_err *err)
{
    int rc;

    if (db->format == SCHEMA_FORMAT)
        return 0;
    if ((rc = db_begin(db, true, err)))
        return rc;
    if (db->format < 2)
        rc = db_exec(db, tables_of_2, err);
    if (!rc)
        rc = db_exec(db, tables_of_3, err);
    if (!rc)
        rc = db_exec(db, "UPDATE hpo_study SET format = 3", err);
    if (!(rc = db_end(db, rc, err)))
        db->format = SCHEMA_FORMAT;
    return rc;
}

/* How many of the names are ordinary tables: a view or a virtual table in their place could run
 * anything. */
static int count_tables(struct db *db, const char *const *names, int n, int *ret,
                        struct hpo_err *err)
{
    int found = 0;

    for (int i = 0; i < n; i++) {
        int64_t is;
        int rc = query_int(db,
                           "SELECT 1 FROM sqlite_master WHERE name = ? AND type = 'table'"
                           " AND rootpage > 0",
                           names[i], &is, err);

        if (rc)
            return rc;
        found += is == 1;
    }
    *ret = found;
    return 0;
}

static int lacks_tables(struct db *db, struct hpo_err *err)
{
    return db_bad(db, err,
                  "lacks some of the tables of a study: it is damaged, or another program "
                  "has changed it");
}

static int check_tables(struct db *db, struct hpo_err *err)
{
    int optuna, ours, rc;

    if ((rc = count_tables(db, optuna_names, HPO_LEN(optuna_names), &optuna, err)) ||
        (rc = count_tables(db, our_names, HPO_LEN(our_names), &ours, err)))
        return rc;
    if (optuna == HPO_LEN(optuna_names) && ours == HPO_LEN(our_names))
        return 0;
    if (optuna == HPO_LEN(optuna_names) && !ours)
        return db_bad(db, err,
                      "is a storage that Optuna made, without a study of hpo in it: choose another "
                      "study name or folder");
    if (!optuna && !ours)
        return db_bad(db, err,
                      "is a database of another program: choose another study name or folder");
    return lacks_tables(db, err);
}

static int check_optuna_version(struct db *db, struct hpo_err *err)
{
    sqlite3_stmt *s;
    int64_t version;
    bool row, known = false;
    char found[64];
    int rc = query_int(db, "SELECT schema_version FROM version_info", NULL, &version, err);

    if (rc)
        return rc;
    if ((rc = query(db, "SELECT version_num FROM alembic_version", NULL, &s, &row, err)))
        return rc;
    snprintf(found, sizeof(found), "%s", row && db_text(s, 0) ? db_text(s, 0) : "(none)");
    sqlite3_finalize(s);
    for (size_t i = 0; i < HPO_LEN(revisions); i++)
        known |= !strcmp(found, revisions[i]);
    if (known && version == 12)
        return 0;
    return db_bad(db, err,
                  "its Optuna schema is '%s' (%lld), and this program knows '%s' (12): another "
                  "version of Optuna has changed the file; use a version of hpo that knows it",
                  found, (long long)version, SCHEMA_OPTUNA);
}

int schema_check(struct db *db, struct hpo_err *err)
{
    int64_t format;
    int second, third, rc;

    if ((rc = check_tables(db, err)) || (rc = check_optuna_version(db, err)) ||
        (rc = query_int(db, "SELECT max(format) FROM hpo_study", NULL, &format, err)) ||
        (rc = count_tables(db, names_of_2, HPO_LEN(names_of_2), &second, err)) ||
        (rc = count_tables(db, names_of_3, HPO_LEN(names_of_3), &third, err)))
        return rc;
    if (format > SCHEMA_FORMAT)
        return db_bad(db, err,
                      "was written by a newer hpo (format %lld, this one knows %d): use that "
                      "version",
                      (long long)format, SCHEMA_FORMAT);
    if ((second != HPO_LEN(names_of_2) && (second || format >= 2)) ||
        (third != HPO_LEN(names_of_3) && format >= 3) || (third && !second))
        return lacks_tables(db, err);
    db->format = third ? 3 : second ? 2 : 1;
    return 0;
}
