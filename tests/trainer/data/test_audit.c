#include "tests/trainer/data/make_images.h"

#include "trainer/data/audit.h"

#define SIDE 4
#define BYTES (SIDE * SIDE * 3)
#define MOST 40

/* A data set in memory; image i is noise of its own until it is made to equal another. */
struct set {
    struct tr_dataset d;
    struct tr_folds f;
    uint8_t pixels[MOST * BYTES];
    uint64_t sums[MOST][6];
    int32_t labels[MOST], groups[MOST];
    int64_t counts[4], lines[MOST];
    const char *paths[MOST];
    struct arena a;
};

static const char *const classes[] = {"cat", "dog", "rare", "odd\n"};
static const char *const groups[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"};

static void add_up(struct set *s, int i)
{
    memset(s->sums[i], 0, sizeof(s->sums[i]));
    for (int j = 0; j < BYTES; j++) {
        uint64_t v = s->pixels[i * BYTES + j];

        s->sums[i][j % 3 * 2] += v;
        s->sums[i][j % 3 * 2 + 1] += v * v;
    }
}

static void copy_image(struct set *s, int from, int to)
{
    memcpy(s->pixels + to * BYTES, s->pixels + from * BYTES, BYTES);
    add_up(s, to);
}

/* labels: a letter an image, 'a' is the first class; groups NULL: none. */
static struct set *make(const char *labels, const char *of)
{
    struct set *s = xcalloc(1, sizeof(*s));
    int n = (int)strlen(labels);
    uint8_t *p = noise(SIDE, SIDE * n, 3, 1);

    memcpy(s->pixels, p, (size_t)n * BYTES);
    free(p);
    for (int i = 0; i < n; i++) {
        s->labels[i] = labels[i] - 'a';
        s->counts[s->labels[i]]++;
        s->groups[i] = of ? of[i] - '0' : -1;
        s->paths[i] = arena_printf(&s->a, "%d.jpg", i);
        s->lines[i] = i + 2;
        add_up(s, i);
    }
    s->d = (struct tr_dataset){.images = {s->pixels, s->labels, n, SIDE, SIDE, 4},
                               .class_names = classes,
                               .class_counts = s->counts,
                               .groups = of ? s->groups : NULL,
                               .group_names = groups,
                               .paths = s->paths,
                               .pixel_sums = &s->sums[0][0]};
    return s;
}

/* The folds as a string of digits, '-' for an image that always trains. */
static struct tr_audit audit(struct set *s, const char *folds, bool group)
{
    struct tr_audit ret;
    struct hpo_err err = {0};
    int32_t given[MOST];
    struct tr_folds_of of = {.labels = s->labels, .n = s->d.images.n, .classes = 4, .given = given};

    for (int i = 0; i < s->d.images.n; i++) {
        given[i] = folds[i] == '-' ? -1 : folds[i] - '0';
        of.n_given = given[i] >= of.n_given ? given[i] + 1 : of.n_given;
    }
    tr_folds_release(&s->f);
    if (tr_folds_make(&s->f, &(struct tr_folds_spec){.k = of.n_given}, &of, &err))
        fail_msg("%s", err.msg);
    tr_audit(&s->d, &s->f, group, &s->a, &ret);
    return ret;
}

static void done(struct set *s)
{
    tr_folds_release(&s->f);
    arena_release(&s->a);
    free(s);
}

static void test_nothing(void **state)
{
    struct set *s = make("aabbaabb", "01234567");

    assert_int_equal(audit(s, "01010101", true).n, 0);
    done(s);
}

static void test_classes(void **state)
{
    struct set *s = make("aaabbbcc", NULL);
    struct tr_audit u = audit(s, "01201211", false);

    assert_int_equal(u.n, 2);
    assert_string_equal(
        u.note[0], "1 class is missing where a fold validates: 'rare' (2 images) in folds 0, 2");
    assert_string_equal(
        u.note[1],
        "1 class is validated by a fold that has none to train on: 'rare' (2 images) in fold 1");
    done(s);
    s = make("aaabbbcd", "00112234");
    u = audit(s, "01201202", true);
    assert_int_equal(u.n, 3);
    assert_string_equal(
        u.note[0], "2 classes are missing where a fold validates: 'rare' (1 image of 1 group) in "
                   "folds 1, 2; 'odd?' (1 image of 1 group) in folds 0, 1");
    assert_string_equal(u.note[2],
                        "1 of 5 groups have images of several labels: 'p1' ('cat', 'dog')");
    done(s);
}

static void test_groups(void **state)
{
    struct set *s = make("aabbaabb", "00112233");
    struct tr_audit u = audit(s, "01010011", false);

    assert_int_equal(u.n, 1);
    assert_string_equal(u.note[0],
                        "the manifest's groups are not used (data.folds.group: true keeps "
                        "each in one fold): 2 of 4 are split over folds: 'p0', 'p1'");
    u = audit(s, "00001111", false);
    assert_int_equal(u.n, 1);
    assert_contains(u.note[0], "0 of 4 are split over folds");
    assert_int_equal(audit(s, "00001111", true).n, 0);
    done(s);
}

/* Groups of one, two, three and four images: GroupKFold has no choice. */
static void test_same_splits(void **state)
{
    struct set *s = make("abababababab", "012222111333");
    struct tr_folds_of of = {.labels = s->labels, .n = 12, .classes = 4, .groups = s->groups};
    struct tr_folds_spec spec = {.k = 2, .repeats = 3, .group = true};
    struct tr_audit u;

    for (int i = 0; i < 12; i++)
        s->groups[i] = i < 1 ? 0 : i < 3 ? 1 : i < 7 ? 2 : 3;
    assert_int_equal(tr_folds_make(&s->f, &spec, &of, NULL), 0);
    tr_audit(&s->d, &s->f, true, &s->a, &u);
    assert_string_equal(u.note[u.n - 1],
                        "2 of 3 splits have the same folds as one before: the groups can hardly be "
                        "dealt in another way (data.folds.repeats)");
    tr_folds_release(&s->f);
    spec.group = false;
    assert_int_equal(tr_folds_make(&s->f, &spec, &of, NULL), 0);
    tr_audit(&s->d, &s->f, true, &s->a, &u);
    assert_null(strstr(u.note[u.n - 1], "splits"));
    done(s);
}

static void test_equal_images(void **state)
{
    struct set *s = make("aabbaabbaabb", NULL);
    struct tr_audit u;

    copy_image(s, 0, 5);
    u = audit(s, "010101010101", false);
    assert_int_equal(u.n, 1);
    assert_string_equal(
        u.note[0],
        "1 pair of equal images has one in another fold, which trains on what it validates on (one "
        "group for both, and data.folds.group: true, keeps them together): '0.jpg' and '5.jpg'");
    assert_int_equal(audit(s, "010100010101", false).n, 0); /* in one fold */
    assert_int_equal(audit(s, "-101010-0101", false).n, 1); /* one of them always trains */
    assert_int_equal(audit(s, "-1010-010101", false).n, 0);
    /* Three of a kind over two folds are two pairs; another label is another note, with lines. */
    copy_image(s, 0, 2);
    s->d.lines = s->lines;
    u = audit(s, "010101010101", false);
    assert_int_equal(u.n, 2);
    assert_string_equal(u.note[0],
                        "2 pairs of equal images have different labels: '0.jpg' (line 2) "
                        "and '2.jpg' (line 4); ...");
    assert_contains(u.note[1], "2 pairs of equal images have one in another fold");
    assert_contains(u.note[1], "'0.jpg' (line 2) and '5.jpg' (line 7); ...");
    done(s);
}

/* Equal sums are not yet equal pixels. */
static void test_equal_sums(void **state)
{
    struct set *s = make("abab", NULL);
    uint8_t first[3];

    copy_image(s, 0, 3);
    memcpy(first, s->pixels + 3 * BYTES, 3);
    memcpy(s->pixels + 3 * BYTES, s->pixels + 4 * BYTES - 3, 3);
    memcpy(s->pixels + 4 * BYTES - 3, first, 3);
    add_up(s, 3);
    assert_memory_equal(s->sums[0], s->sums[3], sizeof(s->sums[0]));
    assert_int_equal(audit(s, "0011", false).n, 0);
    done(s);
}

/* The examples are the first ones, whatever their hashes. */
static void test_examples_in_order(void **state)
{
    struct set *s = make("aabbaabbaabbaabbaabb", NULL);
    struct tr_audit u;

    for (int i = 0; i < 10; i++)
        copy_image(s, i, 19 - i);
    u = audit(s, "01010101010101010101", false);
    assert_int_equal(u.n, 2);
    assert_contains(u.note[1], "10 pairs of equal images have one in another fold");
    assert_contains(u.note[1],
                    "'0.jpg' and '19.jpg'; '1.jpg' and '18.jpg'; '2.jpg' and '17.jpg'; ...");
    done(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_equal_images),
        cmocka_unit_test(test_same_splits),
        cmocka_unit_test(test_equal_sums),
        cmocka_unit_test(test_examples_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
