/* hpo/storage/db.h - one connection to a study's SQLite file: opening it in the three modes,
 * statements prepared once, transactions, and SQLite's errors as sentences for people.
 *
 * WAL mode. A transaction is durable (synchronous=FULL: the log is synced at the commit) or quick
 * (synchronous=NORMAL: written to the log, synced with the next durable commit). Either survives
 * the death of the process; a power loss may take the last quick ones. A single process writes, so
 * automatic checkpoints, which keep the log at a few MiB, cannot meet another writer's (the flaw in
 * SQLite before 3.51.3 that makes two checkpointing writers unsafe). */
#ifndef HPO_STORAGE_DB_H
#define HPO_STORAGE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "hpo/core/storage.h"

/* Prepared when first used, kept until the connection closes: see db_sql.c. */
enum db_sql {
    DB_ADD_STUDY,
    DB_ADD_DIRECTION,
    DB_ADD_STUDY_ATTR,
    DB_ADD_HPO_STUDY,
    DB_GET_STUDY,
    DB_GET_DIRECTION,
    DB_SET_STUDY,
    DB_LAST_NUMBER,
    DB_ADD_TRIAL,
    DB_ADD_HPO_TRIAL,
    DB_ADD_RETRY,
    DB_GET_RETRIES,
    DB_ADD_RUNG,
    DB_END_RUNG,
    DB_CLAIM_TRIAL,
    DB_ADD_PARAM,
    DB_GET_STATE,
    DB_ADD_ATTEMPT,
    DB_SET_ATTEMPT,
    DB_ADD_METRIC,
    DB_GET_METRIC,
    DB_ADD_EPOCH,
    DB_ADD_POINT,
    DB_END_TRIAL,
    DB_END_HPO_TRIAL,
    DB_ADD_VALUE,
    DB_ADD_FOLD,
    DB_ADD_USER_ATTR,
    DB_ADD_SYSTEM_ATTR,
    DB_LOAD_TRIALS,
    DB_LOAD_PARAMS,
    DB_LOAD_POINTS,
    DB_LOAD_FOLDS,
    DB_LOAD_EPOCHS,
    DB_LOAD_ATTRS,
    DB_LOAD_RETRIES,
    DB_LOAD_RUNGS,
    DB_GET_PRIOR,
    DB_ADD_PRIOR,
    DB_ADD_PRIOR_PARAM,
    DB_LOAD_PRIORS,
    DB_LOAD_PRIOR_PARAMS,
    DB_SQL_COUNT
};
extern const char *const db_sql_text[DB_SQL_COUNT];

#define DB_BUSY_MS 10000 /* how long to wait for another program's transaction */
/* The largest value that is read; none that we write is near it. */
#define DB_LENGTH_MAX (16 << 20)
#define DB_METRICS 64

struct db {
    sqlite3 *handle; /* NULL: closed */
    const char *path;
    enum storage_mode mode;
    bool wal;           /* the journal is a write-ahead log (not every file system can) */
    bool immutable;     /* opened as a file that nobody writes: see db_read */
    struct stat opened; /* the file when it was opened so */
    int synchronous;    /* the current PRAGMA: 1 NORMAL, 2 FULL */
    bool grouped;       /* between db_begin_group and db_commit_group */
    int format;         /* of our tables; below SCHEMA_FORMAT only in mode READ */
    sqlite3_stmt *statements[DB_SQL_COUNT];
    int64_t study_id; /* 0: none yet */
    bool maximize;
    /* Rows of hpo_metrics met so far. */
    int n_metrics;
    struct {
        int64_t id;
        char name[64];
    } metrics[DB_METRICS];
};

/* A value to bind. Built by these macros, so that an argument of a wrong type does not compile. */
struct db_value {
    enum { DB_VALUE_INT, DB_VALUE_REAL, DB_VALUE_TEXT } type;
    int64_t i;
    double d;
    const char *s;
};
#define DB_INT(v) ((struct db_value){.type = DB_VALUE_INT, .i = (v)})
#define DB_REAL(v) ((struct db_value){.type = DB_VALUE_REAL, .d = (v)}) /* NaN: NULL */
#define DB_TEXT(v) ((struct db_value){.type = DB_VALUE_TEXT, .s = (v)}) /* not copied */

int db_open(struct db *db, const char *path, enum storage_mode mode, struct hpo_err *err);
void db_close(struct db *db); /* empties the log into the file; a zeroed one is valid */

/* The failure that SQLite just reported, as one of our codes and a sentence naming the file. */
int db_fail(struct db *db, struct hpo_err *err);
/* The same for what a row says: HPO_EFORMAT, "path: sentence". */
int db_bad(struct db *db, struct hpo_err *err, const char *fmt, ...) HPO_PRINTF(3, 4);

