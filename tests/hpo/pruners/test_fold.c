#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "curves.h"

#define SETS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void open_fold(struct curves *c, const char *const *sets, int folds, int fold_steps)
{
    curves_open(c, "fold", sets);
    c->pruner.folds = folds;
    c->pruner.fold_steps = fold_steps;
}

static void add(struct curves *c, const char *text, double value)
{
    curves_add(c, HPO_TRIAL_COMPLETE, text)->value = value;
}

/* Trials that from step 1 on still gain 0.1, 0.2, ... 0.1 n; the best ends at 1. */
static void add_drops(struct curves *c, int n)
{
    char text[64];

    for (int i = 0; i < n; i++) {
        snprintf(text, sizeof(text), "99 %.1f %d", 1 + i + 0.1 * (i + 1), 1 + i);
        add(c, text, 1 + i);
    }
}

/* The bound is the mean of the drops and q times their deviation times sqrt(1 + 1/n); q is
 * Student's, from tables. */
static void check_bound(int n, const char *error_rate, double q)
{
    double sd = 0.1 * sqrt(n * (n + 1) / 12.0), bound = 0.05 * (n + 1) + q * sd * sqrt(1 + 1.0 / n);
    char text[64];
    struct curves c;

    open_fold(&c, SETS("reports", "1", "startup_trials", "2", "error_rate", error_rate), 1, 3);
    add_drops(&c, n);
    snprintf(text, sizeof(text), "99 %.9f", 1 + bound * 0.9999);
    assert_false(curves_stops(&c, text));
    snprintf(text, sizeof(text), "99 %.9f", 1 + bound * 1.0001);
    assert_true(curves_stops(&c, text));
    curves_close(&c);
}

static void test_bound(void **state)
{
    check_bound(2, "0.01", 31.820516);
    check_bound(3, "0.05", 2.919986);
    check_bound(4, "0.01", 4.540703);
    check_bound(5, "0.01", 3.746947);
    check_bound(6, "0.1", 1.475884);
    check_bound(21, "0.001", 3.551808);
    check_bound(50, "0.01", 2.404892);
}

static void test_startup(void **state)
{
    struct curves c;

    open_fold(&c, NULL, 1, 3);
    add_drops(&c, 4);
    assert_false(curves_stops(&c, "900 900"));
    curves_add(&c, HPO_TRIAL_PRUNED, "9 9");
    curves_add(&c, HPO_TRIAL_FAIL, "9 9 9");
    curves_add(&c, HPO_TRIAL_RUNNING, "9 9");
    curves_add(&c, HPO_TRIAL_WAITING, "");
    add(&c, "9", 1); /* never came to this step */
    assert_false(curves_stops(&c, "900 900"));
    add(&c, "99 1.5 1", 1);
    assert_true(curves_stops(&c, "900 900"));
    assert_false(curves_stops(&c, ""));
    curves_close(&c);
}

static void test_warmup(void **state)
{
    struct curves c;

    open_fold(&c, SETS("warmup_steps", "2"), 1, 9);
    for (int i = 0; i < 5; i++)
        add(&c, "9 8 7 6", 6);
    assert_false(curves_stops(&c, "90 90"));
    assert_true(curves_stops(&c, "90 90 90"));
    curves_close(&c);
}

/* One bad report is not enough. */
static void test_reports(void **state)
{
    struct curves c;

    open_fold(&c, NULL, 1, 9);
    for (int i = 0; i < 5; i++)
        add(&c, "5 4 3 2 1", 1);
    assert_false(curves_stops(&c, "50"));
    assert_true(curves_stops(&c, "50 50"));
    assert_false(curves_stops(&c, "5 4 50")); /* 4 is not better than 3, but 5 and 4 were */
    assert_true(curves_stops(&c, "5 4 50 50"));
    curves_close(&c);
    open_fold(&c, SETS("reports", "3"), 1, 9);
    for (int i = 0; i < 5; i++)
        add(&c, "5 4 3 2 1", 1);
    assert_false(curves_stops(&c, "50 50"));
    assert_true(curves_stops(&c, "50 50 50"));
    curves_close(&c);
}

/* What came late once may come late again. */
static void test_late_bloomer(void **state)
{
    struct curves c;

    open_fold(&c, NULL, 1, 5);
    for (int i = 0; i < 5; i++)
        add(&c, "5 4.5 4 3.5 3", 3);
    assert_true(curves_stops(&c, "9 9"));
    add(&c, "9 9 9 9 2", 2);
    assert_false(curves_stops(&c, "9 9"));
    curves_close(&c);
}

