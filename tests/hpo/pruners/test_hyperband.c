#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "curves.h"

#define SETS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int bracket(const struct curves *c, int number)
{
    return c->pruner.ops->bracket(&c->pruner, number);
}

/* How many of so many trials each bracket gets. */
static void shares(const struct curves *c, int trials, int *ret, int n)
{
    memset(ret, 0, sizeof(*ret) * (size_t)n);
    for (int i = 0; i < trials; i++) {
        assert_in_range(bracket(c, i), 0, n - 1);
        ret[bracket(c, i)]++;
    }
}

/* Optuna's, of a study named s1. */
static void test_brackets(void **state)
{
    static const int golden[] = {2, 3, 0, 0, 1, 1, 3, 0, 0, 0, 1, 0};
    static const int budget[] = {27, 12, 6, 4};
    struct curves c;
    int got[4];

    curves_open(&c, "hyperband", SETS("max_resource", "27"));
    c.pruner.study = "s1";
    for (int i = 0; i < 12; i++)
        assert_int_equal(bracket(&c, i), golden[i]);
    shares(&c, 49000, got, 4);
    for (int i = 0; i < 4; i++)
        assert_true(fabs(got[i] / 1000.0 - budget[i]) < 0.5);
    c.pruner.study = NULL; /* has no name */
    shares(&c, 100, got, 4);
    curves_close(&c);
}

static int count(const char *max_resource, const char *reduction_factor)
{
    struct curves c;
    int last = 0;

    curves_open(&c, "hyperband",
                SETS("max_resource", max_resource, "reduction_factor", reduction_factor));
    for (int i = 0; i < 2000; i++)
        if (bracket(&c, i) > last)
            last = bracket(&c, i);
    curves_close(&c);
    return last + 1;
}

/* By the quotient of rounded logarithms, as Python computes it. */
static void test_counts(void **state)
{
    assert_int_equal(count("1", "3"), 1);
    assert_int_equal(count("2", "3"), 1);
    assert_int_equal(count("3", "3"), 2);
    assert_int_equal(count("81", "3"), 5);
    assert_int_equal(count("243", "3"), 5); /* 3^5, but 4.999999999999999 */
    assert_int_equal(count("1000", "10"), 3);
    assert_true(count("2147483647", "2") > 5);
}

/* Each bracket is an asha that leaves out as many rungs as its index says. */
static void test_rungs(void **state)
{
    struct curves c;

    curves_open(&c, "hyperband", SETS("max_resource", "27"));
    c.pruner.study = "s1";
    for (int i = 0; i < 4; i++) /* brackets 2, 3, 0, 0 */
        curves_add(&c, HPO_TRIAL_COMPLETE, "1 1 1 1 1 1 1 1 1 1");
    assert_false(curves_stops(&c, "9 9 9"));   /* number 4 is in bracket 1: ... */
    assert_false(curves_stops(&c, "9 9 9 9")); /* ... step 3, and nobody else there */
    curves_add(&c, HPO_TRIAL_COMPLETE, "1 1 1 1 1 1 1 1 1 1");
    assert_false(curves_stops(&c, "9 9 9"));
    assert_true(curves_stops(&c, "9 9 9 9")); /* number 5, as number 4 */
    curves_add(&c, HPO_TRIAL_COMPLETE, "1 1 1 1 1 1 1 1 1 1");
    assert_false(curves_stops(&c, "9 9 9 9 9 9 9 9 9 9")); /* number 6 in bracket 3: step 27 */
    assert_false(curves_stops(&c, "26:9"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "");
    assert_true(curves_stops(&c, "9 9")); /* number 7 in bracket 0: step 1 */
    assert_false(curves_stops(&c, "9 1"));
    assert_true(curves_stops(&c, "9 nan"));
    curves_close(&c);
}

static void test_bootstrap(void **state)
{
    struct curves c;

    curves_open(&c, "hyperband", SETS("max_resource", "2", "bootstrap_count", "1"));
    assert_true(curves_stops(&c, "0 1")); /* one bracket */
    curves_add(&c, HPO_TRIAL_PRUNED, "0 1");
    assert_false(curves_stops(&c, "0 1"));
    curves_close(&c);
}

static void test_auto(void **state)
{
    struct hpo_err err = {0};
    struct curves c, given;

    curves_open(&c, "hyperband", NULL);
    curves_open(&given, "hyperband", SETS("max_resource", "27"));
    assert_int_equal(c.pruner.ops->check(&c.pruner, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "max_resource: "));
    assert_int_equal(c.pruner.ops->check(&c.pruner, NULL), HPO_ECONFIG);
    /* Nobody should ask; but then it does nothing. */
    curves_add(&c, HPO_TRIAL_COMPLETE, "0 0 0 0");
    assert_false(curves_stops(&c, "9 9 9 9"));
    assert_int_equal(bracket(&c, 3), 0);
    c.pruner.folds = 3;
    c.pruner.fold_steps = 9;
    assert_int_equal(c.pruner.ops->check(&c.pruner, NULL), 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(bracket(&c, i), bracket(&given, i));
    assert_int_equal(given.pruner.ops->check(&given.pruner, NULL), 0);
    curves_close(&given);
    c.pruner.folds = c.pruner.fold_steps = 2147483647;
    assert_int_equal(c.pruner.ops->check(&c.pruner, NULL), 0);
    assert_true(bracket(&c, 1) >= 0);
    curves_close(&c);
}

static void test_too_short(void **state)
{
    struct hpo_err err = {0};
    struct curves c;

    curves_open(&c, "hyperband", SETS("min_resource", "9", "max_resource", "5"));
    assert_int_equal(c.pruner.ops->check(&c.pruner, &err), HPO_ECONFIG);
    assert_string_equal(err.msg, "max_resource is below min_resource: 5, 9");
    assert_int_equal(bracket(&c, 0), 0);
    curves_add(&c, HPO_TRIAL_COMPLETE, "9:0");
    assert_false(curves_stops(&c, "9:9"));
    curves_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_brackets), cmocka_unit_test(test_counts),
        cmocka_unit_test(test_rungs),    cmocka_unit_test(test_bootstrap),
        cmocka_unit_test(test_auto),     cmocka_unit_test(test_too_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
