#include "tests/trainer/data/make_images.h"

#include "trainer/data/folds.h"

static void check_whole(const struct tr_folds *f)
{
    int32_t *train = xmalloc((size_t)f->n * sizeof(*train));

    assert_int_equal(f->start[0], 0);
    assert_int_equal(f->start[f->k], f->n);
    for (int k = 0; k < f->k; k++) {
        int64_t n = tr_folds_train(f, k, train);

        assert_int_equal(n + f->start[k + 1] - f->start[k], f->n);
        for (int64_t i = f->start[k]; i < f->start[k + 1]; i++) {
            assert_int_equal(f->fold[f->index[i]], k);
            if (i > f->start[k])
                assert_true(f->index[i] > f->index[i - 1]);
        }
        for (int64_t i = 0; i < n; i++) {
            assert_int_not_equal(f->fold[train[i]], k);
            if (i)
                assert_true(train[i] > train[i - 1]);
        }
    }
    free(train);
}

/* sklearn.model_selection.StratifiedKFold(3).split on these labels gives folds
 * 0 0 1 0 0 1 2 0 1 1 2 1 2 2: the number of each class in each fold is independent of shuffling.
 */
static void test_stratified_golden(void **state)
{
    static const int32_t y[] = {1, 1, 1, 0, 0, 0, 0, 2, 2, 1, 0, 2, 2, 1};
    static const int golden[] = {0, 0, 1, 0, 0, 1, 2, 0, 1, 1, 2, 1, 2, 2};
    int want[3][3] = {{0}};
    struct tr_folds f = {0};
    int thin = 99;

    for (size_t i = 0; i < HPO_LEN(y); i++)
        want[golden[i]][y[i]]++;
    for (uint64_t seed = 0; seed < 20; seed++) {
        int got[3][3] = {{0}};

        assert_int_equal(tr_folds_make(&f, y, HPO_LEN(y), 3, 3, true, seed, &thin, NULL), 0);
        for (size_t i = 0; i < HPO_LEN(y); i++)
            got[f.fold[i]][y[i]]++;
        assert_memory_equal(got, want, sizeof(got));
        assert_int_equal(thin, -1);
        check_whole(&f);
        tr_folds_release(&f);
    }
}

static void test_plain(void **state)
{
    int32_t y[11] = {0};
    struct tr_folds f = {0};

    assert_int_equal(tr_folds_make(&f, y, 11, 1, 3, false, 5, NULL, NULL), 0);
    assert_int_equal(f.start[1], 4);
    assert_int_equal(f.start[2], 8);
    assert_int_equal(f.start[3], 11);
    check_whole(&f);
    tr_folds_release(&f);
}

static void test_shuffled_by_seed(void **state)
{
    int32_t y[60];
    struct tr_folds a = {0}, b = {0}, c = {0};

    for (int i = 0; i < 60; i++)
        y[i] = i % 2;
    for (int stratified = 0; stratified < 2; stratified++) {
        assert_int_equal(tr_folds_make(&a, y, 60, 2, 5, stratified, 1, NULL, NULL), 0);
        assert_int_equal(tr_folds_make(&b, y, 60, 2, 5, stratified, 1, NULL, NULL), 0);
        assert_int_equal(tr_folds_make(&c, y, 60, 2, 5, stratified, 2, NULL, NULL), 0);
        assert_memory_equal(a.fold, b.fold, 60 * sizeof(*a.fold));
        assert_memory_not_equal(a.fold, c.fold, 60 * sizeof(*a.fold));
        tr_folds_release(&a);
        tr_folds_release(&b);
        tr_folds_release(&c);
    }
}

static void test_mistakes(void **state)
{
    static const int32_t y[] = {0, 0, 0, 1, 1, 1, 2};
    struct tr_folds f = {0};
    struct hpo_err err = {0};
    int thin = -1;

    assert_int_equal(tr_folds_make(&f, y, 7, 3, 4, true, 1, &thin, &err), HPO_ECONFIG);
    assert_contains(err.msg, "the largest class has 3 samples");
    assert_int_equal(tr_folds_make(&f, y, 7, 3, 8, false, 1, &thin, &err), HPO_ECONFIG);
    assert_contains(err.msg, "fewer samples than folds");
    assert_int_equal(tr_folds_make(&f, y, 7, 3, 1, false, 1, &thin, &err), HPO_ECONFIG);
    assert_int_equal(tr_folds_make(&f, y, 7, 2, 2, false, 1, &thin, &err), HPO_ECONFIG);
    assert_contains(err.msg, "label 2 of 2");
    assert_null(f.fold);
    /* Classes nobody is in do not count. */
    assert_int_equal(tr_folds_make(&f, y, 7, 9, 3, true, 1, &thin, &err), 0);
    assert_int_equal(thin, 2);
    tr_folds_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stratified_golden),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_shuffled_by_seed),
        cmocka_unit_test(test_mistakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
