/* Kills, full disks, folders that may not be written: what was acknowledged is there afterwards. */
#include "tests/hpo/storage/fixture.h"

#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SKIP 77
#define MANY (1 << 16) /* trials, more than come about */

static int add_report_finish(struct fx *f, int number)
{
    static const char *const names[] = {"accuracy", "train_loss"};
    const double values[] = {0.25, 2};
    struct hpo_trial t = {.number = number, .values = fx_values(&f->arena, number)};
    int rc = f->s.ops->add_trial(&f->s, &fx_space, &t, &f->err);

    if (!rc)
        rc = f->s.ops->start_attempt(&f->s, t.id, 1, "cpu", getpid(), &f->err);
    for (int e = 0; e < 3 && !rc; e++) {
        const struct hpo_epoch_report r = {0, e, 2, names, values};
        const struct hpo_point p = {e, number};

        rc = f->s.ops->report(&f->s, t.id, &r, &p, &f->err);
    }
    t.state = HPO_TRIAL_COMPLETE;
    t.value = number;
    return rc ? rc : f->s.ops->finish(&f->s, &t, &f->err);
}

/* ---------------------------------------------------------------- kill -9 */

/* Ends what the last owner left RUNNING, then adds trials until it is killed, `group` of them in
 * one transaction, naming those that are finished and stored. */
static void endless_writer(struct fx *f, int pipe_fd, int group)
{
    struct hpo_trial *t;
    int n;

    if (fx_open(f, STORAGE_WRITE) ||
        f->s.ops->load_trials(&f->s, NULL, &f->arena, &t, &n, &f->err))
        _exit(1);
    for (int i = 0; i < n; i++) {
        if (t[i].state == HPO_TRIAL_RUNNING) {
            t[i].state = HPO_TRIAL_FAIL;
            if (f->s.ops->finish(&f->s, &t[i], &f->err))
                _exit(1);
        }
    }
    while (n + group < MANY) {
        if (group > 1 && f->s.ops->begin(&f->s, &f->err))
            _exit(1);
        for (int i = 0; i < group; i++)
            if (add_report_finish(f, n + i))
                _exit(1);
        if (group > 1 && f->s.ops->commit(&f->s, &f->err))
            _exit(1);
        for (int i = 0; i < group; i++, n++)
            if (write(pipe_fd, &n, sizeof(n)) != sizeof(n))
                _exit(1);
    }
    for (;;)
        pause();
}

static void check_integrity(struct fx *f)
{
    sqlite3_stmt *s;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(s, 0), "ok");
    sqlite3_finalize(s);
    sqlite3_close(db);
}

static void killed_at_any_moment(void **state)
{
    uint8_t acked[MANY] = {0};
    uint64_t x = 88172645463325252u;
    int total = 0;
    struct fx f;

    fx_create(&f, false);
    fx_close(&f);
    for (int round = 0; round < 30; round++) {
        struct hpo_trial *t;
        int fd[2], status, number, n;
        pid_t pid;

        assert_int_equal(pipe(fd), 0);
        pid = fork();
        if (pid == 0) {
            close(fd[0]);
            endless_writer(&f, fd[1], round % 2 ? 4 : 1);
        }
        close(fd[1]);
        /* At least one trial a round, then any moment of the next ones. */
        if (read(fd[0], &number, sizeof(number)) == sizeof(number))
            acked[number] = 1;
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        nanosleep(&(struct timespec){0, (long)(x % 20000000)}, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(fd[0], &number, sizeof(number)) == sizeof(number))
            acked[number] = 1;
        close(fd[0]);

        assert_ok(&f, fx_open(&f, STORAGE_READ));
        assert_ok(&f, f.s.ops->load_trials(&f.s, &fx_space, &f.arena, &t, &n, &f.err));
        fx_close(&f);
        for (int i = 0; i < n; i++) {
            if (acked[i])
                assert_true(t[i].state == HPO_TRIAL_COMPLETE && t[i].value == i &&
                            t[i].n_points == 3);
            /* Only the last one can have been under way. */
            if (i + 1 < n)
                assert_true(hpo_trial_finished(&t[i]));
        }
        for (int i = n; i < MANY; i++)
            assert_false(acked[i]);
        total = n;
    }
    check_integrity(&f);
    assert_true(total >= 30);
    fx_release(&f);
}

/* ---------------------------------------------------------------- no room */

