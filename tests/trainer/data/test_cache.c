#include "tests/trainer/data/data_box.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void test_touched_and_copied(void **state)
{
    struct box *b = *state;
    struct tr_dataset d = open_box(b, N, NULL), moved;
    char path[700], elsewhere[700];
    int calls;

    snprintf(path, sizeof(path), "%s/circle/0000.jpg", b->data);
    assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
    nanosleep(&(struct timespec){.tv_nsec = 40000000}, NULL);
    moved = open_box(b, 0, &calls);
    assert_true(calls > 0); /* hashed */
    assert_string_equal(moved.digest, d.digest);
    assert_string_equal(moved.cache_file, d.cache_file);
    tr_dataset_close(&moved);
    moved = open_box(b, 0, &calls);
    assert_int_equal(calls, 0); /* and remembered */
    tr_dataset_close(&moved);

    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", b->dir);
    assert_int_equal(rename(b->data, elsewhere), 0);
    strcpy(b->data, elsewhere);
    moved = open_box(b, 0, &calls);
    assert_true(calls > 0);
    assert_string_equal(moved.digest, d.digest);
    tr_dataset_close(&moved);
    tr_dataset_close(&d);
}

static void test_changed_content(void **state)
{
    struct box *b = *state;
    struct tr_dataset d = open_box(b, N, NULL), changed;
    char a[700], c[700], temp[700];

    /* Two pictures change places: same names, and a listing that differs in times only. */
    snprintf(a, sizeof(a), "%s/circle/0000.jpg", b->data);
    snprintf(c, sizeof(c), "%s/cross/0000.jpg", b->data);
    snprintf(temp, sizeof(temp), "%s/temp", b->dir);
    assert_int_equal(rename(a, temp) | rename(c, a) | rename(temp, c), 0);
    changed = open_box(b, N, NULL);
    assert_string_not_equal(changed.digest, d.digest);
    tr_dataset_close(&changed);
    tr_dataset_close(&d);
}

static void test_parameters_make_other_files(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset d = open_spec(&spec, N, NULL), other;

    spec.resize = TR_RESIZE_STRETCH;
    other = open_spec(&spec, N, NULL);
    assert_string_not_equal(other.digest, d.digest);
    tr_dataset_close(&other);
    spec = spec_of(b);
    spec.image_size = 8;
    other = open_spec(&spec, N, NULL);
    assert_int_equal(other.images.w, 8);
    tr_dataset_close(&other);
    spec = spec_of(b);
    spec.threads = 1; /* this one makes no other */
    other = open_spec(&spec, 0, NULL);
    assert_string_equal(other.digest, d.digest);
    tr_dataset_close(&other);
    tr_dataset_close(&d);
}

static void flip(const char *path, off_t at)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void test_damaged_cache_is_made_again(void **state)
{
    struct box *b = *state;
    struct tr_dataset d = open_box(b, N, NULL), again;
    uint8_t *pixels = xmalloc(N * 16 * 16 * 3);
    char digest[33], path[1200];
    int64_t decoded, remade = 0;
    struct stat st;

    memcpy(pixels, d.images.pixels, N * 16 * 16 * 3);
    strcpy(digest, d.digest);
    strcpy(path, d.cache_file);
    tr_dataset_close(&d);
    assert_int_equal(stat(path, &st), 0);
    for (off_t at = 0; at < st.st_size; at += at < 197 ? 3 : at < 4096 ? 4096 - at : 397) {
        flip(path, at);
        /* Nothing is told by the zeros between the sections of labels, sums ... */
        again = open_any(b, &decoded);
        assert_true(decoded == N || (decoded == 0 && at > 4096 + N * 16 * 16 * 3));
        remade += decoded == N;
        assert_string_equal(again.digest, digest);
        assert_memory_equal(again.images.pixels, pixels, N * 16 * 16 * 3);
        tr_dataset_close(&again);
    }
    assert_true(remade > 60 + 70);
    for (off_t size = 0; size < st.st_size; size += 1111) {
        assert_int_equal(truncate(path, size), 0);
        again = open_box(b, N, NULL);
        assert_memory_equal(again.images.pixels, pixels, N * 16 * 16 * 3);
        tr_dataset_close(&again);
    }
    free(pixels);
}

static void test_damaged_index(void **state)
{
    struct box *b = *state;
    struct tr_dataset d = open_box(b, N, NULL);
    const char *index = cached(b, ".index");
    int calls;

    tr_dataset_close(&d);
    flip(index, 30);
    d = open_box(b, 0, &calls); /* hashed again, not decoded */
    assert_true(calls > 0);
    tr_dataset_close(&d);
    assert_int_equal(truncate(index, 5), 0);
    d = open_box(b, 0, NULL);
    tr_dataset_close(&d);
    d = open_box(b, 0, &calls);
    assert_int_equal(calls, 0);
    tr_dataset_close(&d);
}

