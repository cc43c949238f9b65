#include "tests/trainer/data/make_images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "trainer/data/dataset.h"
#include "trainer/data/synth.h"

#define N 36

struct box {
    char *dir, *data, *cache;
};

/* Three classes of twelve, long enough ago for their times to be trusted. */
static int set_up(void **state)
{
    static const struct tr_synth_spec spec = {
        .classes = 3, .per_class = 12, .size = 20, .noise = 0.5, .seed = 1};
    struct box *b = xcalloc(1, sizeof(*b));
    struct hpo_err err;

    b->dir = temp_dir();
    b->data = xmalloc(600);
    b->cache = xmalloc(600);
    snprintf(b->data, 600, "%s/data", b->dir);
    snprintf(b->cache, 600, "%s/cache/hpo", b->dir);
    if (tr_synth(b->data, &spec, &err))
        fail_msg("%s", err.msg);
    nanosleep(&(struct timespec){.tv_nsec = 40000000}, NULL);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct box *b = *state;

    remove_dir(b->dir);
    free(b->data);
    free(b->cache);
    free(b);
    return 0;
}

static struct tr_data_spec spec_of(const struct box *b)
{
    return (struct tr_data_spec){
        .path = b->data, .cache = b->cache, .image_size = 16, .seed = 3, .threads = 3};
}

static bool count_calls(void *arg, int64_t done, int64_t total)
{
    (void)done;
    (void)total;
    ++*(int *)arg;
    return true;
}

/* Open, with so many decoded; *ret_calls: of progress (0: no file was opened). */
static struct tr_dataset open_spec(const struct tr_data_spec *spec, int64_t decoded, int *ret_calls)
{
    struct tr_dataset d = {0};
    struct hpo_err err = {0};
    int calls = 0;