/* Write until it fails; then make room and go on. Runs in a child: exit status 0 is success. */
static int until_full(struct fx *f, void (*make_room)(struct fx *f))
{
    struct hpo_trial *t;
    int done = 0, n = 0, rc;

    if (fx_open(f, STORAGE_WRITE))
        return 2;
    while (!(rc = add_report_finish(f, done)) && done < 20000)
        done++;
    if (rc != HPO_EIO || !strstr(f->err.msg, "nothing that was stored is lost") || done < 3) {
        fprintf(stderr, "after %d trials: %d %s\n", done, rc, f->err.msg);
        return 3;
    }
    /* Still readable by this process, and by another. */
    if (f->s.ops->load_trials(&f->s, &fx_space, &f->arena, &t, &n, &f->err) || n < done)
        return 4;
    make_room(f);
    if (n > done) { /* the failed one had been added: it is RUNNING, and can still be ended */
        t[done].state = HPO_TRIAL_FAIL;
        if (f->s.ops->finish(&f->s, &t[done], &f->err))
            return 5;
    }
    if (add_report_finish(f, n))
        return 6;
    fx_close(f);
    if (fx_open(f, STORAGE_READ) ||
        f->s.ops->load_trials(&f->s, &fx_space, &f->arena, &t, &n, &f->err) || n <= done)
        return 7;
    for (int i = 0; i < done; i++)
        if (t[i].state != HPO_TRIAL_COMPLETE || t[i].value != i)
            return 8;
    fx_close(f);
    return 0;
}

static int in_child(struct fx *f, int (*fn)(struct fx *f))
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(fn(f));
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void raise_limit(struct fx *f)
{
    struct rlimit r;

    getrlimit(RLIMIT_FSIZE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_FSIZE, &r);
}

/* The disk fills up inside a group: all of it is taken back, said by each later call, and once
 * there is room again the study goes on where it was before. */
static int full_in_a_group(struct fx *f)
{
    struct hpo_trial *t;
    struct rlimit r;
    int done = 0, n = 0, rc;

    signal(SIGXFSZ, SIG_IGN);
    if (fx_open(f, STORAGE_WRITE) || add_report_finish(f, 0))
        return 2;
    getrlimit(RLIMIT_FSIZE, &r);
    r.rlim_cur = 1 << 20;
    setrlimit(RLIMIT_FSIZE, &r);
    do {
        if (f->s.ops->begin(&f->s, &f->err))
            return 3;
        for (int i = 0; i < f->calls && !(rc = add_report_finish(f, done + 1 + i)); i++)
            ;
        if (rc && (add_report_finish(f, done + 1) != HPO_EIO ||
                   !strstr(f->err.msg, "took back all that was being stored")))
            return 9;
        rc = f->s.ops->commit(&f->s, &f->err);
        done += rc ? 0 : f->calls;
    } while (!rc && done < 20000);
    if (rc != HPO_EIO || !strstr(f->err.msg, "is lost")) {
        fprintf(stderr, "after %d trials: %d %s\n", done, rc, f->err.msg);
        return 4;
    }
    raise_limit(f);
    if (f->s.ops->load_trials(&f->s, &fx_space, &f->arena, &t, &n, &f->err) || n != done + 1)
        return 5;
    if (add_report_finish(f, n) || f->s.ops->begin(&f->s, &f->err) ||
        add_report_finish(f, n + 1) || f->s.ops->commit(&f->s, &f->err))
        return 6;
    fx_close(f);
    if (fx_open(f, STORAGE_READ) ||
        f->s.ops->load_trials(&f->s, &fx_space, &f->arena, &t, &n, &f->err) || n != done + 3)
        return 7;
    for (int i = 0; i < n; i++)
        if (t[i].state != HPO_TRIAL_COMPLETE || t[i].value != i)
            return 8;
    fx_close(f);
    return 0;
}

/* At the commit of a group, and before, of one that is larger than SQLite's cache. */
static void file_size_limit_in_a_group(void **state)
{
    static const int sizes[] = {400, 5000};

    for (size_t i = 0; i < HPO_LEN(sizes); i++) {
        struct fx f;

        fx_create(&f, false);
        fx_close(&f);
        f.calls = sizes[i];
        assert_int_equal(in_child(&f, full_in_a_group), 0);
        check_integrity(&f);
        fx_release(&f);
    }
}

static int with_a_limit(struct fx *f)
{
    struct rlimit r;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &r);
    r.rlim_cur = 400000;
    setrlimit(RLIMIT_FSIZE, &r);
    return until_full(f, raise_limit);
}

static void file_size_limit(void **state)
{
    struct fx f;

    fx_create(&f, false);
    fx_close(&f);
    assert_int_equal(in_child(&f, with_a_limit), 0);
    check_integrity(&f);
    fx_release(&f);
}

static void grow_tmpfs(struct fx *f)
{
    if (mount("none", f->folder, "tmpfs", MS_REMOUNT, "size=16m"))
        _exit(9);
}

