#include "hpo/storage/db.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hpo/storage/columns.h"

/* ---------------------------------------------------------------- errors */

int db_bad(struct db *db, struct hpo_err *err, const char *fmt, ...)
{
    char text[700];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return hpo_fail(err, HPO_EFORMAT, "%s: %s", db->path, text);
}

/* The errno behind a failure. The connection forgets it while it rolls back, the files do not. */
static int last_errno(struct db *db)
{
    int os = sqlite3_system_errno(db->handle);
    sqlite3_file *log = NULL;

    if (!os)
        sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (log && log->pMethods)
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &os);
    if (!os)
        sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_LAST_ERRNO, &os);
    return os;
}

static int fail_io(struct db *db, struct hpo_err *err)
{
    int os = last_errno(db);

    if (os == ENOSPC || os == EDQUOT || os == EFBIG)
        return hpo_fail(err, HPO_EIO,
                        "%s: there is no room to write (%s); nothing that was stored is lost: make "
                        "room and run the same command again",
                        db->path, strerror(os));
    return hpo_fail(err, HPO_EIO, "%s: reading or writing failed (%s)", db->path,
                    os ? strerror(os) : sqlite3_errmsg(db->handle));
}

int db_fail(struct db *db, struct hpo_err *err)
{
    int code = db->handle ? sqlite3_errcode(db->handle) : SQLITE_NOMEM;

    switch (code) {
    case SQLITE_FULL:
        return hpo_fail(err, HPO_EIO,
                        "%s: the disk is full; nothing that was stored is lost: make room and run "
                        "the same command again",
                        db->path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return hpo_fail(err, HPO_EIO, "%s: the file or its folder may not be written", db->path);
    case SQLITE_CANTOPEN:
        return hpo_fail(err, HPO_EIO, "%s: it cannot be opened (%s)", db->path,
                        sqlite3_system_errno(db->handle)
                            ? strerror(sqlite3_system_errno(db->handle))
                            : sqlite3_errmsg(db->handle));
    case SQLITE_IOERR:
        return fail_io(db, err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return hpo_fail(err, HPO_EBUSY, "%s: another program has been writing for %d seconds",
                        db->path, DB_BUSY_MS / 1000);
    case SQLITE_NOTADB:
        return db_bad(db, err, "is not an SQLite database");
    case SQLITE_CORRUPT:
        return db_bad(db, err, "is damaged (%s): `sqlite3 FILE .recover` saves what can be read",
                      sqlite3_errmsg(db->handle));
    case SQLITE_TOOBIG:
        return db_bad(db, err, "holds a value of more than %d MiB", DB_LENGTH_MAX >> 20);
    case SQLITE_NOMEM:
        return hpo_fail(err, HPO_ENOMEM, "%s: out of memory", db->path);
    default:
        return db_bad(db, err, "is not as this program made it (%s)", sqlite3_errmsg(db->handle));
    }
}

/* ---------------------------------------------------------------- statements */

int db_bind(struct db *db, enum db_sql which, const struct db_value *values, int n,
            sqlite3_stmt **ret, struct hpo_err *err)
{
    sqlite3_stmt *s = db->statements[which];
    int rc = SQLITE_OK;

    if (!s && sqlite3_prepare_v3(db->handle, db_sql_text[which], -1, SQLITE_PREPARE_PERSISTENT, &s,
                                 NULL) != SQLITE_OK)
        return db_fail(db, err);
    db->statements[which] = s;
    sqlite3_reset(s);
    for (int i = 0; i < n && rc == SQLITE_OK; i++) {
        const struct db_value *v = &values[i];

        if (v->type == DB_VALUE_INT)
            rc = sqlite3_bind_int64(s, i + 1, v->i);
        else if (v->type == DB_VALUE_REAL)
            rc = sqlite3_bind_double(s, i + 1, v->d);
        else
            rc = sqlite3_bind_text(s, i + 1, v->s, -1, SQLITE_STATIC);
    }
    if (rc != SQLITE_OK)
        return db_fail(db, err);
    *ret = s;
    return 0;
}

int db_step(struct db *db, sqlite3_stmt *s, struct hpo_err *err)
{
    int rc = sqlite3_step(s);

    if (rc == SQLITE_ROW)
        return 1;
    rc = rc == SQLITE_DONE ? 0 : db_fail(db, err);
    sqlite3_reset(s);
    return rc;
}

int db_run(struct db *db, enum db_sql which, const struct db_value *values, int n,
           struct hpo_err *err)
{
    sqlite3_stmt *s;
    int rc = db_bind(db, which, values, n, &s, err);

    return rc ? rc : db_step(db, s, err);
}

int db_exec(struct db *db, const char *sql, struct hpo_err *err)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_fail(db, err);
}

static int set_level(struct db *db, bool durable, struct hpo_err *err)
{
    /* Without a log that is replayed, NORMAL could damage the file, not only lose the last rows. */
    int level = durable || !db->wal ? 2 : 1;
    int rc;

    /* The pragma has no effect inside a transaction, so it is switched before one begins. */
    if (db->synchronous != level) {
        rc = db_exec(db, level == 2 ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", err);
        if (rc)
            return rc;
        db->synchronous = level;
    }
    return 0;
}

static int group_lost(struct db *db, struct hpo_err *err)
{
    return hpo_fail(err, HPO_EIO,
                    "%s: an earlier failure took back all that was being stored; nothing that was "
                    "stored before is lost: run the same command again",
                    db->path);
}

int db_begin(struct db *db, bool durable, struct hpo_err *err)
{
    int rc;

    if (db->grouped && sqlite3_get_autocommit(db->handle))
        return group_lost(db, err);
    if (db->grouped)
        return db_exec(db, "SAVEPOINT operation", err);
    if ((rc = set_level(db, durable, err)))
        return rc;
    /* IMMEDIATE: a transaction that reads first and then wants to write is refused at once when
     * another has written meanwhile; this one waits its turn. */
    return db_exec(db, "BEGIN IMMEDIATE", err);
}

int db_end(struct db *db, int rc, struct hpo_err *err)
{
    if (!rc)
        rc = db_exec(db, db->grouped ? "RELEASE operation" : "COMMIT", err);
    if (rc) {
        /* A full disk may have rolled back already. */
        if (!sqlite3_get_autocommit(db->handle))
            sqlite3_exec(db->handle,
                         db->grouped ? "ROLLBACK TO operation; RELEASE operation" : "ROLLBACK",
                         NULL, NULL, NULL);
        db->n_metrics = 0; /* they may have been rolled back too */
    }
    return rc;
}

int db_begin_group(struct db *db, struct hpo_err *err)
{
    int rc;

    if (db->grouped)
        return hpo_fail(err, HPO_EBUSY, "%s: a group of changes is open already", db->path);
    if (!(rc = db_begin(db, true, err)))
        db->grouped = true;
    return rc;
}

int db_commit_group(struct db *db, struct hpo_err *err)
{
    if (!db->grouped)
        return hpo_fail(err, HPO_EBUSY, "%s: no group of changes is open", db->path);
    db->grouped = false;
    if (sqlite3_get_autocommit(db->handle))
        return group_lost(db, err);
    return db_end(db, 0, err);
}

/* ---------------------------------------------------------------- columns */

bool db_is_int(sqlite3_stmt *s, int col)
{
    return sqlite3_column_type(s, col) == SQLITE_INTEGER;
}

bool db_is_null(sqlite3_stmt *s, int col)
{
    return sqlite3_column_type(s, col) == SQLITE_NULL;
}

double db_real(sqlite3_stmt *s, int col)
{
    int type = sqlite3_column_type(s, col);

    return type == SQLITE_FLOAT || type == SQLITE_INTEGER ? sqlite3_column_double(s, col) : NAN;
}

const char *db_text(sqlite3_stmt *s, int col)
{
    return sqlite3_column_type(s, col) == SQLITE_TEXT ? (const char *)sqlite3_column_text(s, col)
                                                      : NULL;
}

char *db_text_dup(sqlite3_stmt *s, int col, size_t max, struct arena *a)
{
    const char *text = db_text(s, col);
    struct str clean = {0};
    char *ret;

    if (!text)
        return NULL;
    column_text(text, strnlen(text, max), &clean);
    ret = arena_strndup(a, str_c(&clean), clean.n);
    str_release(&clean);
    return ret;
}
