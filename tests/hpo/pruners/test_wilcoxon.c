#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "curves.h"

#define SETS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A complete trial: its value is the mean of its folds', the best of each fold's reports or (last)
 * the last ones. */
static struct hpo_trial *complete(struct curves *c, const char *text, bool last)
{
    struct hpo_trial *t = curves_add(c, HPO_TRIAL_COMPLETE, text);
    struct hpo_fold *folds = ARENA_ARRAY(&c->arena, struct hpo_fold, c->pruner.folds);

    t->value = 0;
    for (int i = 0; i < t->n_points; i++) {
        const struct hpo_point *p = &t->points[i];
        int fold = (int)(p->step / c->pruner.fold_steps);

        if (fold == t->n_folds || last || p->value < folds[fold].value)
            folds[fold] = (struct hpo_fold){
                .fold = fold, .value = p->value, .epoch = (int)(p->step % c->pruner.fold_steps)};
        if (fold == t->n_folds)
            t->n_folds++;
    }
    for (int i = 0; i < t->n_folds; i++) {
        t->value += folds[i].value / t->n_folds;
        folds[i].value = hpo_value_flip(folds[i].value, c->pruner.maximize);
    }
    t->folds = folds;
    return t;
}

static void open_folds(struct curves *c, const char *const *sets, int folds, int fold_steps)
{
    curves_open(c, "wilcoxon", sets);
    c->pruner.folds = folds;
    c->pruner.fold_steps = fold_steps;
}

/* Steps as Optuna's users have them: one is one instance. */
static void test_steps(void **state)
{
    struct curves c;

    curves_open(&c, "wilcoxon", NULL);
    assert_false(curves_stops(&c, "9 9 9 9 9"));
    curves_add(&c, HPO_TRIAL_PRUNED, "-9 -9 -9 -9 -9 -9");
    curves_add(&c, HPO_TRIAL_COMPLETE, "5 5 5 5 5 5")->value = 7;
    curves_add(&c, HPO_TRIAL_COMPLETE, "1 2 3 4 5 6")->value = 5; /* the best one */
    assert_false(curves_stops(&c, "1.1 2.2 3.3"));                /* p 0.125 */
    assert_false(curves_stops(&c, "9 9 9"));
    assert_true(curves_stops(&c, "9 9 9 9")); /* p 0.0625 */
    assert_true(curves_stops(&c, "9 9 9 9 9"));
    assert_true(curves_stops(&c, "9 9 9 4 9"));        /* a zero says nothing: p 0.0625 */
    assert_false(curves_stops(&c, "9 9 9 3 3"));       /* p 0.15625 */
    assert_false(curves_stops(&c, "9 9 9 40:9 41:9")); /* three pairs */
    /* Worse on every step, and on average not: the best one has bad steps to come. */
    assert_false(curves_stops(&c, "1.1 2.2 3.3 4.4"));
    curves_close(&c);
}