    if (tr_dataset_open(&d, spec, count_calls, &calls, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(err.rc, 0);
    assert_int_equal(d.decoded, decoded);
    if (ret_calls)
        *ret_calls = calls;
    return d;
}

static struct tr_dataset open_any(const struct box *b, int64_t *ret_decoded)
{
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset d = {0};
    struct hpo_err err = {0};

    if (tr_dataset_open(&d, &spec, NULL, NULL, &err))
        fail_msg("%s", err.msg);
    *ret_decoded = d.decoded;
    return d;
}

static struct tr_dataset open_box(const struct box *b, int64_t decoded, int *ret_calls)
{
    struct tr_data_spec spec = spec_of(b);

    return open_spec(&spec, decoded, ret_calls);
}

/* The path of the only file in the cache with this ending. */
static const char *cached(const struct box *b, const char *ending)
{
    static char path[1200];
    DIR *d = opendir(b->cache);
    struct dirent *e;

    *path = 0;
    while (d && (e = readdir(d)))
        if (strlen(e->d_name) > strlen(ending) &&
            !strcmp(e->d_name + strlen(e->d_name) - strlen(ending), ending))
            snprintf(path, sizeof(path), "%s/%s", b->cache, e->d_name);
    if (d)
        closedir(d);
    return path;
}

static int files_in(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int n = 0;

    while (d && (e = readdir(d)))
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static void test_opens(void **state)
{
    struct box *b = *state;
    int calls;
    struct tr_dataset d = open_box(b, N, &calls);
    struct tr_dataset again;

    assert_true(calls > 0);
    assert_int_equal(d.images.n, N);
    assert_int_equal(d.images.w, 16);
    assert_int_equal(d.images.h, 16);
    assert_int_equal(d.images.classes, 3);
    assert_string_equal(d.class_names[0], "circle");
    assert_string_equal(d.class_names[2], "stripes");
    assert_string_equal(d.paths[0], "circle/0000.jpg");
    assert_string_equal(d.paths[N - 1], "stripes/0011.jpg");
    assert_null(d.groups);
    assert_int_equal(d.n_bad, 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(d.images.labels[i], i / 12);
    for (int c = 0; c < 3; c++)
        assert_int_equal(d.class_counts[c], 12);
    assert_int_equal(strlen(d.digest), 32);
    assert_int_equal((uintptr_t)d.images.pixels % 4096, 0);
    assert_true(file_exists(d.cache_file));
    assert_int_equal(files_in(b->cache),
                     2); /* the pack and its index: no lock, nothing temporary */

    again = open_box(b, 0, &calls);
    assert_int_equal(calls, 0); /* found by its listing: no file was opened */
    assert_string_equal(again.digest, d.digest);
    assert_memory_equal(again.images.pixels, d.images.pixels, N * 16 * 16 * 3);
    assert_memory_equal(again.images.labels, d.images.labels, N * sizeof(int32_t));
    assert_true(again.decode_seconds == 0);
    tr_dataset_close(&again);
    tr_dataset_close(&d);
}

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

static void test_limit(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset d, other;

    spec.limit = 10;
    d = open_spec(&spec, 10, NULL);
    assert_int_equal(d.images.n, 10);
    assert_int_equal(d.class_counts[0], 4);
    assert_int_equal(d.class_counts[1], 3);
    assert_int_equal(d.class_counts[2], 3);
    other = open_spec(&spec, 0, NULL);
    assert_string_equal(other.digest, d.digest);
    tr_dataset_close(&other);
    spec.seed = 4;
    other = open_spec(&spec, 10, NULL);
    assert_string_not_equal(other.digest, d.digest);
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
    snprintf(temp, sizeof(temp), "%.*s.pack.tmp-0123", (int)(strlen(index) - 6), index);
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
    snprintf(path, sizeof(path), "%.*s.lock", (int)(strlen(index) - 6), index);
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

static void break_three(const struct box *b)
{
    struct bytes jpeg = ramp_jpeg(50, 50);

    put_text(b->data, "circle/0001.jpg", "");
    put_text(b->data, "cross/0011.jpg", "no picture");
    put_file(b->data, "stripes/0000.jpg", jpeg.p, jpeg.n / 2);
    bytes_free(&jpeg);
    nanosleep(&(struct timespec){.tv_nsec = 40000000}, NULL);
}

static void test_bad_images_fail(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset d = {0};
    struct hpo_err err = {0};

    break_three(b);
    assert_int_equal(tr_dataset_open(&d, &spec, NULL, NULL, &err), HPO_EFORMAT);
    assert_contains(err.msg, "3 of 36 images cannot be used");
    assert_contains(err.msg, "circle/0001.jpg: is empty");
    assert_contains(err.msg, "cross/0011.jpg: is neither JPEG nor PNG");
    assert_contains(err.msg, "stripes/0000.jpg: is cut off");
    assert_null(d.images.pixels);
    assert_int_equal(files_in(b->cache), 0);
}

static void test_bad_images_skipped(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset d;
    struct hpo_err err = {0};

    break_three(b);
    spec.on_error = TR_ON_ERROR_SKIP;
    for (int round = 0; round < 2; round++) { /* decoded, then from the cache */
        d = open_spec(&spec, round ? 0 : N - 3, NULL);
        assert_int_equal(d.images.n, N - 3);
        assert_int_equal(d.n_bad, 3);
        assert_string_equal(d.bad[0].path, "circle/0001.jpg");
        assert_string_equal(d.bad[0].reason, "is empty");
        assert_string_equal(d.bad[2].path, "stripes/0000.jpg");
        assert_string_equal(d.paths[1], "circle/0002.jpg");
        assert_int_equal(d.images.labels[10], 0);
        assert_int_equal(d.images.labels[11], 1);
        for (int c = 0; c < 3; c++)
            assert_int_equal(d.class_counts[c], 11);
        tr_dataset_close(&d);
    }
    /* What was skipped is not good enough for one who does not skip. */
    spec.on_error = TR_ON_ERROR_FAIL;
    assert_int_equal(tr_dataset_open(&d, &spec, NULL, NULL, &err), HPO_EFORMAT);
    assert_contains(err.msg, "circle/0001.jpg: is empty");
}

/* Pixels move together with their labels: each picture is what it is when decoded alone. */
static void test_skipping_keeps_rows_together(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset all = open_spec(&spec, N, NULL), some;
    int at = 0;

    break_three(b);
    spec.on_error = TR_ON_ERROR_SKIP;
    some = open_spec(&spec, N - 3, NULL);
    for (int i = 0; i < N; i++) {
        if (i == 1 || i == 23 || i == 24)
            continue;
        assert_string_equal(some.paths[at], all.paths[i]);
        assert_memory_equal(some.images.pixels + at * 768, all.images.pixels + i * 768, 768);
        assert_memory_equal(some.pixel_sums + at * 6, all.pixel_sums + i * 6, 48);
        at++;
    }
    tr_dataset_close(&all);
    tr_dataset_close(&some);
}

static void test_missing_files(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset d = {0};
    struct hpo_err err = {0};
    char path[700];

    put_text(b->data, "m.csv",
             "group,path,label\nx,circle/0001.jpg,1\ny,nowhere/1.jpg,2\n"
             "x,cross/0001.jpg,0\ny,cross,0\n");
    snprintf(path, sizeof(path), "%s/m.csv", b->data);
    spec.path = path;
    assert_int_equal(tr_dataset_open(&d, &spec, NULL, NULL, &err), HPO_EFORMAT);
    assert_contains(err.msg, "nowhere/1.jpg: does not exist");
    assert_contains(err.msg, "cross: is a folder");
    spec.on_error = TR_ON_ERROR_SKIP;
    for (int round = 0; round < 2; round++) {
        d = open_spec(&spec, round ? 0 : 2, NULL);
        assert_int_equal(d.images.n, 2);
        assert_int_equal(d.groups[0], 0);
        assert_int_equal(d.groups[1], 0);
        assert_int_equal(d.images.labels[0], 1);
        assert_int_equal(d.images.classes, 3);
        assert_int_equal(d.class_counts[2], 0);
        tr_dataset_close(&d);
    }
}

static void test_all_bad(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset d = {0};
    struct hpo_err err = {0};
    char path[700];

    put_text(b->dir, "none/a/1.jpg", "x");
    put_text(b->dir, "none/b/1.jpg", "x");
    snprintf(path, sizeof(path), "%s/none", b->dir);
    spec.path = path;
    spec.on_error = TR_ON_ERROR_SKIP;
    assert_int_equal(tr_dataset_open(&d, &spec, NULL, NULL, &err), HPO_EFORMAT);
    assert_contains(err.msg, "2 of 2 images");
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

static void check_stats(const struct tr_dataset *d, const int32_t *index, int64_t n)
{
    int area = d->images.h * d->images.w;
    double count = (double)n * area;
    float mean[3], std[3];

    tr_dataset_stats(d, index, n, mean, std);
    for (int c = 0; c < 3; c++) {
        double sum = 0, square = 0;

        for (int64_t i = 0; i < n; i++) {
            const uint8_t *p = d->images.pixels + (index ? index[i] : i) * area * 3 + c;

            for (int j = 0; j < area; j++) {
                sum += p[3 * j] / 255.0;
                square += p[3 * j] / 255.0 * (p[3 * j] / 255.0);
            }
        }
        assert_true(fabs(mean[c] - sum / count) < 1e-6);
        assert_true(fabs(std[c] - sqrt(square / count - sum / count * (sum / count))) < 1e-6);
    }
}

static void test_stats(void **state)
{
    static const int32_t index[] = {5, 30, 5, 17};
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    float mean[3], std[3];

    /* 5 x 5 pixels do not come out even where sums are made in vectors. */
    for (spec.image_size = 16; spec.image_size > 0; spec.image_size -= 11) {
        struct tr_dataset d = open_spec(&spec, N, NULL);

        check_stats(&d, NULL, N);
        check_stats(&d, index, 4);
        tr_dataset_stats(&d, NULL, 0, mean, std);
        assert_true(mean[0] == 0 && std[0] == 1.0f / 255);
        tr_dataset_close(&d);
    }
}

static void test_flat_images_have_a_deviation(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    uint8_t gray[32 * 32 * 3];
    struct tr_dataset d;
    struct bytes png;
    char path[700];
    float mean[3], std[3];

    memset(gray, 51, sizeof(gray));
    png = png_of(gray, 96, 32, 32, 8, PNG_COLOR_TYPE_RGB, false, NULL, 0, NULL, 0);
    put_file(b->dir, "flat/a/1.png", png.p, png.n);
    bytes_free(&png);
    snprintf(path, sizeof(path), "%s/flat", b->dir);
    spec.path = path;
    d = open_spec(&spec, 1, NULL);
    tr_dataset_stats(&d, NULL, 1, mean, std);
    for (int c = 0; c < 3; c++) {
        assert_true(fabsf(mean[c] - 0.2f) < 1e-7f);
        assert_true(std[c] == 1.0f / 255);
    }
    tr_dataset_close(&d);
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

static void test_wrong_spec(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset d = {0};
    struct hpo_err err = {0};

    spec.image_size = 0;
    assert_int_equal(tr_dataset_open(&d, &spec, NULL, NULL, &err), HPO_ECONFIG);
    assert_contains(err.msg, "image_size is 0, allowed is 1 to 4096");
    spec = spec_of(b);
    spec.path = "/nowhere/at/all";
    assert_int_equal(tr_dataset_open(&d, &spec, NULL, NULL, &err), HPO_EMISSING);
    assert_contains(err.msg, "/nowhere/at/all: does not exist");
    spec = spec_of(b);
    put_text(b->dir, "file", "x");
    spec.cache = b->dir;
    snprintf(b->cache, 600, "%s/file/cache", b->dir);
    spec.cache = b->cache;
    assert_int_not_equal(tr_dataset_open(&d, &spec, NULL, NULL, &err), 0);
    assert_contains(err.msg, "file");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_opens),
        TEST(test_touched_and_copied),
        TEST(test_changed_content),
        TEST(test_parameters_make_other_files),
        TEST(test_limit),
        TEST(test_damaged_cache_is_made_again),
        TEST(test_damaged_index),
        TEST(test_leftovers_are_removed),
        TEST(test_two_at_once),
        TEST(test_waiting_can_be_stopped),
        TEST(test_decoding_can_be_stopped),
        TEST(test_bad_images_fail),
        TEST(test_bad_images_skipped),
        TEST(test_skipping_keeps_rows_together),
        TEST(test_missing_files),
        TEST(test_all_bad),
        TEST(test_disk_full),
        TEST(test_stats),
        TEST(test_flat_images_have_a_deviation),
        TEST(test_cache_dir),
        TEST(test_wrong_spec),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
