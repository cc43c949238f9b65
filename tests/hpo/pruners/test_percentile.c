#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "curves.h"

#include "hpo/pruners/curve.h"

#define SETS(...) ((const char *const[]){__VA_ARGS__, NULL})

static double percentile(double p, int n, const double *v)
{
    double copy[16];

    memcpy(copy, v, sizeof(*v) * (size_t)n);
    return curve_percentile(copy, n, p);
}

/* numpy.nanpercentile's answers. */
static void test_percentile(void **state)
{
    const double v[] = {4, NAN, 1, 3, 2, NAN}, odd[] = {1, 2, 3, INFINITY};

    assert_true(percentile(0, 6, v) == 1);
    assert_true(percentile(25, 6, v) == 1.75);
    assert_true(percentile(50, 6, v) == 2.5);
    assert_true(percentile(90, 6, v) == 3.7);
    assert_true(percentile(100, 6, v) == 4);
    assert_true(isnan(percentile(50, 1, v + 1)));
    assert_true(isnan(percentile(50, 0, v)));
    assert_true(percentile(100, 1, v) == 4);
    assert_true(percentile(50, 4, odd) == 2.5);
    assert_true(percentile(75, 4, odd) == INFINITY);
    assert_true(isnan(percentile(100, 4, odd)));
}

static void test_keeps_the_best_part(void **state)
{
    struct curves c;

    curves_open(&c, "percentile", NULL);
    for (int i = 1; i <= 5; i++)
        curves_add(&c, HPO_TRIAL_COMPLETE, (const char *const[]){"", "5", "1", "4", "2", "3"}[i]);
    assert_false(curves_stops(&c, "2"));
    assert_true(curves_stops(&c, "2.01"));
    curves_close(&c);

    curves_open(&c, "percentile", SETS("percentile", "100", "startup_trials", "0"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "5 nan");
    curves_add(&c, HPO_TRIAL_COMPLETE, "1 nan");
    assert_false(curves_stops(&c, "5"));
    assert_true(curves_stops(&c, "6"));
    assert_false(curves_stops(&c, "6 6"));
    curves_close(&c);

    curves_open(&c, "percentile", SETS("percentile", "0", "startup_trials", "0"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "5");
    curves_add(&c, HPO_TRIAL_COMPLETE, "1");
    assert_false(curves_stops(&c, "1"));
    assert_true(curves_stops(&c, "1.5"));
    curves_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentile),
        cmocka_unit_test(test_keeps_the_best_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
