#include "tests/trainer/data/make_images.h"

#include "trainer/data/folds.h"

static void check_whole(const struct tr_folds *f)
{
    int32_t *train = xmalloc((size_t)f->n * sizeof(*train));
    int per = f->k / f->repeats;

    assert_int_equal(f->start[0], 0);
    for (int k = 0; k < f->k; k++) {
        const int32_t *fold = f->fold + k / per * f->n;
        int64_t n = tr_folds_train(f, k, train);

        assert_int_equal(n + f->start[k + 1] - f->start[k], f->n);
        assert_true(n > 0 && n < f->n);
        for (int64_t i = f->start[k]; i < f->start[k + 1]; i++) {
            assert_int_equal(fold[f->index[i]], k);
            if (i > f->start[k])
                assert_true(f->index[i] > f->index[i - 1]);
        }
        for (int64_t i = 0; i < n; i++) {
            assert_int_not_equal(fold[train[i]], k);
            if (i)
                assert_true(train[i] > train[i - 1]);
        }
    }
    free(train);
}

static void make(struct tr_folds *f, const struct tr_folds_spec *spec, const struct tr_folds_of *of)
{
    struct hpo_err err = {0};

    if (tr_folds_make(f, spec, of, &err))
        fail_msg("%s", err.msg);
    check_whole(f);
}

static void refuse(const struct tr_folds_spec *spec, const struct tr_folds_of *of, const char *part)
{
    struct tr_folds f = {0};
    struct hpo_err err = {0};

    assert_int_equal(tr_folds_make(&f, spec, of, &err), HPO_ECONFIG);
    assert_contains(err.msg, part);
    assert_null(f.fold);
}

/* sklearn.model_selection.StratifiedKFold(3).split on these labels gives these folds: the number of
 * each class in each fold is independent of shuffling. */
static void test_stratified_golden(void **state)
{
    static const int32_t y[] = {1, 1, 1, 0, 0, 0, 0, 2, 2, 1, 0, 2, 2, 1};
    static const int32_t golden[] = {0, 0, 1, 0, 0, 1, 2, 0, 1, 1, 2, 1, 2, 2};
    struct tr_folds_of of = {.labels = y, .n = HPO_LEN(y), .classes = 3};
    struct tr_folds_spec spec = {.k = 3, .stratified = true, .in_order = true};
    int want[3][3] = {{0}};
    struct tr_folds f = {0};

    make(&f, &spec, &of);
    assert_memory_equal(f.fold, golden, sizeof(golden));
    tr_folds_release(&f);
    spec.in_order = false;
    for (size_t i = 0; i < HPO_LEN(y); i++)
        want[golden[i]][y[i]]++;
    for (spec.seed = 0; spec.seed < 20; spec.seed++) {
        int got[3][3] = {{0}};

        make(&f, &spec, &of);
        for (size_t i = 0; i < HPO_LEN(y); i++)
            got[f.fold[i]][y[i]]++;
        assert_memory_equal(got, want, sizeof(got));
        tr_folds_release(&f);
    }
}

/* What studies on disk were split into: their seeds must go on to mean the same folds. */
static void test_seeded_golden(void **state)
{
    static const int32_t y[] = {1, 1, 1, 0, 0, 0, 0, 2, 2, 1, 0, 2, 2, 1};
    static const int32_t stratified[] = {0, 0, 2, 1, 0, 0, 2, 0, 1, 1, 2, 2, 1, 1};
    static const int32_t plain[] = {1, 2, 0, 2, 0, 1, 1, 0, 2, 1, 2, 0, 0, 1};
    struct tr_folds_of of = {.labels = y, .n = HPO_LEN(y), .classes = 3};
    struct tr_folds_spec spec = {.k = 3, .stratified = true, .seed = 42};
    struct tr_folds f = {0};

    make(&f, &spec, &of);
    assert_memory_equal(f.fold, stratified, sizeof(stratified));
    tr_folds_release(&f);
    spec.stratified = false;
    make(&f, &spec, &of);
    assert_memory_equal(f.fold, plain, sizeof(plain));
    tr_folds_release(&f);
}

static void test_plain(void **state)
{
    static const int32_t golden[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2};
    int32_t y[11] = {0};
    struct tr_folds_of of = {.labels = y, .n = 11, .classes = 1};
    struct tr_folds_spec spec = {.k = 3, .seed = 5};
    struct tr_folds f = {0};

    make(&f, &spec, &of);
    assert_int_equal(f.start[1], 4);
    assert_int_equal(f.start[2], 8);
    assert_int_equal(f.start[3], 11);
    tr_folds_release(&f);
    spec.in_order = true;
    make(&f, &spec, &of);
    assert_memory_equal(f.fold, golden, sizeof(golden));
    tr_folds_release(&f);
}

/* sklearn 1.2.1: GroupKFold(3) and StratifiedGroupKFold(3) on the same 20 samples of 8 groups. */
static const int32_t group_y[] = {0, 0, 1, 1, 1, 0, 2, 2, 0, 1, 1, 2, 2, 0, 0, 0, 1, 2, 0, 1};
static const int32_t group_of[] = {0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 4, 5, 5, 6, 6, 7, 7};
static const struct tr_folds_of grouped = {
    .labels = group_y, .n = HPO_LEN(group_y), .classes = 3, .groups = group_of};