static void test_startup_and_threshold(void **state)
{
    struct curves c;

    curves_open(&c, "wilcoxon", SETS("startup_steps", "5"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "1 2 3 4 5 6")->value = 1;
    assert_false(curves_stops(&c, "9 9 9 9"));
    assert_true(curves_stops(&c, "9 9 9 9 9"));
    curves_close(&c);

    curves_open(&c, "wilcoxon", SETS("p_threshold", "0.3"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "1 2 3 4 5 6")->value = 1;
    assert_false(curves_stops(&c, "9"));
    assert_true(curves_stops(&c, "9 9"));
    curves_close(&c);

    curves_open(&c, "wilcoxon", SETS("p_threshold", "0.0625"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "1 2 3 4 5 6")->value = 1;
    assert_false(curves_stops(&c, "9 9 9 9")); /* not below it */
    assert_true(curves_stops(&c, "9 9 9 9 9"));
    curves_close(&c);
}

static void test_odd_values(void **state)
{
    struct curves c;

    curves_open(&c, "wilcoxon", NULL);
    curves_add(&c, HPO_TRIAL_COMPLETE, "1 1 1 1 1 1")->value = 1;
    assert_true(curves_stops(&c, "9 9 9 9 9"));
    assert_false(curves_stops(&c, "nan 9 9 9 9 9"));
    assert_false(curves_stops(&c, "9 9 9 9 9 inf"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "1 1 1 1 1 nan")->value = 0;
    assert_false(curves_stops(&c, "9 9 9 9 9"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "")->value = -1;
    assert_false(curves_stops(&c, "9 9 9 9 9"));
    curves_close(&c);
}

static void test_folds(void **state)
{
    struct curves c;

    open_folds(&c, NULL, 5, 2);
    complete(&c, "8 1  8 2  8 3  8 4  8 5", false);
    assert_false(curves_stops(&c, "9 4  9 5  9 6"));
    assert_false(curves_stops(&c, "9 4  9 5  9 6  9")); /* the fourth is not finished */
    assert_true(curves_stops(&c, "9 4  9 5  9 6  9 7"));
    assert_true(curves_stops(&c, "9 4  9 5  9 6  9 7  9"));    /* and stays so */
    assert_false(curves_stops(&c, "9 4  9 5  9 6  9 7  9 8")); /* no fold is left */
    assert_false(curves_stops(&c, "9 4  9 5  9 6  9 3.5"));    /* p 0.125 */
    assert_true(curves_stops(&c, "4 9  5 9  6 9  7 9"));       /* its best report counts */
    assert_true(curves_stops(&c, "nan 4  9 5  nan 6  9 7"));
    assert_false(curves_stops(&c, "nan nan  9 5  9 6  9 7  9"));   /* one is not known */
    assert_false(curves_stops(&c, "9 1.1  9 2.1  9 3.1  9 4.05")); /* better on average so far */
    curves_close(&c);
}

/* It trains fewer epochs than others do. */
static void test_gaps(void **state)
{
    struct curves c;

    open_folds(&c, NULL, 6, 4);
    complete(&c, "8 8 8 1  8 8 8 1  8 8 8 1  8 8 8 1  8 8 8 1  8 8 8 1", false);
    assert_false(curves_stops(&c, "9 4  4:9 5  8:9 6  12:9"));
    assert_true(curves_stops(&c, "9 4  4:9 5  8:9 6  12:9 7")); /* as far as the fold before */
    assert_false(curves_stops(&c, "9 4  4:9 5  8:9 6"));
    assert_true(curves_stops(&c, "9  4:9  8:9  12:9"));
    curves_close(&c);

    /* The best one has fewer; the last fold of a trial that is alone with its epochs is finished
     * when the next begins. */
    open_folds(&c, SETS("p_threshold", "0.3"), 3, 4);
    complete(&c, "8 1  4:8 1  8:8 1", false);
    assert_false(curves_stops(&c, "9 9 9"));
    assert_false(curves_stops(&c, "9 9 9 9 9 9 9"));
    assert_true(curves_stops(&c, "9 9 9 9 9 9 9 9"));
    assert_false(curves_stops(&c, "9 9 9  4:9 9"));
    assert_true(curves_stops(&c, "9 9 9  4:9 9 9"));
    assert_true(curves_stops(&c, "9 9 9  4:9 9  8:9"));
    curves_close(&c);
}

/* The study counts the last epoch of a fold, not its best. */
static void test_last_epoch(void **state)
{
    struct curves c;

    open_folds(&c, NULL, 5, 2);
    complete(&c, "0 1  0 1  0 1  0 1  0 1", true);
    assert_true(curves_stops(&c, "0 9  0 9  0 9  0 9"));
    assert_false(curves_stops(&c, "0 9  0 9  0 9  9 0.5"));
    curves_close(&c);
}

/* The folds of a trial are in the user's direction. */
static void test_maximize(void **state)
{
    struct curves c;

    open_folds(&c, NULL, 5, 2);
    c.pruner.maximize = true;
    complete(&c, "-0.1 -0.9  -0.1 -0.8  -0.1 -0.9  -0.1 -0.8  -0.1 -0.9", false);
    assert_true(curves_stops(&c, "-0.1 -0.5  -0.1 -0.4  -0.1 -0.5  -0.1 -0.4"));
    assert_false(curves_stops(&c, "-0.1 -0.95  -0.1 -0.99  -0.1 -0.95  -0.1 -0.99"));
    curves_close(&c);
}

static void test_few_folds(void **state)
{
    struct curves c;

    for (int folds = 2; folds <= 4; folds++) { /* nothing to gain by default */
        open_folds(&c, NULL, folds, 1);
        complete(&c, (const char *[]){"1 1", "1 1 1", "1 1 1 1"}[folds - 2], false);
        assert_false(curves_stops(&c, "9"));
        assert_false(curves_stops(&c, "9 9"));
        assert_false(curves_stops(&c, folds > 2 ? "9 9 9" : "9"));
        assert_false(curves_stops(&c, folds > 3 ? "9 9 9 9" : "9"));
        curves_close(&c);
    }
}

/* A complete trial whose folds were not recorded. */
static void test_without_folds(void **state)
{
    struct curves c;

    open_folds(&c, NULL, 5, 2);
    curves_add(&c, HPO_TRIAL_COMPLETE, "8 1  8 2  8 3  8 4  8 5")->value = 3;
    assert_true(curves_stops(&c, "9 4  9 5  9 6  9 7"));
    curves_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),         cmocka_unit_test(test_startup_and_threshold),
        cmocka_unit_test(test_odd_values),    cmocka_unit_test(test_folds),
        cmocka_unit_test(test_gaps),          cmocka_unit_test(test_last_epoch),
        cmocka_unit_test(test_maximize),      cmocka_unit_test(test_few_folds),
        cmocka_unit_test(test_without_folds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
