#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "curves.h"

#define SETS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* One in two goes on; rungs at steps 1, 2, 4, ... */
static const char *const halving[] = {"reduction_factor", "2", NULL};

static void test_rungs(void **state)
{
    struct curves c;

    curves_open(&c, "asha", halving);
    curves_add(&c, HPO_TRIAL_COMPLETE, "1 1 1 1 1");
    assert_false(curves_stops(&c, "9"));   /* before the first rung */
    assert_true(curves_stops(&c, "0 9"));  /* the value there counts, not the best */
    assert_false(curves_stops(&c, "9 1")); /* a tie goes on */
    assert_true(curves_stops(&c, "0 0 9"));
    assert_false(curves_stops(&c, "0 0 0 9")); /* step 3 is no rung */
    assert_true(curves_stops(&c, "0 0 0 0 9"));
    assert_true(curves_stops(&c, "0 nan"));
    assert_false(curves_stops(&c, "0 0 0 nan"));
    assert_true(curves_stops(&c, "0 0 0 0 nan"));
    curves_close(&c);
}

static void test_resources(void **state)
{
    struct curves c;

    curves_open(&c, "asha",
                SETS("min_resource", "2", "reduction_factor", "3", "min_early_stopping_rate",
                     "1")); /* 6, 18, ... */
    curves_add(&c, HPO_TRIAL_COMPLETE, "0:1 5:1 6:1 7:1 17:1 18:1");
    assert_false(curves_stops(&c, "5:9"));
    assert_true(curves_stops(&c, "5:9 9"));
    assert_false(curves_stops(&c, "5:0 0 9"));
    assert_false(curves_stops(&c, "6:0 17:9"));
    assert_true(curves_stops(&c, "6:0 18:9"));
    curves_close(&c);
    /* No rung at all: beyond every step. */
    curves_open(&c, "asha", SETS("min_resource", "2147483647", "min_early_stopping_rate", "62"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "9223372036854774784:1");
    assert_false(curves_stops(&c, "9223372036854774784:9"));
    curves_close(&c);
    curves_open(&c, "asha", halving); /* as many rungs as there can be */
    curves_add(&c, HPO_TRIAL_COMPLETE, "9223372036854774784:1");
    assert_false(curves_stops(&c, "9223372036854774784:1"));
    curves_close(&c);
}

static void test_places(void **state)
{
    struct curves c;

    curves_open(&c, "asha", NULL); /* one in four */
    assert_false(curves_stops(&c, "0 5"));
    /* Whatever became of a trial, what it reported counts. */
    curves_add(&c, HPO_TRIAL_PRUNED, "0 3");
    curves_add(&c, HPO_TRIAL_FAIL, "0 4");
    curves_add(&c, HPO_TRIAL_RUNNING, "0 2");
    curves_add(&c, HPO_TRIAL_COMPLETE, "0"); /* was never there */
    curves_add(&c, HPO_TRIAL_PRUNED, "0 nan");
    assert_true(curves_stops(&c, "0 2.5"));
    assert_false(curves_stops(&c, "0 2"));
    for (int i = 0; i < 4; i++)
        curves_add(&c, HPO_TRIAL_COMPLETE, "0 9");
    assert_false(curves_stops(&c, "0 2.5")); /* the second of eight */
    assert_true(curves_stops(&c, "0 3.5"));
    curves_close(&c);
}

static void test_bootstrap(void **state)
{
    struct curves c;

    curves_open(&c, "asha", SETS("bootstrap_count", "2"));
    assert_true(curves_stops(&c, "0 1"));
    curves_add(&c, HPO_TRIAL_PRUNED, "0 1");
    assert_true(curves_stops(&c, "0 1"));
    curves_add(&c, HPO_TRIAL_PRUNED, "0 1");
    assert_false(curves_stops(&c, "0 1"));
    curves_close(&c);
}

/* One report may reach several rungs. */
static void test_gaps(void **state)
{
    struct curves c;

    curves_open(&c, "asha", halving);
    curves_add(&c, HPO_TRIAL_PRUNED, "0 0 0 8:1"); /* stopped at step 4's rung, never at 8's */
    curves_add(&c, HPO_TRIAL_COMPLETE, "0 0 0 0 2 5 5 5 2");
    assert_true(curves_stops(&c, "0 0 0 0 1.5"));
    assert_false(curves_stops(&c, "0 0 0 0 1 5 5 5 1.5"));
    assert_true(curves_stops(&c, "0 0 0 8:3"));
    curves_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rungs),  cmocka_unit_test(test_resources),
        cmocka_unit_test(test_places), cmocka_unit_test(test_bootstrap),
        cmocka_unit_test(test_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
