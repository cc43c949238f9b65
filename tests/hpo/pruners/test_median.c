#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "curves.h"

#define SETS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void complete(struct curves *c, int n, const char *const *texts)
{
    for (int i = 0; i < n; i++)
        curves_add(c, HPO_TRIAL_COMPLETE, texts[i]);
}

static void test_compares_with_the_median(void **state)
{
    struct curves c;

    curves_open(&c, "median", SETS("startup_trials", "3"));
    complete(&c, 3, (const char *const[]){"1 5 2", "3 6 1", "2 9 9"});
    assert_false(curves_stops(&c, "2")); /* as good as the median: a tie stays */
    assert_true(curves_stops(&c, "2.01"));
    assert_false(curves_stops(&c, "9 6")); /* each step has a median of its own */
    assert_true(curves_stops(&c, "9 7"));
    assert_false(curves_stops(&c, "1.5 99 99"));   /* the best report so far counts, not the last */
    assert_false(curves_stops(&c, "99 99 99 99")); /* a step that nobody has reached */
    curves_add(&c, HPO_TRIAL_COMPLETE, "3");
    assert_false(curves_stops(&c, "2.5")); /* halfway between the two in the middle */
    assert_true(curves_stops(&c, "2.51"));
    curves_close(&c);
}

static void test_startup(void **state)
{
    struct curves c;

    curves_open(&c, "median", NULL);
    complete(&c, 4, (const char *const[]){"1", "1", "1", "1"});
    curves_add(&c, HPO_TRIAL_PRUNED, "1"); /* only COMPLETE ones count */
    curves_add(&c, HPO_TRIAL_FAIL, "1");
    curves_add(&c, HPO_TRIAL_RUNNING, "1");
    assert_false(curves_stops(&c, "9"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "1");
    assert_true(curves_stops(&c, "9"));
    curves_close(&c);

    curves_open(&c, "median", SETS("startup_trials", "0"));
    assert_false(curves_stops(&c, "9"));
    assert_false(curves_stops(&c, "nan"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "");
    assert_false(curves_stops(&c, "9"));
    assert_true(curves_stops(&c, "nan")); /* nothing to compare with, and nothing worth it */
    curves_close(&c);
}

static void test_pruned_trials_are_no_measure(void **state)
{
    struct curves c;

    curves_open(&c, "median", SETS("startup_trials", "1"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "5");
    for (int i = 0; i < 10; i++)
        curves_add(&c, HPO_TRIAL_PRUNED, "1");
    assert_false(curves_stops(&c, "4"));
    curves_close(&c);
}

static void test_min_trials(void **state)
{
    struct curves c;

    curves_open(&c, "median", SETS("startup_trials", "1", "min_trials", "2"));
    complete(&c, 2, (const char *const[]){"1 1", "1"});
    assert_true(curves_stops(&c, "9"));
    assert_false(curves_stops(&c, "9 9"));
    curves_close(&c);
}

static void test_warmup_and_interval(void **state)
{
    struct curves c;

    curves_open(&c, "median",
                SETS("startup_trials", "1", "warmup_steps", "2", "interval_steps", "3"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "0 0 0 0 0 0 0 0 0 0 0 0");
    assert_false(curves_stops(&c, "1"));
    assert_false(curves_stops(&c, "1 1"));
    assert_true(curves_stops(&c, "1 1 1"));    /* step 2 */
    assert_false(curves_stops(&c, "1 1 1 1")); /* of the same interval */
    assert_false(curves_stops(&c, "1 1 1 1 1"));
    assert_true(curves_stops(&c, "1 1 1 1 1 1"));
    /* The first report in an interval, wherever it is. */
    assert_true(curves_stops(&c, "1 1 4:1"));
    assert_true(curves_stops(&c, "1 1 1 6:1"));
    assert_false(curves_stops(&c, "1 1 1 6:1 7:1"));
    assert_true(curves_stops(&c, "7:1"));
    curves_close(&c);
}

static void test_odd_values(void **state)
{
    struct curves c;

    curves_open(&c, "median", SETS("startup_trials", "1"));
    complete(&c, 3,
             (const char *const[]){"nan 1 nan inf -inf", "nan 3 4 inf 1", "nan nan nan inf 2"});
    assert_false(curves_stops(&c, "9")); /* nobody has a number here */
    assert_true(curves_stops(&c, "nan"));
    assert_false(curves_stops(&c, "nan 2")); /* NaNs are left out of both sides */
    assert_true(curves_stops(&c, "nan 2.5"));
    assert_true(curves_stops(&c, "inf nan"));
    assert_true(curves_stops(&c, "nan nan 5"));
    assert_false(curves_stops(&c, "-inf 9 9"));
    assert_false(curves_stops(&c, "9 9 9 inf")); /* infinite all of them: no answer */
    assert_true(curves_stops(&c, "9 9 9 9 9"));
    curves_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compares_with_the_median),     cmocka_unit_test(test_startup),
        cmocka_unit_test(test_pruned_trials_are_no_measure), cmocka_unit_test(test_min_trials),
        cmocka_unit_test(test_warmup_and_interval),          cmocka_unit_test(test_odd_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
