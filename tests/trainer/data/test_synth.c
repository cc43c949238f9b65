#include "tests/trainer/data/make_images.h"

#include <dirent.h>

#include "trainer/data/image.h"
#include "trainer/data/reader.h"
#include "trainer/data/synth.h"

static const struct tr_synth_spec small = {
    .classes = 10, .per_class = 3, .size = 32, .noise = 0.3, .seed = 5};

static void make(const char *dir, const struct tr_synth_spec *spec)
{
    struct hpo_err err;

    if (tr_synth(dir, spec, &err))
        fail_msg("%s", err.msg);
}

static struct bytes read_bytes(const char *root, const char *path)
{
    struct bytes b;
    char full[1200];

    snprintf(full, sizeof(full), "%s/%s", root, path);
    assert_int_equal(file_read(full, 1 << 20, (char **)&b.p, &b.n, NULL), 0);
    return b;
}

/* How many files of the second set are byte for byte those of the first. */
static int same_files(const char *a, const char *b)
{
    struct tr_list l = {0};
    int same = 0;

    assert_int_equal(tr_list_read(a, &l, NULL), 0);
    for (int64_t i = 0; i < l.n; i++) {
        struct bytes x = read_bytes(a, l.sample[i].path), y = read_bytes(b, l.sample[i].path);

        same += x.n == y.n && !memcmp(x.p, y.p, x.n);
        bytes_free(&x);
        bytes_free(&y);
    }
    tr_list_release(&l);
    return same;
}

static void test_repeats(void **state)
{
    char *a = temp_dir(), *b = temp_dir(), *c = temp_dir(), *d = temp_dir();
    struct tr_synth_spec other = small, larger = small;

    other.seed = 6;
    larger.per_class = 5;
    make(a, &small);
    make(b, &small);
    make(c, &other);
    make(d, &larger);
    assert_int_equal(same_files(a, b), 30);
    assert_int_equal(same_files(a, c), 0);
    assert_int_equal(same_files(a, d), 30);
    remove_dir(a);
    remove_dir(b);
    remove_dir(c);
    remove_dir(d);
}

static void test_content(void **state)
{
    char *dir = temp_dir(), path[600];
    struct tr_list l = {0};
    struct tr_decoder *d = tr_decoder_new();
    struct tr_synth_spec spec = small;

    spec.size = 48;
    snprintf(path, sizeof(path), "%s/deep/new", dir);
    make(path, &spec);
    assert_int_equal(tr_list_read(path, &l, NULL), 0);
    assert_int_equal(l.n, 30);
    assert_int_equal(l.n_classes, 10);
    for (int64_t i = 0; i < l.n; i++) {
        struct bytes b = read_bytes(path, l.sample[i].path);
        int w, h;

        assert_int_equal(tr_image_size(d, b.p, b.n, &w, &h, NULL), 0);
        assert_int_equal(w, 48);
        assert_int_equal(h, 48);
        bytes_free(&b);
    }
    tr_list_release(&l);
    tr_decoder_free(d);
    remove_dir(dir);
}

static void refuse(const char *dir, struct tr_synth_spec spec, const char *part)
{
    struct hpo_err err = {0};

    assert_int_equal(tr_synth(dir, &spec, &err), HPO_ECONFIG);
    assert_contains(err.msg, part);
}

static void test_refuses(void **state)
{
    char *dir = temp_dir(), path[600];
    struct tr_synth_spec spec = small;

    spec.classes = 11;
    refuse(dir, spec, "allowed is 2 to 10");
    spec.classes = 1;
    refuse(dir, spec, "allowed is 2 to 10");
    spec = small;
    spec.noise = 1.5;
    refuse(dir, spec, "noise");
    spec = small;
    spec.size = 4;
    refuse(dir, spec, "size");
    spec = small;
    spec.per_class = 0;
    refuse(dir, spec, "images a class");
    put_text(dir, "here", "x");
    refuse(dir, small, "exists and is not empty");
    snprintf(path, sizeof(path), "%s/here", dir);
    refuse(path, small, "here");
    remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
