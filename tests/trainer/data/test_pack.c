#include "tests/trainer/data/make_images.h"

#include "trainer/data/pack.h"

#define SIZE 4
#define BYTES (SIZE * SIZE * 3)

static void write_pack(const char *path, int64_t n, const struct pack *like)
{
    struct pack_writer w;
    struct pack p = *like;
    struct hpo_err err;

    if (pack_create(&w, path, n, SIZE, &err))
        fail_msg("%s", err.msg);
    for (int64_t i = 0; i < n * BYTES; i++)
        w.pixels[i] = (uint8_t)i;
    p.pixels = w.pixels;
    if (pack_commit(&w, &p, path, &err))
        fail_msg("%s", err.msg);
    pack_abort(&w); /* valid after a commit */
}

static void test_round_trip(void **state)
{
    static const int32_t labels[3] = {0, 2, 1}, groups[3] = {5, 5, 7};
    static const uint64_t sums[18] = {1, 2, 3, 17};
    static const struct pack_bad bad[2] = {{0, "is empty"}, {4, "is cut off"}};
    struct pack want = {.key = "0123456789abcde",
                        .n = 3,
                        .n_bad = 2,
                        .size = SIZE,
                        .classes = 3,
                        .labels = labels,
                        .groups = groups,
                        .sums = sums,
                        .bad = bad};
    char *dir = temp_dir(), path[600];
    struct file_map map = {0};
    struct pack got = {0};
    struct hpo_err err;

    snprintf(path, sizeof(path), "%s/x.pack", dir);
    for (int with_groups = 0; with_groups < 2; with_groups++) {
        want.groups = with_groups ? groups : NULL;
        write_pack(path, 5, &want); /* room for five, three kept */
        assert_int_equal(file_map_open(&map, path, &err), 0);
        if (pack_check(map.p, map.n, &got, &err))
            fail_msg("%s", err.msg);
        assert_memory_equal(got.key, want.key, 16);
        assert_int_equal(got.n, 3);
        assert_int_equal(got.n_bad, 2);
        assert_int_equal(got.classes, 3);
        for (int i = 0; i < 3 * BYTES; i++)
            assert_int_equal(got.pixels[i], (uint8_t)i);
        assert_memory_equal(got.labels, labels, sizeof(labels));
        assert_memory_equal(got.sums, sums, sizeof(sums));
        assert_string_equal(got.bad[1].reason, "is cut off");
        assert_int_equal(got.groups != NULL, with_groups);
        if (with_groups)
            assert_memory_equal(got.groups, groups, sizeof(groups));
        file_map_close(&map);
    }
    remove_dir(dir);
}

/* Values that checksums do not catch, because whoever made the file made those too. */
static void refuse(const struct pack *p, const char *part)
{
    char *dir = temp_dir(), path[600];
    struct file_map map = {0};
    struct pack got = {0};
    struct hpo_err err = {0};

    snprintf(path, sizeof(path), "%s/x.pack", dir);
    write_pack(path, 2, p);
    assert_int_equal(file_map_open(&map, path, &err), 0);
    assert_int_equal(pack_check(map.p, map.n, &got, &err), HPO_EFORMAT);
    assert_contains(err.msg, part);
    assert_null(got.pixels);
    file_map_close(&map);
    remove_dir(dir);
}

static void test_impossible_values(void **state)
{
    static const int32_t good[2] = {0, 1}, high[2] = {0, 2}, low[2] = {-1, 0};
    static const uint64_t sums[12];
    struct pack p = {.n = 2, .size = SIZE, .classes = 2, .labels = good, .sums = sums};
    struct pack q = p;
    struct pack_bad bad[2] = {{1, "x"}, {1, "y"}};

    q.labels = high;
    refuse(&q, "label");
    q.labels = low;
    refuse(&q, "label");
    q = p;
    q.n_bad = 2;
    q.bad = bad;
    refuse(&q, "bad images");
    bad[1].index = 4;
    refuse(&q, "bad images");
    bad[0].index = -1;
    bad[1].index = 3;
    refuse(&q, "bad images");
    bad[0].index = 0;
    memset(bad[1].reason, 'x', sizeof(bad[1].reason));
    refuse(&q, "bad images");
    q = p;
    q.classes = 0;
    refuse(&q, "impossible header");
}

static void test_every_length(void **state)
{
    static const int32_t labels[2] = {0, 1};
    static const uint64_t sums[12];
    struct pack p = {.n = 2, .size = SIZE, .classes = 2, .labels = labels, .sums = sums}, got = {0};
    char *dir = temp_dir(), path[600];
    struct file_map map = {0};
    struct hpo_err err;

    snprintf(path, sizeof(path), "%s/x.pack", dir);
    write_pack(path, 2, &p);
    assert_int_equal(file_map_open(&map, path, &err), 0);
    for (size_t n = 0; n <= map.n; n += n < map.n - 200 && n > 200 ? 50 : 1) {
        uint8_t *copy = aligned_alloc(64, (n + 63) / 64 * 64 + 64);

        memcpy(copy, map.p, n);
        assert_int_equal(pack_check(copy, n, &got, NULL), n == map.n ? 0 : HPO_EFORMAT);
        free(copy);
    }
    file_map_close(&map);
    remove_dir(dir);
}

static void test_no_folder(void **state)
{
    struct pack_writer w;
    struct hpo_err err = {0};

    assert_int_not_equal(pack_create(&w, "/nowhere/at/all/x.pack", 1, SIZE, &err), 0);
    assert_contains(err.msg, "/nowhere/at/all/x.pack");
    pack_abort(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_impossible_values),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_no_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