/* A cached statement, reset, with these values bound. */
int db_bind(struct db *db, enum db_sql which, const struct db_value *values, int n,
            sqlite3_stmt **ret, struct hpo_err *err);
#define DB_BIND(db, which, ret, err, ...)                \
    db_bind(db, which, (struct db_value[]){__VA_ARGS__}, \
            HPO_LEN(((struct db_value[]){__VA_ARGS__})), ret, err)
/* 1: a row, 0: no more (the statement is reset), negative: a failure (it is reset). */
int db_step(struct db *db, sqlite3_stmt *s, struct hpo_err *err);
/* A statement without rows. */
int db_run(struct db *db, enum db_sql which, const struct db_value *values, int n,
           struct hpo_err *err);
#define DB_RUN(db, which, err, ...)                     \
    db_run(db, which, (struct db_value[]){__VA_ARGS__}, \
           HPO_LEN(((struct db_value[]){__VA_ARGS__})), err)
int db_exec(struct db *db, const char *sql, struct hpo_err *err);

/* BEGIN IMMEDIATE; a savepoint inside a group, whose commit is durable. */
int db_begin(struct db *db, bool durable, struct hpo_err *err);
/* COMMIT when rc is 0, else (or when it fails) ROLLBACK. Returns rc or the commit's failure. */
int db_end(struct db *db, int rc, struct hpo_err *err);
/* storage_ops.begin and commit. */
int db_begin_group(struct db *db, struct hpo_err *err);
int db_commit_group(struct db *db, struct hpo_err *err);

/* Run fn on one snapshot. A file that nobody writes is read without making its -wal and -shm
 * files, which a reader would leave behind (and which need a writable folder); should a writer
 * turn up meanwhile, fn is run once more on an ordinary connection. */
int db_read(struct db *db, int (*fn)(struct db *db, void *arg, struct hpo_err *err), void *arg,
            struct hpo_err *err);

/* Columns of the current row, whatever a foreign program put there. */
bool db_is_int(sqlite3_stmt *s, int col);
bool db_is_null(sqlite3_stmt *s, int col);
double db_real(sqlite3_stmt *s, int col);      /* NaN when it is not a number */
const char *db_text(sqlite3_stmt *s, int col); /* NULL when it is not text; until the next step */
/* Copied into a, cut at max bytes, repaired where it is not UTF-8. */
char *db_text_dup(sqlite3_stmt *s, int col, size_t max, struct arena *a);

/* The study's row -> db->study_id and direction, and *ret (NULL: not wanted) with strings in a.
 * HPO_EMISSING: there is none yet. */
int study_find(struct db *db, struct hpo_study_info *ret, struct arena *a, struct hpo_err *err);

/* Its rows, inside a transaction. */
int study_add(struct db *db, const struct hpo_study_info *info, struct hpo_err *err);

/* Inside a transaction: the rows of a trial that runs from now on or waits; its id -> *ret. */
int trial_add(struct db *db, const struct hpo_space *space, const struct hpo_trial *t, int64_t *ret,
              struct hpo_err *err);
int trial_enqueue(struct db *db, const struct hpo_space *space, const struct hpo_trial *t,
                  int64_t *ret, struct hpo_err *err);
int trial_claim(struct db *db, const struct hpo_space *space, const struct hpo_trial *t,
                struct hpo_err *err);

/* The rows of a trial that ends, inside a transaction. */
int trial_end(struct db *db, const struct hpo_trial *t, struct hpo_err *err);

/* The work of storage_ops.load_trials and each_epoch, in a read transaction. */
int load_trials(struct db *db, const struct hpo_space *space, struct arena *a,
                struct hpo_trial **ret, int *ret_n, struct hpo_err *err);
/* Of the trials just read, by number: enqueued, retry, retry_of, and the values (space->n of them,
 * NULL without a space) that a WAITING trial was given. find: the trial with an id, or NULL. */
int load_attrs(struct db *db, const struct hpo_space *space,
               struct hpo_trial *(*find)(void *arg, int64_t id), void *arg, double *values,
               struct hpo_err *err);
int load_priors(struct db *db, const struct hpo_space *space, struct arena *a,
                struct hpo_trial **ret, int *ret_n, struct hpo_err *err);
/* Inside a transaction. */
int priors_add(struct db *db, const struct hpo_space *space, const struct hpo_trial *t, int n,
               struct hpo_err *err);
int load_epochs(struct db *db, int64_t trial_id, struct arena *a, struct hpo_epoch_report **ret,
                int *ret_n, struct hpo_err *err);

#endif
