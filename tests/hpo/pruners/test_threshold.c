#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "curves.h"

#define SETS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_without_bounds(void **state)
{
    struct curves c;

    curves_open(&c, "threshold", NULL);
    assert_false(curves_stops(&c, "1e300"));
    assert_false(curves_stops(&c, "inf"));
    assert_false(curves_stops(&c, "-inf"));
    assert_true(curves_stops(&c, "0 nan"));
    assert_false(curves_stops(&c, "nan 0")); /* the last report alone counts */
    curves_close(&c);
}

static void test_bounds(void **state)
{
    struct curves c;

    curves_open(&c, "threshold", SETS("lower", "0.25", "upper", "4"));
    assert_false(curves_stops(&c, "0.25"));
    assert_false(curves_stops(&c, "4"));
    assert_true(curves_stops(&c, "0.24"));
    assert_true(curves_stops(&c, "4.1"));
    assert_true(curves_stops(&c, "1 inf"));
    assert_true(curves_stops(&c, "1 -inf"));
    /* Bounds are the user's: of -0.3 as seen inside, 0.3 was reported. */
    c.pruner.maximize = true;
    assert_false(curves_stops(&c, "-0.3"));
    assert_true(curves_stops(&c, "-0.2"));
    assert_true(curves_stops(&c, "-4.1"));
    assert_true(curves_stops(&c, "nan"));
    curves_close(&c);

    curves_open(&c, "threshold", SETS("lower", "0"));
    assert_true(curves_stops(&c, "-1"));
    assert_false(curves_stops(&c, "inf"));
    curves_close(&c);
}

static void test_warmup_and_interval(void **state)
{
    struct curves c;

    curves_open(&c, "threshold", SETS("upper", "1", "warmup_steps", "1", "interval_steps", "2"));
    assert_false(curves_stops(&c, ""));
    assert_false(curves_stops(&c, "2"));
    assert_true(curves_stops(&c, "2 2"));
    assert_false(curves_stops(&c, "2 1 2"));
    assert_true(curves_stops(&c, "2 1 2 2"));
    assert_true(curves_stops(&c, "2 1 1 4:2"));
    curves_close(&c);
}

static void test_contradiction(void **state)
{
    struct hpo_err err = {0};
    struct curves c;

    curves_open(&c, "threshold", SETS("lower", "1", "upper", "0.5"));
    assert_int_equal(c.pruner.ops->check(&c.pruner, &err), HPO_ECONFIG);
    assert_string_equal(err.msg, "lower is above upper: 1, 0.5");
    curves_close(&c);
    curves_open(&c, "threshold", SETS("lower", "1", "upper", "1"));
    assert_int_equal(c.pruner.ops->check(&c.pruner, &err), 0);
    curves_close(&c);
    curves_open(&c, "threshold", NULL);
    assert_int_equal(c.pruner.ops->check(&c.pruner, &err), 0);
    curves_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_bounds),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_warmup_and_interval),
        cmocka_unit_test(test_contradiction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
