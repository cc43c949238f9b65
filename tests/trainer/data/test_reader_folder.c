#include "tests/trainer/data/make_images.h"

#include <sys/stat.h>

#include "trainer/data/reader.h"

static void refuse(const char *path, int rc, const char *part)
{
    struct tr_list l = {0};
    struct hpo_err err = {0};

    assert_int_equal(tr_list_read(path, &l, &err), rc);
    assert_contains(err.msg, part);
    assert_null(l.sample);
}

static void test_lists(void **state)
{
    char *dir = temp_dir(), link[600];
    struct tr_list l = {0};
    struct hpo_err err;
    static const char *const files[] = {
        "b/2.jpg",   "b/10.JPG", "b/sub/x.jpeg", "b/sub/deeper/y.PnG",
        "a-b/1.png", "a/1.jpg",  "a/B.jpg",      "a/a.jpg"};
    static const struct {
        const char *path;
        int label;
    } want[] = {{"a/1.jpg", 0},     {"a/B.jpg", 0}, {"a/a.jpg", 0},    {"a-b/1.png", 1},
                {"b/10.JPG", 2},    {"b/2.jpg", 2}, {"b/link.jpg", 2}, {"b/sub/deeper/y.PnG", 2},
                {"b/sub/x.jpeg", 2}};

    for (size_t i = 0; i < HPO_LEN(files); i++)
        put_text(dir, files[i], "x");
    put_text(dir, "a/.hidden.jpg", "x");
    put_text(dir, "a/notes.txt", "x");
    put_text(dir, "a/jpg", "x");
    put_text(dir, ".ipynb_checkpoints/1.jpg", "x");
    put_text(dir, "__MACOSX/a/1.jpg", "x");
    put_text(dir, "stray.jpg", "x");
    snprintf(link, sizeof(link), "%s/b/link.jpg", dir);
    assert_int_equal(symlink("2.jpg", link), 0);

    if (tr_list_read(dir, &l, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(l.root, dir);
    assert_int_equal(l.n_classes, 3);
    assert_string_equal(l.classes[0], "a");
    assert_string_equal(l.classes[1], "a-b");
    assert_string_equal(l.classes[2], "b");
    assert_false(l.has_groups);
    assert_int_equal(l.n, HPO_LEN(want));
    for (size_t i = 0; i < HPO_LEN(want); i++) {
        assert_string_equal(l.sample[i].path, want[i].path);
        assert_int_equal(l.sample[i].label, want[i].label);
        assert_int_equal(l.sample[i].group, -1);
    }
    tr_list_release(&l);
    remove_dir(dir);
}

static void test_mistakes(void **state)
{
    char *dir = temp_dir(), path[600];

    refuse(dir, HPO_ECONFIG, "has no class folders");
    put_text(dir, "1.jpg", "x");
    refuse(dir, HPO_ECONFIG, "has no class folders");
    put_text(dir, "cat/1.jpg", "x");
    put_text(dir, "dog/readme.txt", "x");
    put_text(dir, "eel/.jpg", "x");
    refuse(dir, HPO_ECONFIG, "/dog: has no images");
    refuse(dir, HPO_ECONFIG, "/eel: has no images");
    snprintf(path, sizeof(path), "%s/nowhere", dir);
    refuse(path, HPO_EMISSING, "does not exist");
    snprintf(path, sizeof(path), "%s/1.jpg", dir);
    refuse(path, HPO_ECONFIG, "is not a data set");
    remove_dir(dir);
}

static void test_link_loop(void **state)
{
    char *dir = temp_dir(), path[600];

    put_text(dir, "cat/1.jpg", "x");
    snprintf(path, sizeof(path), "%s/cat/again", dir);
    assert_int_equal(symlink(".", path), 0);
    refuse(dir, HPO_ECONFIG, "nested more than 16 deep");
    remove_dir(dir);
}

static void test_dead_link_is_listed(void **state)
{
    char *dir = temp_dir(), path[600];
    struct tr_list l = {0};

    put_text(dir, "cat/1.jpg", "x");
    snprintf(path, sizeof(path), "%s/cat/2.jpg", dir);
    assert_int_equal(symlink("nowhere.jpg", path), 0);
    assert_int_equal(tr_list_read(dir, &l, NULL), 0);
    assert_int_equal(l.n, 2);
    tr_list_release(&l);
    remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_link_loop),
        cmocka_unit_test(test_dead_link_is_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