static void test_groups_golden(void **state)
{
    static const int32_t balanced[] = {2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 2, 2, 1, 1};
    static const int32_t stratified[] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 0,
                                         1, 1, 1, 1, 2, 2, 2, 2, 2, 2};
    struct tr_folds_spec spec = {.k = 3, .group = true, .in_order = true};
    struct tr_folds f = {0};

    make(&f, &spec, &grouped);
    assert_memory_equal(f.fold, balanced, sizeof(balanced));
    tr_folds_release(&f);
    spec.stratified = true;
    make(&f, &spec, &grouped);
    assert_memory_equal(f.fold, stratified, sizeof(stratified));
    tr_folds_release(&f);
}

static void draw(struct hpo_rng *rng, int32_t *y, int32_t *g, int n, int classes, int groups)
{
    for (int i = 0; i < n; i++) {
        y[i] = (int32_t)hpo_rng_below(rng, (uint64_t)classes);
        g[i] = (int32_t)hpo_rng_below(rng, (uint64_t)groups);
    }
}

static void check_groups_whole(const struct tr_folds *f, const int32_t *g)
{
    for (int r = 0; r < f->repeats; r++)
        for (int64_t i = 0; i < f->n; i++)
            for (int64_t j = 0; j < i; j++)
                if (g[i] == g[j])
                    assert_int_equal(f->fold[r * f->n + i], f->fold[r * f->n + j]);
}

/* Shuffled, repeated and as a holdout: no group is split, every split is a whole one. */
static void test_groups_stay_whole(void **state)
{
    struct hpo_rng rng = hpo_rng_for(7, -1, -1, "test", 0);
    int32_t y[120], g[120];
    struct tr_folds_of of = {.labels = y, .n = 120, .classes = 4, .groups = g};

    for (int i = 0; i < 200; i++) {
        struct tr_folds_spec spec = {.k = 1 + (int)hpo_rng_below(&rng, 5),
                                     .repeats = 1 + (int)hpo_rng_below(&rng, 3),
                                     .valid = 0.25,
                                     .stratified = i % 2,
                                     .group = true,
                                     .seed = (uint64_t)i};
        struct tr_folds f = {0};

        draw(&rng, y, g, 120, 4, 20 + i % 40);
        make(&f, &spec, &of);
        assert_int_equal(f.k, spec.k * spec.repeats);
        check_groups_whole(&f, g);
        if (spec.k == 1) /* groups of six at most: the share is nearly met */
            assert_true(f.start[1] >= 20 && f.start[1] <= 42);
        tr_folds_release(&f);
    }
}

static void test_repeats(void **state)
{
    int32_t y[60];
    struct tr_folds_of of = {.labels = y, .n = 60, .classes = 2};
    struct tr_folds_spec spec = {.k = 4, .repeats = 3, .stratified = true, .seed = 9};
    struct tr_folds f = {0}, one = {0};

    for (int i = 0; i < 60; i++)
        y[i] = i % 2;
    for (int stratified = 0; stratified < 2; stratified++) {
        spec.stratified = stratified;
        spec.repeats = 3;
        make(&f, &spec, &of);
        assert_int_equal(f.k, 12);
        assert_int_equal(f.start[12], 180);
        for (int i = 0; i < 180; i++)
            assert_int_equal(f.fold[i] / 4, i / 60);
        spec.repeats = 0;
        make(&one, &spec, &of); /* the first split is the one that there is without repeats */
        assert_memory_equal(f.fold, one.fold, 60 * sizeof(*f.fold));
        for (int r = 1; r < 3; r++) { /* the others differ from it, and from each other */
            int same = 0, as_before = 0;

            for (int i = 0; i < 60; i++) {
                same += f.fold[r * 60 + i] % 4 == f.fold[i];
                as_before += f.fold[r * 60 + i] == f.fold[(r - 1) * 60 + i] + 4;
            }
            assert_true(same < 40 && as_before < 40);
        }
        tr_folds_release(&one);
        tr_folds_release(&f);
    }
}

static void test_shuffled_by_seed(void **state)
{
    int32_t y[60], g[60];
    struct tr_folds a = {0}, b = {0}, c = {0};
    struct tr_folds_of of = {.labels = y, .n = 60, .classes = 2, .groups = g};

    for (int i = 0; i < 60; i++) {
        y[i] = i % 2;
        g[i] = i / 3;
    }
    for (int i = 0; i < 8; i++) {
        struct tr_folds_spec spec = {
            .k = i & 4 ? 1 : 5, .valid = 0.3, .stratified = i & 1, .group = i & 2, .seed = 1};

        make(&a, &spec, &of);
        make(&b, &spec, &of);
        spec.seed = 2;
        make(&c, &spec, &of);
        assert_memory_equal(a.fold, b.fold, 60 * sizeof(*a.fold));
        assert_memory_not_equal(a.fold, c.fold, 60 * sizeof(*a.fold));
        tr_folds_release(&a);
        tr_folds_release(&b);
        tr_folds_release(&c);
    }
}

