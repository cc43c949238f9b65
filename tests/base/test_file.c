#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"

static char folder[64];
static struct arena arena;

static const char *in(const char *name)
{
    return arena_printf(&arena, "%s/%s", folder, name);
}

static int setup(void **state)
{
    strcpy(folder, "/tmp/hpo-file-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    struct hpo_err err;
    int rc = file_remove_tree(folder, &err);

    arena_release(&arena);
    return rc || file_exists(folder) ? -1 : 0;
}

static int count_entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void holds(const char *path, const char *want)
{
    char *text = NULL;
    size_t n = 0;

    assert_int_equal(file_read(path, 1 << 20, &text, &n, NULL), 0);
    assert_int_equal(n, strlen(want));
    assert_string_equal(text, want);
    free(text);
}

static void test_read(void **state)
{
    struct hpo_err err = {0};
    char *text = (char *)"untouched";
    size_t n = 99;

    assert_int_equal(file_read(in("none"), 10, &text, &n, &err), HPO_EMISSING);
    assert_non_null(strstr(err.msg, in("none")));
    assert_int_equal(file_read(folder, 10, &text, &n, &err), HPO_EFORMAT);
    assert_non_null(strstr(err.msg, "folder"));
    assert_int_equal(file_replace(in("a"), "0123456789", 10, &err), 0);
    assert_int_equal(file_read(in("a"), 9, &text, &n, &err), HPO_EFORMAT);
    assert_non_null(strstr(err.msg, "too large"));
    assert_int_equal(file_read(in("a/b"), 9, &text, &n, &err), HPO_EMISSING);
    assert_string_equal(text, "untouched");
    assert_int_equal(n, 99);
    assert_int_equal(file_read(in("a"), 10, &text, &n, &err), 0);
    assert_int_equal(n, 10);
    assert_string_equal(text, "0123456789");
    free(text);
    assert_int_equal(file_replace(in("empty"), NULL, 0, &err), 0);
    assert_int_equal(file_read(in("empty"), 0, &text, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_string_equal(text, "");
    free(text);
    /* Files that do not know their size: bounded all the same. */
    assert_int_equal(file_read("/proc/self/status", 1 << 20, &text, &n, &err), 0);
    assert_int_equal(strlen(text), n);
    free(text);
    assert_int_equal(file_read("/dev/zero", 100000, &text, &n, &err), HPO_EFORMAT);
}

static void test_replace(void **state)
{
    struct hpo_err err;
    struct stat before, after;

    assert_int_equal(file_replace(in("r"), "old", 3, &err), 0);
    stat(in("r"), &before);
    assert_int_equal(file_replace(in("r"), "newer", 5, &err), 0);
    stat(in("r"), &after);
    holds(in("r"), "newer");
    assert_true(before.st_ino != after.st_ino); /* renamed, not written over */
    assert_int_equal(file_replace(in("no/such/folder"), "x", 1, &err), HPO_EMISSING);
    assert_non_null(strstr(err.msg, "no/such/folder"));
    /* A folder stands where the file should go. */
    assert_int_equal(file_mkdirs(in("d/x"), &err), 0);
    assert_true(file_replace(in("d"), "x", 1, &err) < 0);
    assert_true(file_is_dir(in("d/x")));
    assert_int_equal(count_entries(folder), 2);
}

/* A full disk, as the size limit of the process plays it: the old file stands, nothing is left. */
static void test_disk_full(void **state)
{
    struct rlimit old, small = {1000, 0};
    static char big[5000];
    struct file_atomic f;
    struct hpo_err err = {0};
    int rc, written;

    memset(big, 'b', sizeof(big));
    assert_int_equal(file_replace(in("full"), "old", 3, &err), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    rc = file_replace(in("full"), big, sizeof(big), &err);
    file_atomic_open(&f, in("full"), NULL);
    written = file_write_all(f.fd, big, sizeof(big), in("full"), NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(rc, HPO_EIO);
    assert_non_null(strstr(err.msg, in("full")));
    assert_non_null(strstr(err.msg, "File too large"));
    assert_int_equal(written, HPO_EIO);
    file_atomic_abort(&f);
    holds(in("full"), "old");
    assert_int_equal(count_entries(folder), 1);
}

static void test_atomic(void **state)
{
    struct file_atomic f;
    struct hpo_err err;

    assert_int_equal(file_atomic_open(&f, in("at"), &err), 0);
    assert_int_equal(file_write_all(f.fd, "half ", 5, "at", &err), 0);
    assert_false(file_exists(in("at")));
    assert_int_equal(file_write_all(f.fd, "whole", 5, "at", &err), 0);
    assert_int_equal(file_atomic_commit(&f, &err), 0);
    holds(in("at"), "half whole");
    file_atomic_abort(&f);
    holds(in("at"), "half whole");
    assert_int_equal(file_atomic_open(&f, in("at"), &err), 0);
    assert_int_equal(file_write_all(f.fd, "junk", 4, "at", &err), 0);
    file_atomic_abort(&f);
    file_atomic_abort(&f);
    holds(in("at"), "half whole");
    assert_int_equal(file_atomic_open(&f, in("no/at"), &err), HPO_EMISSING);
    file_atomic_abort(&f);
    assert_int_equal(count_entries(folder), 1);
    assert_int_equal(file_write_all(-1, "x", 1, "thing", &err), HPO_EIO);
    assert_non_null(strstr(err.msg, "thing"));
}

/* Two writers of one path at once: a reader sees one of them whole, always. */
static void test_concurrent_replace(void **state)
{
    enum { N = 3, TIMES = 40, BYTES = 40000 };
    pid_t child[N];
    char *text;
    size_t n;

    for (int i = 0; i < N; i++) {
        child[i] = fork();
        if (child[i] == 0) {
            static char big[BYTES];
            int bad = 0;

            memset(big, 'a' + i, sizeof(big));
            for (int k = 0; k < TIMES; k++)
                bad |= file_replace(in("race"), big, sizeof(big), NULL);
            _exit(bad != 0);
        }
    }
    for (int seen = 0; seen < 200;) {
        if (file_read(in("race"), BYTES, &text, &n, NULL) == 0) {
            assert_int_equal(n, BYTES);
            assert_int_equal(strspn(text, (char[2]){text[0], 0}), BYTES);
            free(text);
        }
        seen++;
    }
    for (int i = 0; i < N; i++) {
        int status;

        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(count_entries(folder), 1);
}

static void test_mkdirs(void **state)
{
    struct hpo_err err;

    assert_int_equal(file_mkdirs(in("a/b//c/"), &err), 0);
    assert_true(file_is_dir(in("a/b/c")));
    assert_int_equal(file_mkdirs(in("a/b/c"), &err), 0);
    assert_int_equal(file_mkdirs("/", &err), 0);
    assert_int_equal(file_mkdirs(".", &err), 0);
    assert_true(file_mkdirs("", &err) < 0);
    assert_int_equal(file_replace(in("f"), "x", 1, &err), 0);
    assert_true(file_mkdirs(in("f"), &err) < 0);
    assert_true(file_mkdirs(in("f/g"), &err) < 0);
    assert_non_null(strstr(err.msg, "f"));
}

static void test_remove_tree(void **state)
{
    struct hpo_err err;

    assert_int_equal(file_mkdirs(in("keep"), &err), 0);
    assert_int_equal(file_replace(in("keep/me"), "x", 1, &err), 0);
    assert_int_equal(file_mkdirs(in("t/a/b"), &err), 0);
    assert_int_equal(file_replace(in("t/a/f"), "x", 1, &err), 0);
    assert_int_equal(symlink("../keep", in("t/link")), 0);
    assert_int_equal(symlink("nowhere", in("t/dangling")), 0);
    assert_int_equal(symlink("keep", in("link")), 0);
    assert_int_equal(file_remove_tree(in("t"), &err), 0);
    assert_false(file_exists(in("t")));
    /* A link is removed, what it points at is not. */
    assert_int_equal(file_remove_tree(in("link"), &err), 0);
    assert_false(file_exists(in("link")));
    holds(in("keep/me"), "x");
    assert_int_equal(file_remove_tree(in("keep/me"), &err), 0);
    assert_false(file_exists(in("keep/me")));
    assert_int_equal(file_remove_tree(in("never/was"), &err), 0);
    assert_int_equal(file_remove_tree(in("keep"), &err), 0);
    assert_int_equal(count_entries(folder), 0);
}

static void test_map(void **state)
{
    struct file_map m = {0};
    struct hpo_err err;

    file_map_close(&m);
    assert_int_equal(file_replace(in("m"), "mapped", 6, &err), 0);
    assert_int_equal(file_replace(in("empty"), "", 0, &err), 0);
    assert_int_equal(file_map_open(&m, in("none"), &err), HPO_EMISSING);
    assert_int_equal(file_map_open(&m, in("empty"), &err), HPO_EFORMAT);
    assert_int_equal(file_map_open(&m, folder, &err), HPO_EFORMAT);
    assert_null(m.p);
    assert_int_equal(file_map_open(&m, in("m"), &err), 0);
    assert_int_equal(m.n, 6);
    assert_memory_equal(m.p, "mapped", 6);
    /* The mapping is of the file, not of the name. */
    assert_int_equal(file_replace(in("m"), "other!", 6, &err), 0);
    assert_memory_equal(m.p, "mapped", 6);
    file_map_close(&m);
    assert_null(m.p);
    file_map_close(&m);
}

static void test_lock(void **state)
{
    struct file_lock mine = FILE_LOCK_INIT, again = FILE_LOCK_INIT;
    char pid[32], ready;
    struct hpo_err err;
    int go[2], told[2], status;
    pid_t child;

    file_unlock(&mine);
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(told), 0);
    child = fork();
    if (child == 0) {
        struct file_lock l = FILE_LOCK_INIT;

        close(told[0]);
        close(go[1]);
        if (file_lock(&l, in("lock"), NULL) || write(told[1], "x", 1) != 1)
            _exit(1);
        if (read(go[0], &ready, 1) < 0) /* until killed */
            _exit(2);
        _exit(0);
    }
    close(told[1]);
    close(go[0]);
    assert_int_equal(read(told[0], &ready, 1), 1);
    assert_int_equal(file_lock(&mine, in("lock"), &err), HPO_EBUSY);
    assert_true(file_is_locked(in("lock")));
    assert_int_equal(mine.fd, -1);
    snprintf(pid, sizeof(pid), "pid %d on ", (int)child);
    assert_non_null(strstr(err.msg, pid));
    assert_non_null(strstr(err.msg, " since "));
    assert_null(strchr(err.msg, '\n'));
    /* The lock dies with its owner, however that ends. */
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(file_lock(&mine, in("lock"), &err), 0);
    assert_true(mine.fd >= 0);
    assert_int_equal(file_lock(&again, in("lock"), &err), HPO_EBUSY);
    snprintf(pid, sizeof(pid), "pid %d on ", (int)getpid());
    assert_non_null(strstr(err.msg, pid));
    file_unlock(&mine);
    assert_int_equal(mine.fd, -1);
    assert_int_equal(file_lock(&again, in("lock"), &err), 0);
    file_unlock(&again);
    assert_false(file_is_locked(in("lock")));
    assert_false(file_is_locked(in("no/lock")));
    assert_int_equal(file_lock(&again, in("no/lock"), &err), HPO_EMISSING);
    close(go[1]);
    close(told[0]);
}

static void test_clocks(void **state)
{
    double a = clock_monotonic(), b = clock_monotonic();

    assert_true(b >= a && a > 0);
    assert_true(clock_wall() > 1.6e9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_atomic, setup, teardown),
        cmocka_unit_test_setup_teardown(test_concurrent_replace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mkdirs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remove_tree, setup, teardown),
        cmocka_unit_test_setup_teardown(test_map, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
        cmocka_unit_test(test_clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