static void test_not_a_number(void **state)
{
    struct curves c;

    open_fold(&c, NULL, 2, 3);
    add(&c, "5 4 3 6 5 4", 3.5);
    add(&c, "6 4 3 6 5 4", 3.5);
    add(&c, "7 4 3 6 5 4", 3.5);
    add(&c, "5 4 3 7 5 4", 3.5);
    add(&c, "5 5 3 6 6 4", 3.5);
    assert_false(curves_stops(&c, "nan"));
    assert_true(curves_stops(&c, "nan nan"));
    assert_true(curves_stops(&c, "inf nan"));
    assert_false(curves_stops(&c, "nan 4"));
    assert_false(curves_stops(&c, "4 4 nan")); /* the best report of a fold counts */
    assert_false(curves_stops(&c, "4 3 3 nan"));
    assert_true(curves_stops(&c, "4 4 4 nan nan"));
    assert_false(curves_stops(&c, "-inf nan"));
    /* One that began like this and ended well. */
    add(&c, "nan nan 3 6 5 4", 3.5);
    assert_false(curves_stops(&c, "nan nan"));
    assert_true(curves_stops(&c, "5 5 5 nan nan"));
    curves_close(&c);

    open_fold(&c, NULL, 1, 9); /* a distance and a spread that are both too large to compare */
    for (int i = 0; i < 5; i++)
        add(&c, i % 2 ? "1e200 1e200 0" : "-1e200 -1e200 0", 0);
    assert_false(curves_stops(&c, "nan nan"));
    curves_close(&c);

    open_fold(&c, SETS("startup_trials", "2"), 1, 9);
    add(&c, "1 1 1", NAN); /* values that are none are passed over */
    add(&c, "1 1 1", INFINITY);
    add(&c, "1 1 1", -INFINITY);
    assert_false(curves_stops(&c, "2 2"));
    add(&c, "1e308 1e308 1e308", -1e308); /* too large to reckon with */
    add(&c, "-1e308 -1e308 -1e308", 1e308);
    assert_false(curves_stops(&c, "1e308 1e308"));
    assert_false(curves_stops(&c, "nan nan"));
    curves_close(&c);
}

static void test_ties(void **state)
{
    struct curves c;

    open_fold(&c, NULL, 1, 9);
    for (int i = 0; i < 6; i++)
        add(&c, "0.5 0.4 0.3 0.25", 0.25);
    assert_false(curves_stops(&c, "0.5 0.4"));
    assert_false(curves_stops(&c, "0.5 0.4 0.3"));
    assert_true(curves_stops(&c, "0.501 0.401")); /* all others went the very same way */
    curves_close(&c);
}

/* A trial without values, or without reports, is not compared with. */
static void test_odd_leaders(void **state)
{
    struct curves c;

    open_fold(&c, NULL, 1, 9);
    add(&c, "1 1 1", NAN);
    for (int i = 0; i < 5; i++)
        add(&c, "5 4 3", 3);
    assert_true(curves_stops(&c, "50 50"));
    add(&c, "", 2); /* the best one: how it stood is not known */
    assert_false(curves_stops(&c, "50 50"));
    curves_close(&c);
}

/* The best report of a fold counts, not the last. */
static void test_best_of_fold(void **state)
{
    struct curves c;

    open_fold(&c, NULL, 2, 3);
    for (int i = 0; i < 5; i++)
        add(&c, "5 3 4 5 3 4", 3);
    assert_false(curves_stops(&c, "5 3 30 5"));
    assert_false(curves_stops(&c, "5 3 30 5 3"));
    assert_true(curves_stops(&c, "5 3.1 4 5.1 3.1"));
    curves_close(&c);
}

/* A hard fold is hard for all: what counts is the difference to the others on the same folds. */
static void test_folds_are_paired(void **state)
{
    struct curves c;

    open_fold(&c, NULL, 3, 2);
    add(&c, "9 5 3 1 3 1.00", 7.00 / 3);
    add(&c, "9 6 4 2 4 2.03", 10.03 / 3);
    add(&c, "9 7 5 3 5 2.98", 12.98 / 3);
    add(&c, "9 8 6 4 6 4.01", 16.01 / 3);
    add(&c, "9 6 4 2 4 2.02", 10.02 / 3);
    assert_false(curves_stops(&c, "9 5.01 3.01")); /* twice the best value; all lose that much */
    assert_true(curves_stops(&c, "9 5.5 3.5"));
    assert_false(curves_stops(&c, "9 4.5 3 1.5 3")); /* level after two folds */
    assert_true(curves_stops(&c, "9 5.2 3.2 1.2 3.2"));
    curves_close(&c);
}

/* Between the reports of its fold a trial is told by the folds before it. */
static void test_unfinished_fold_counts_less(void **state)
{
    struct curves c;

    open_fold(&c, SETS("reports", "1"), 2, 10);
    for (int i = 0; i < 6; i++) /* after the first epoch of fold 1: anything from 2 to 7 */
        add(&c,
            (const char *const[]){"0:3 9:1 10:2 19:1", "0:3 9:1 10:3 19:1", "0:3 9:1 10:4 19:1",
                                  "0:3 9:1 10:5 19:1", "0:3 9:1 10:6 19:1", "0:3 9:1 10:7 19:1"}[i],
            1);
    assert_false(curves_stops(&c, "0:3 9:1 10:8"));
    assert_true(curves_stops(&c, "0:3 9:3 10:4")); /* 3 + 0.4 over 1.1 against 1.1 to 1.6 */
    curves_close(&c);
}