/* The number that validates is scikit-learn's, each class has its share and keeps one to train. */
static void test_holdout(void **state)
{
    int32_t y[50];
    struct tr_folds_of of = {.labels = y, .n = 50, .classes = 4};
    struct tr_folds_spec spec = {.k = 1, .valid = 0.21, .stratified = true, .seed = 3};
    struct tr_folds f = {0};
    int got[4] = {0};

    for (int i = 0; i < 50; i++) /* 29, 14, 6, 1 */
        y[i] = i < 29 ? 0 : i < 43 ? 1 : i < 49 ? 2 : 3;
    make(&f, &spec, &of);
    assert_int_equal(f.k, 1);
    assert_int_equal(f.start[1], 11);
    for (int64_t i = 0; i < f.start[1]; i++)
        got[y[f.index[i]]]++;
    assert_int_equal(got[0], 7);
    assert_int_equal(got[1], 3);
    assert_int_equal(got[2], 1);
    assert_int_equal(got[3], 0);
    tr_folds_release(&f);
    spec.stratified = false;
    make(&f, &spec, &of);
    assert_int_equal(f.start[1], 11);
    tr_folds_release(&f);
    spec.valid = 0;
    refuse(&spec, &of, "between 0 and 1");
    spec.valid = 0.999;
    refuse(&spec, &of, "fold 0 of 1 has nothing to train on");
}

static void test_given(void **state)
{
    static const int32_t y[] = {0, 1, 0, 1, 0, 1}, g[] = {0, 0, 1, 1, 2, 2};
    static const int32_t given[] = {1, 1, 0, 0, -1, -1}, apart[] = {1, 0, 0, 0, -1, -1};
    static const int32_t hole[] = {2, 2, 0, 0, -1, -1}, wrong[] = {2, 2, 0, 0, -2, -1};
    struct tr_folds_of of = {
        .labels = y, .n = 6, .classes = 2, .groups = g, .given = given, .n_given = 2};
    struct tr_folds_spec spec = {.k = 2, .stratified = true, .group = true};
    struct tr_folds f = {0};

    make(&f, &spec, &of);
    assert_int_equal(f.start[2], 4);
    assert_memory_equal(f.fold, given, sizeof(given));
    tr_folds_release(&f);
    spec.k = 3;
    refuse(&spec, &of, "k is 3 and the fold column has 2 folds");
    of.n_given = 3;
    of.given = hole;
    refuse(&spec, &of, "fold 1 of 3 has nothing to validate on");
    of.given = wrong;
    refuse(&spec, &of, "sample 4 is of fold -2");
    spec.k = of.n_given = 2;
    of.given = apart;
    refuse(&spec, &of, "splits a group");
    spec.group = false;
    make(&f, &spec, &of);
    tr_folds_release(&f);
    spec.repeats = 2;
    refuse(&spec, &of, "cannot be repeated");
}

static void test_mistakes(void **state)
{
    static const int32_t y[] = {0, 0, 0, 1, 1, 1, 2}, g[] = {0, 0, 0, 5, 5, 5, 5};
    static const int32_t far[] = {0, 0, 0, 7, 5, 5, 5}, one[] = {0, 0, 0, 0, 0, 0, 0};
    struct tr_folds_of of = {.labels = y, .n = 7, .classes = 3};
    struct tr_folds_spec spec = {.k = 4, .stratified = true};
    struct tr_folds f = {0};

    refuse(&spec, &of, "the largest class has 3 samples");
    spec = (struct tr_folds_spec){.k = 8};
    refuse(&spec, &of, "fewer samples than folds");
    spec.k = 0;
    refuse(&spec, &of, "it takes at least 1");
    spec = (struct tr_folds_spec){.k = 5, .repeats = 13};
    refuse(&spec, &of, "13 times 5 folds: there can be 64 in all");
    spec = (struct tr_folds_spec){.k = 3, .group = true};
    refuse(&spec, &of, "there are no groups");
    of.groups = g;
    refuse(&spec, &of, "3 folds of 2 groups: there are fewer groups than folds");
    of.groups = far;
    refuse(&spec, &of, "sample 3 is of group 7");
    of.groups = one;
    spec = (struct tr_folds_spec){.k = 1, .valid = 0.2, .group = true};
    refuse(&spec, &of, "2 parts of 1 groups");
    of.groups = NULL;
    of.classes = 2;
    spec = (struct tr_folds_spec){.k = 2};
    refuse(&spec, &of, "label 2 of 2");
    /* Classes nobody is in do not count. */
    of.classes = 9;
    spec = (struct tr_folds_spec){.k = 3, .stratified = true};
    make(&f, &spec, &of);
    tr_folds_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stratified_golden),
        cmocka_unit_test(test_seeded_golden),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_groups_golden),
        cmocka_unit_test(test_groups_stay_whole),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_shuffled_by_seed),
        cmocka_unit_test(test_holdout),
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_mistakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
