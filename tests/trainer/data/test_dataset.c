#include "tests/trainer/data/data_box.h"

#include <math.h>

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

/* A manifest beside the pictures: header, then a row each with what `more` makes of it. */
static void put_manifest(const struct box *b, char path[700], const char *header,
                         const char *(*more)(int i, char *buf))
{
    static const char *const names[] = {"circle", "cross", "stripes"};
    char buf[64];
    FILE *f;

    snprintf(path, 700, "%s/m.csv", b->data);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "path,label%s\n", header);
    for (int i = 0; i < N; i++)
        fprintf(f, "%s/%04d.jpg,%s%s\n", names[i / 12], i % 12, names[i / 12], more(i, buf));
    fclose(f);
    nanosleep(&(struct timespec){.tv_nsec = 40000000}, NULL);
}

static const char *nothing(int i, char *buf)
{
    (void)i;
    (void)buf;
    return "";
}
static const char *a_fold(int i, char *buf)
{
    snprintf(buf, 64, ",%d", i % 4 - 1);
    return buf;
}
static const char *other_fold(int i, char *buf)
{
    return a_fold(i == 0 ? 5 : i, buf);
}
static const char *a_box(int i, char *buf)
{
    snprintf(buf, 64, ",%d,1,16,16", i % 4);
    return buf;
}
static const char *other_box(int i, char *buf)
{
    return i == 7 ? ",,,," : a_box(i, buf);
}
static const char *wrong_box(int i, char *buf)
{
    return i == 7 || i == 9 ? ",5,1,16,16" : a_box(i, buf);
}
static const char *a_group(int i, char *buf)
{
    snprintf(buf, 64, ",person %d", i % 5);
    return buf;
}

/* The folds of a column are not in the packed file: other folds decode nothing, and are another
 * data set all the same. */
static void test_fold_column(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset plain, d, other;
    char path[700];

    spec.path = path;
    put_manifest(b, path, "", nothing);
    plain = open_spec(&spec, N, NULL);
    assert_null(plain.folds);
    assert_int_equal(plain.n_folds, 0);
    assert_int_equal(plain.lines[N - 1], N + 1);
    put_manifest(b, path, ",fold", a_fold);
    d = open_spec(&spec, 0, NULL);
    assert_string_equal(d.cache_file, plain.cache_file);
    assert_string_not_equal(d.digest, plain.digest);
    assert_int_equal(d.n_folds, 3);
    for (int i = 0; i < N; i++)
        assert_int_equal(d.folds[i], i % 4 - 1);
    put_manifest(b, path, ",fold", other_fold);
    other = open_spec(&spec, 0, NULL);
    assert_string_not_equal(other.digest, d.digest);
    tr_dataset_close(&other);
    tr_dataset_close(&d);
    tr_dataset_close(&plain);
}

static void test_boxes(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset plain = open_spec(&spec, N, NULL), d, other;
    struct hpo_err err = {0};
    char path[700];

    spec.path = path;
    put_manifest(b, path, ",x,y,w,h", a_box);
    d = open_spec(&spec, N, NULL);
    assert_memory_not_equal(d.images.pixels, plain.images.pixels, 768);
    assert_string_not_equal(d.digest, plain.digest);
    put_manifest(b, path, ",x,y,w,h", other_box); /* one box is part of the key */
    other = open_spec(&spec, N, NULL);
    assert_string_not_equal(other.digest, d.digest);
    assert_memory_equal(other.images.pixels, d.images.pixels, 7 * 768);
    assert_memory_equal(other.images.pixels + 7 * 768, plain.images.pixels + 7 * 768, 768);
    tr_dataset_close(&other);
    other = open_spec(&spec, 0, NULL);
    tr_dataset_close(&other);

    put_manifest(b, path, ",x,y,w,h", wrong_box);
    assert_int_equal(tr_dataset_open(&other, &spec, NULL, NULL, &err), HPO_ECONFIG);
    assert_contains(err.msg, "m.csv:9: circle/0007.jpg: has its box outside (x,y,w,h are 5,1,16,16 "
                             "of 20 x 20 pixels)");
    assert_contains(err.msg, "m.csv:11: circle/0009.jpg");
    spec.on_error = TR_ON_ERROR_SKIP;
    other = open_spec(&spec, N - 2, NULL);
    assert_int_equal(other.n_bad, 2);
    assert_int_equal(other.bad[1].line, 11);
    assert_int_equal(other.lines[7], 10);
    tr_dataset_close(&other);
    spec.on_error = TR_ON_ERROR_FAIL; /* from the cache it is the same mistake */
    assert_int_equal(tr_dataset_open(&other, &spec, NULL, NULL, &err), HPO_ECONFIG);
    tr_dataset_close(&d);
    tr_dataset_close(&plain);
}

static void test_group_names(void **state)
{
    struct box *b = *state;
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset d;
    char path[700];

    spec.path = path;
    put_manifest(b, path, ",group", a_group);
    for (int limit = 0; limit < 20; limit += 19) {
        spec.limit = limit;
        d = open_spec(&spec, limit ? limit : N, NULL);
        for (int i = 0; i < d.images.n; i++) {
            char buf[64];

            a_group((int)d.lines[i] - 2, buf);
            assert_string_equal(d.group_names[d.groups[i]], buf + 1);
        }
        tr_dataset_close(&d);
    }
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
        TEST(test_limit),
        TEST(test_bad_images_fail),
        TEST(test_bad_images_skipped),
        TEST(test_skipping_keeps_rows_together),
        TEST(test_fold_column),
        TEST(test_boxes),
        TEST(test_group_names),
        TEST(test_missing_files),
        TEST(test_all_bad),
        TEST(test_stats),
        TEST(test_flat_images_have_a_deviation),
        TEST(test_wrong_spec),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