/* Trials that train fewer epochs leave gaps. */
static void test_gaps(void **state)
{
    struct curves c;

    open_fold(&c, NULL, 2, 10);
    for (int i = 0; i < 9; i++) /* two epochs a fold */
        add(&c, "0:5 1:1 10:5 11:1", 1);
    assert_true(curves_stops(&c, "0:50 1:50"));
    assert_false(curves_stops(&c, "0:50 1:50 2:50")); /* there has been nobody */
    for (int i = 0; i < 5; i++)
        add(&c, "0:5 1:4 2:3 3:2 10:5 11:4 12:3 13:2", 2);
    assert_true(curves_stops(&c, "0:50 1:50 2:50"));
    assert_true(curves_stops(&c, "0:50 1:50 2:50 10:50"));
    curves_close(&c);
}

/* Whoever has trained to the end gets its value. */
static void test_end(void **state)
{
    struct curves c;

    open_fold(&c, NULL, 2, 3);
    for (int i = 0; i < 6; i++)
        add(&c, "5 4 3 5 4 3", 3);
    assert_true(curves_stops(&c, "90 90 90 90 90"));
    assert_false(curves_stops(&c, "90 90 90 90 90 90"));
    assert_true(curves_stops(&c, "0:90 1:90 3:90"));
    assert_false(curves_stops(&c, "0:90 1:90 3:90 4:90")); /* its folds have two epochs */
    c.pruner.folds = 1;                                    /* epoch-first, six epochs */
    c.pruner.fold_steps = 6;
    assert_true(curves_stops(&c, "90 90 90 90 90"));
    assert_false(curves_stops(&c, "90 90 90 90 90 90"));
    c.pruner.fold_steps = 7; /* nobody had a seventh */
    assert_false(curves_stops(&c, "90 90 90 90 90 90"));
    curves_close(&c);
}

/* An objective that does not say how many steps there are, and takes them as it likes. */
static void test_unknown_steps(void **state)
{
    struct curves c;

    open_fold(&c, NULL, 1, 0);
    for (int i = 0; i < 6; i++)
        add(&c, i % 2 ? "0:5 100:4 200:3 300:2" : "0:5 90:4 210:3 300:2", 2);
    assert_true(curves_stops(&c, "0:50 100:50"));
    assert_true(curves_stops(&c, "0:50 150:50 250:50"));
    assert_false(curves_stops(&c, "0:50 300:50"));
    assert_false(curves_stops(&c, "1000:50 2000:50"));
    c.pruner.folds = 3; /* without steps folds cannot be told apart */
    assert_true(curves_stops(&c, "0:50 100:50"));
    c.pruner.folds = 0;
    assert_true(curves_stops(&c, "0:50 100:50"));
    curves_close(&c);

    open_fold(&c, NULL, 2, 3); /* steps out of range */
    for (int i = 0; i < 6; i++)
        add(&c, "-5:5 0:4 1:4 7:4 9000000000000000000:3 9000000000000002048:3", 3);
    assert_false(curves_stops(&c, "-5:50 -4:50"));
    assert_true(curves_stops(&c, "-5:50 0:50"));
    assert_false(curves_stops(&c, "7:50 9000000000000000000:50"));
    curves_close(&c);

    open_fold(&c, NULL, 2, 3);
    for (int i = 0; i < 5; i++) /* what comes after the last fold belongs to it */
        add(&c, "0:4 1:4 2:4 3:4 7:3", 3.5);
    assert_true(curves_stops(&c, "0:50 1:50 2:50 3:50 4:50"));
    curves_close(&c);
    open_fold(&c, NULL, 2, 3);
    for (int i = 0; i < 5; i++) /* not yet in the fold that the other is in */
        add(&c, "0:4 1:4 2:4 5:3", 3.5);
    assert_false(curves_stops(&c, "0:50 1:50 2:50 3:50 4:50"));
    curves_close(&c);
}

/* The 50 best are enough to compare with, wherever in the history they are. */
static void test_many(void **state)
{
    struct curves c;

    open_fold(&c, SETS("startup_trials", "60"), 1, 4);
    for (int i = 0; i < 120; i++) {
        bool good = i % 2;
        char text[64];

        snprintf(text, sizeof(text), "5 %d 3 %d", good ? 2 : 100, good ? 1 : 2);
        add(&c, text, good ? 1 : 2);
    }
    assert_true(curves_stops(&c, "5.1 2.1")); /* 60 good ones that all gain 1; the others gain 98 */
    assert_false(curves_stops(&c, "5.1 2"));
    curves_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_startup),
        cmocka_unit_test(test_warmup),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_late_bloomer),
        cmocka_unit_test(test_not_a_number),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_odd_leaders),
        cmocka_unit_test(test_best_of_fold),
        cmocka_unit_test(test_folds_are_paired),
        cmocka_unit_test(test_unfinished_fold_counts_less),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_unknown_steps),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
