/* Opening and closing: who may make files, when the log is needed, and a reader beside a writer. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "hpo/storage/schema.h"

static void disconnect(struct db *db)
{
    for (int i = 0; i < DB_SQL_COUNT; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    sqlite3_close(db->handle);
    db->handle = NULL;
    db->n_metrics = 0;
}

/* Percent-encode a path into a URI: only there can a file be called immutable. */
static void immutable_uri(const char *path, struct str *ret)
{
    str_add(ret, "file:");
    for (const char *p = path; *p; p++) {
        if (strchr("?#% ", *p))
            str_addf(ret, "%%%02X", (unsigned char)*p);
        else
            str_addc(ret, *p);
    }
    str_add(ret, "?immutable=1");
}

static int connect_to(struct db *db, bool immutable, struct hpo_err *err)
{
    int flags = SQLITE_OPEN_NOMUTEX;
    struct str uri = {0};
    int rc;

    flags |= db->mode == STORAGE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    flags |= db->mode == STORAGE_CREATE ? SQLITE_OPEN_CREATE : 0;
    if (immutable) {
        flags |= SQLITE_OPEN_URI;
        immutable_uri(db->path, &uri);
        if (stat(db->path, &db->opened))
            memset(&db->opened, 0, sizeof(db->opened));
    } else {
        /* sqlite3 gives ":memory:" and "" a meaning of their own. */
        str_add(&uri, db->path[0] == '/' ? "" : "./");
        str_add(&uri, db->path);
    }
    db->immutable = immutable;
    rc = sqlite3_open_v2(str_c(&uri), &db->handle, flags, NULL);
    str_release(&uri);
    if (rc != SQLITE_OK) {
        rc = db_fail(db, err);
        disconnect(db);
        return rc;
    }
    sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
    /* The file may come from anywhere: nothing in it may run or grow without bound. */
    sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, DB_LENGTH_MAX);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return 0;
}

static int64_t size_beside(const struct db *db, const char *suffix)
{
    struct str name = {0};
    struct stat st;
    int64_t ret;

    str_add(&name, db->path);
    str_add(&name, suffix);
    ret = stat(str_c(&name), &st) ? -1 : (int64_t)st.st_size;
    str_release(&name);
    return ret;
}

/* Has a writer turned up since the file was opened as immutable? */
static bool overtaken(const struct db *db)
{
    struct stat st;

    if (!db->immutable)
        return false;
    return size_beside(db, "-wal") > 0 || size_beside(db, "-journal") > 0 || stat(db->path, &st) ||
           st.st_ino != db->opened.st_ino || st.st_dev != db->opened.st_dev ||
           st.st_size != db->opened.st_size || st.st_mtim.tv_sec != db->opened.st_mtim.tv_sec ||
           st.st_mtim.tv_nsec != db->opened.st_mtim.tv_nsec;
}

static int snapshot(struct db *db, int (*fn)(struct db *db, void *arg, struct hpo_err *err),
                    void *arg, struct hpo_err *err)
{
    int rc = db_exec(db, "BEGIN", err);

    if (rc)
        return rc;
    rc = fn(db, arg, err);
    sqlite3_exec(db->handle, rc ? "ROLLBACK" : "COMMIT", NULL, NULL, NULL);
    return rc;
}

int db_read(struct db *db, int (*fn)(struct db *db, void *arg, struct hpo_err *err), void *arg,
            struct hpo_err *err)
{
    int rc = 0;

    if (db->grouped) /* the transaction that is open is a snapshot, with its own changes in it */
        return fn(db, arg, err);
    if (!overtaken(db)) {
        rc = snapshot(db, fn, arg, err);
        if (!overtaken(db))
            return rc;
    }
    disconnect(db);
    rc = connect_to(db, false, err);
    return rc ? rc : snapshot(db, fn, arg, err);
}

static int check(struct db *db, void *arg, struct hpo_err *err)
{
    bool empty;
    int rc = schema_empty(db, &empty, err);

    if (!rc && empty)
        rc = hpo_fail(err, HPO_EMISSING, "%s: there is no study in it", db->path);
    if (!rc)
        rc = schema_check(db, err);
    if (!rc) {
        rc = study_find(db, NULL, NULL, err);
        rc = rc == HPO_EMISSING ? 0 : rc;
    }
    return rc;
}