static void test_leftovers_are_removed(void **state)
{
    struct box *b = *state;
    struct tr_dataset d = open_box(b, N, NULL);
    char temp[1300];
    const char *index;

    tr_dataset_close(&d);
    index = cached(b, ".index");
    strcpy(temp, index);
    strcpy(temp + strlen(temp) - strlen(".index"), ".pack.tmp-0123");
    assert_int_equal(unlink(index), 0);
    put_text("/", temp + 1, "half a file");
    d = open_box(b, 0, NULL);
    assert_false(file_exists(temp));
    assert_int_equal(files_in(b->cache), 2);
    tr_dataset_close(&d);
}

static void test_two_at_once(void **state)
{
    struct box *b = *state;
    int gate[2], result[2], decoded = 0;
    pid_t pid[4];

    assert_int_equal(pipe(gate) | pipe(result), 0);
    for (int i = 0; i < 4; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            struct tr_data_spec spec = spec_of(b);
            struct tr_dataset d = {0};
            char c;
            int n;

            close(gate[1]);
            if (read(gate[0], &c, 1) < 0 || tr_dataset_open(&d, &spec, NULL, NULL, NULL))
                _exit(1);
            n = (int)d.decoded;
            if (d.images.n != N || write(result[1], &n, sizeof(n)) != sizeof(n))
                _exit(1);
            tr_dataset_close(&d);
            _exit(0);
        }
    }
    close(gate[0]);
    close(gate[1]); /* all start now */
    for (int i = 0; i < 4; i++) {
        int status, n;

        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_int_equal(read(result[0], &n, sizeof(n)), sizeof(n));
        decoded += n;
    }
    assert_int_equal(decoded, N); /* only one of them */
    assert_int_equal(files_in(b->cache), 2);
    close(result[0]);
    close(result[1]);
}

/* Waits for the one who decodes, and stops when told to. */
static bool never(void *arg, int64_t done, int64_t total)
{
    (void)arg;
    (void)done;
    (void)total;
    return false;
}

static void test_waiting_can_be_stopped(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset d = open_box(b, N, NULL);
    struct file_lock lock = FILE_LOCK_INIT;
    struct hpo_err err = {0};
    char path[1300];
    const char *index;

    tr_dataset_close(&d);
    index = cached(b, ".index");
    strcpy(path, index);
    strcpy(path + strlen(path) - strlen(".index"), ".lock");
    assert_int_equal(unlink(index), 0);
    assert_int_equal(file_lock(&lock, path, &err), 0);
    assert_int_equal(tr_dataset_open(&d, &spec, never, NULL, &err), HPO_ESTOPPED);
    file_unlock(&lock);
}

static void test_decoding_can_be_stopped(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset d = {0};
    struct hpo_err err = {0};

    assert_int_equal(tr_dataset_open(&d, &spec, never, NULL, &err), HPO_ESTOPPED);
    assert_null(d.images.pixels);
    assert_int_equal(files_in(b->cache), 0);
}

/* The file size limit of the process stands in for a full disk: both are a failed allocation. */
static void test_disk_full(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct rlimit limit = {8192, 8192};
        struct tr_dataset d = {0};
        struct hpo_err err = {0};
        bool ok;

        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit))
            _exit(2);
        ok = tr_dataset_open(&d, &spec, NULL, NULL, &err) == HPO_EIO && strstr(err.msg, b->cache) &&
             strstr(err.msg, "no room for the decoded images") &&
             strstr(err.msg, "MB are needed") && files_in(b->cache) == 0;
        if (!ok)
            fprintf(stderr, "%s, %d files\n", err.msg, files_in(b->cache));
        _exit(!ok);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_cache_dir(void **state)
{
    struct arena a = {0};
    const char *home = getenv("HOME");
    char *old_home = home ? xstrdup(home) : NULL;

    assert_string_equal(tr_cache_dir("/x/y", &a), "/x/y");
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    setenv("HOME", "/home/me", 1);
    assert_string_equal(tr_cache_dir(NULL, &a), "/xdg/hpo");
    setenv("XDG_CACHE_HOME", "relative", 1);
    assert_string_equal(tr_cache_dir(NULL, &a), "/home/me/.cache/hpo");
    unsetenv("XDG_CACHE_HOME");
    assert_string_equal(tr_cache_dir("", &a), "/home/me/.cache/hpo");
    unsetenv("HOME");
    assert_non_null(tr_cache_dir(NULL, &a));
    if (old_home)
        setenv("HOME", old_home, 1);
    free(old_home);
    arena_release(&a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_touched_and_copied),
        TEST(test_changed_content),
        TEST(test_parameters_make_other_files),
        TEST(test_damaged_cache_is_made_again),
        TEST(test_damaged_index),
        TEST(test_leftovers_are_removed),
        TEST(test_two_at_once),
        TEST(test_waiting_can_be_stopped),
        TEST(test_decoding_can_be_stopped),
        TEST(test_disk_full),
        TEST(test_cache_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