static int on_a_small_tmpfs(struct fx *f)
{
    struct hpo_study_info info = fx_info(false);

    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", f->folder, "tmpfs", 0, "size=640k"))
        return SKIP;
    if (fx_open(f, STORAGE_CREATE) || f->s.ops->create_study(&f->s, &info, &f->err))
        return 1;
    fx_close(f);
    return until_full(f, grow_tmpfs);
}

static void disk_full(void **state)
{
    struct fx f;
    int rc;

    fx_init(&f);
    rc = in_child(&f, on_a_small_tmpfs);
    fx_release(&f);
    if (rc == SKIP)
        skip(); /* only root may mount one */
    assert_int_equal(rc, 0);
}

/* ---------------------------------------------------------------- read-only */

static int drop_root(void)
{
    return geteuid() == 0 ? setgid(65534) || setuid(65534) : 0;
}

static int read_only_child(struct fx *f)
{
    struct hpo_trial *t;
    int n;

    if (drop_root())
        return SKIP;
    if (fx_open(f, STORAGE_READ) ||
        f->s.ops->load_trials(&f->s, NULL, &f->arena, &t, &n, &f->err)) {
        fprintf(stderr, "%s\n", f->err.msg);
        return 1;
    }
    fx_close(f);
    if (n != 1)
        return 2;
    if (fx_open(f, STORAGE_WRITE) != HPO_EIO || !strstr(f->err.msg, f->path))
        return 3;
    fx_close(f);
    return 0;
}

static void read_only_folder(void **state)
{
    char wal[128];
    struct fx f;

    fx_create(&f, false);
    assert_ok(&f, add_report_finish(&f, 0));
    fx_close(&f);
    assert_int_equal(chmod(f.path, 0444), 0);
    assert_int_equal(chmod(f.folder, 0555), 0);
    assert_int_equal(in_child(&f, read_only_child), 0);
    /* With the empty log that a reader of another user left. */
    chmod(f.folder, 0755);
    snprintf(wal, sizeof(wal), "%s-wal", f.path);
    assert_ok(&f, file_replace(wal, "", 0, &f.err));
    chmod(wal, 0444);
    chmod(f.folder, 0555);
    assert_int_equal(in_child(&f, read_only_child), 0);
    chmod(f.folder, 0755);
    fx_release(&f);
}

/* A log that holds commits and cannot be replayed here: said, rather than showing an old state. */
static int unreadable_log_child(struct fx *f)
{
    if (drop_root())
        return SKIP;
    if (fx_open(f, STORAGE_READ) != HPO_EIO || !strstr(f->err.msg, "-wal")) {
        fprintf(stderr, "%d %s\n", f->err.rc, f->err.msg);
        return 1;
    }
    fx_close(f);
    return 0;
}

static int killed_writer_child(struct fx *f)
{
    if (fx_open(f, STORAGE_WRITE) || add_report_finish(f, 0))
        return 1;
    kill(getpid(), SIGKILL);
    return 1;
}

static void read_only_folder_after_a_kill(void **state)
{
    char shm[128], wal[128];
    struct fx f;

    fx_create(&f, false);
    fx_close(&f);
    assert_int_equal(in_child(&f, killed_writer_child), 128 + SIGKILL);
    snprintf(shm, sizeof(shm), "%s-shm", f.path);
    snprintf(wal, sizeof(wal), "%s-wal", f.path);
    assert_true(file_exists(wal));
    unlink(shm);
    chmod(f.folder, 0555);
    assert_int_equal(in_child(&f, unreadable_log_child), 0);
    chmod(f.folder, 0755);
    fx_release(&f);
}

/* Another program holds the file: one clear sentence. Its own wait would be ten seconds, so the
 * other one is a transaction that ends while we wait. */
static void waits_for_another_writer(void **state)
{
    int fd[2];
    char go = 0;
    struct fx f;
    pid_t pid;

    fx_create(&f, false);
    assert_int_equal(pipe(fd), 0);
    pid = fork();
    if (pid == 0) {
        sqlite3 *db;

        if (sqlite3_open(f.path, &db) ||
            sqlite3_exec(db, "BEGIN IMMEDIATE; INSERT INTO studies VALUES (5, 'x')", NULL, NULL,
                         NULL) || write(fd[1], "x", 1) != 1)
            _exit(1);
        nanosleep(&(struct timespec){0, 50000000}, NULL);
        _exit(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
    }
    assert_int_equal(read(fd[0], &go, 1), 1);
    assert_ok(&f, add_report_finish(&f, 0));
    waitpid(pid, NULL, 0);
    close(fd[0]);
    close(fd[1]);
    fx_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_moment),
        cmocka_unit_test(file_size_limit),
        cmocka_unit_test(file_size_limit_in_a_group),
        cmocka_unit_test(disk_full),
        cmocka_unit_test(read_only_folder),
        cmocka_unit_test(read_only_folder_after_a_kill),
        cmocka_unit_test(waits_for_another_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