static bool folder_is_writable(const struct db *db)
{
    const char *slash = strrchr(db->path, '/');
    struct str folder = {0};
    bool ret;

    str_addn(&folder, db->path, slash ? (size_t)(slash - db->path) + 1 : 0);
    ret = access(folder.n ? str_c(&folder) : ".", W_OK) == 0;
    str_release(&folder);
    return ret;
}

static int open_reader(struct db *db, struct hpo_err *err)
{
    bool alone = size_beside(db, "-wal") < 0 && size_beside(db, "-journal") < 0;
    int rc = connect_to(db, alone, err);

    if (rc || !(rc = db_read(db, check, NULL, err)) || rc != HPO_EIO || folder_is_writable(db))
        return rc;
    /* SQLite reads beside a log only where it can make or open a -shm. */
    if (size_beside(db, "-wal") > 0 || size_beside(db, "-journal") > 0)
        return hpo_fail(err, HPO_EIO,
                        "%s: its latest results lie in %s-wal, which cannot be read in a folder "
                        "that may not be written: copy both files to another folder",
                        db->path, db->path);
    disconnect(db);
    rc = connect_to(db, true, err);
    return rc ? rc : db_read(db, check, NULL, err);
}

static int use_wal(struct db *db, struct hpo_err *err)
{
    sqlite3_stmt *s = NULL;
    int rc;

    if (sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode=WAL", -1, &s, NULL) != SQLITE_OK)
        return db_fail(db, err);
    rc = db_step(db, s, err);
    /* A network file system stays with a rollback journal: slower, and as safe. */
    db->wal = rc == 1 && db_text(s, 0) && !strcmp(db_text(s, 0), "wal");
    sqlite3_finalize(s);
    if (rc < 0)
        return rc;
    /* The log is emptied into the file every 1,000 pages (4 MiB); a reader that stood in the way
     * may have let it grow, which ends with the next time. */
    return db_exec(db,
                   "PRAGMA wal_autocheckpoint=1000; PRAGMA journal_size_limit=8388608;"
                   "PRAGMA foreign_keys=ON",
                   err);
}

static int open_writer(struct db *db, struct hpo_err *err)
{
    bool empty = false;
    int rc = connect_to(db, false, err);

    if (!rc && db->mode == STORAGE_CREATE) {
        rc = schema_empty(db, &empty, err);
        if (!rc && empty)
            rc = schema_create(db, err);
    }
    /* The file is changed (by the journal mode) only once it is known to be ours. */
    if (!rc)
        rc = db_read(db, check, NULL, err);
    if (!rc)
        rc = use_wal(db, err);
    return rc ? rc : schema_migrate(db, err);
}

int db_open(struct db *db, const char *path, enum storage_mode mode, struct hpo_err *err)
{
    int rc;

    *db = (struct db){.path = path, .mode = mode};
    if (mode != STORAGE_CREATE && access(path, F_OK) && (errno == ENOENT || errno == ENOTDIR))
        return hpo_fail(err, HPO_EMISSING, "%s: there is no study here", path);
    if (file_is_dir(path))
        return hpo_fail(err, HPO_EIO, "%s: is a folder", path);
    rc = mode == STORAGE_READ ? open_reader(db, err) : open_writer(db, err);
    if (rc)
        disconnect(db);
    return rc;
}

void db_close(struct db *db)
{
    if (!db->handle)
        return;
    if (db->mode != STORAGE_READ && db->wal) {
        if (!sqlite3_get_autocommit(db->handle))
            sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
        for (int i = 0; i < DB_SQL_COUNT; i++)
            if (db->statements[i])
                sqlite3_reset(db->statements[i]);
        /* People copy study.db alone, or drop it into the dashboard's page: it must be whole. What
         * a reader keeps from being emptied stays in the log, where the next writer finds it. */
        sqlite3_busy_timeout(db->handle, 200);
        sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    disconnect(db);
}
