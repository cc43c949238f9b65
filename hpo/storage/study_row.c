/* The study's own rows. */
#include <string.h>

#include "hpo/storage/columns.h"
#include "hpo/storage/schema.h"

#define NAME_MAX_BYTES 512
#define CONFIG_MAX (4 << 20)

static int read_direction(struct db *db, int64_t study_id, bool *ret, struct hpo_err *err)
{
    const char *text;
    sqlite3_stmt *s;
    int rc = DB_BIND(db, DB_GET_DIRECTION, &s, err, DB_INT(study_id));

    if (rc || (rc = db_step(db, s, err)) < 0)
        return rc;
    text = rc ? db_text(s, 0) : NULL;
    if (!text || (strcmp(text, "MAXIMIZE") && strcmp(text, "MINIMIZE"))) {
        sqlite3_reset(s);
        return db_bad(db, err, "table study_directions: the study has no direction");
    }
    *ret = !strcmp(text, "MAXIMIZE");
    rc = db_step(db, s, err);
    sqlite3_reset(s);
    if (rc > 0)
        return db_bad(db, err, "its study has several objectives, and this program knows one");
    return rc;
}

static int read_study(struct db *db, sqlite3_stmt *s, struct hpo_study_info *ret, struct arena *a,
                      struct hpo_err *err)
{
    double created = db_real(s, 5);

    if (!db_text(s, 1))
        return db_bad(db, err, "its study was deleted by another program: start a new one");
    if (!db_text(s, 2) || !db_text(s, 3) || !db_text(s, 4) || !(created >= 0))
        return db_bad(db, err, "table hpo_study: a column is not of its type");
    if (!ret)
        return 0;
    *ret = (struct hpo_study_info){
        .name = db_text_dup(s, 1, NAME_MAX_BYTES, a),
        .metric = db_text_dup(s, 2, NAME_MAX_BYTES, a),
        .config = db_text_dup(s, 3, CONFIG_MAX, a),
        .digest = db_text_dup(s, 4, CONFIG_MAX, a),
        .created = created,
        .interrupted = sqlite3_column_int(s, 6) != 0,
    };
    return 0;
}

int study_find(struct db *db, struct hpo_study_info *ret, struct arena *a, struct hpo_err *err)
{
    struct hpo_study_info info = {0};
    bool maximize = false;
    int64_t study_id;
    sqlite3_stmt *s;
    int rc = db_bind(db, DB_GET_STUDY, NULL, 0, &s, err);

    if (rc || (rc = db_step(db, s, err)) < 0)
        return rc;
    if (rc == 0)
        return hpo_fail(err, HPO_EMISSING, "%s: there is no study in it", db->path);
    study_id = sqlite3_column_int64(s, 0);
    rc = read_study(db, s, ret ? &info : NULL, a, err);
    if (!rc && (rc = db_step(db, s, err)) == 1)
        rc = db_bad(db, err, "table hpo_study: it has more than one row");
    sqlite3_reset(s);
    if (!rc)
        rc = read_direction(db, study_id, &maximize, err);
    if (rc)
        return rc;
    db->study_id = study_id;
    db->maximize = maximize;
    if (ret) {
        *ret = info;
        ret->maximize = maximize;
    }
    return 0;
}

int study_add(struct db *db, const struct hpo_study_info *info, struct hpo_err *err)
{
    struct str names = {0};
    int64_t id;
    int rc;

    if ((rc = DB_RUN(db, DB_ADD_STUDY, err, DB_TEXT(info->name))))
        return rc;
    id = sqlite3_last_insert_rowid(db->handle);
    /* Optuna's dashboard labels its axes with it. */
    str_addc(&names, '[');
    column_json_string(info->metric, &names);
    str_addc(&names, ']');
    if (!(rc = DB_RUN(db, DB_ADD_DIRECTION, err, DB_TEXT(info->maximize ? "MAXIMIZE" : "MINIMIZE"),
                      DB_INT(id))) &&
        !(rc = DB_RUN(db, DB_ADD_STUDY_ATTR, err, DB_INT(id), DB_TEXT("study:metric_names"),
                      DB_TEXT(str_c(&names)))))
        rc = DB_RUN(db, DB_ADD_HPO_STUDY, err, DB_INT(id), DB_INT(SCHEMA_FORMAT),
                    DB_TEXT(info->metric), DB_TEXT(info->config ? info->config : ""),
                    DB_TEXT(info->digest ? info->digest : ""), DB_REAL(info->created),
                    DB_INT(info->interrupted));
    str_release(&names);
    return rc;
}
