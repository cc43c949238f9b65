#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "curves.h"

#define SETS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_alone(void **state)
{
    struct curves c;

    curves_open(&c, "patient", SETS("patience", "2"));
    assert_false(curves_stops(&c, ""));
    assert_false(curves_stops(&c, "1 2 3"));
    assert_true(curves_stops(&c, "1 2 3 4"));
    assert_false(curves_stops(&c, "1 2 3 1")); /* as good as the best is no worse */
    assert_false(curves_stops(&c, "4 3 2 1"));
    assert_false(curves_stops(&c, "1 0.5 3 4"));
    assert_true(curves_stops(&c, "1 0.5 3 4 5"));
    assert_true(curves_stops(&c, "1 9:2 20:3 21:4")); /* reports count, not steps */
    curves_close(&c);

    curves_open(&c, "patient", SETS("patience", "0"));
    assert_false(curves_stops(&c, "1"));
    assert_true(curves_stops(&c, "1 1.5"));
    assert_false(curves_stops(&c, "1 1"));
    curves_close(&c);

    curves_open(&c, "patient", SETS("patience", "2147483647"));
    assert_false(curves_stops(&c, "1 2 3 4 5 6"));
    curves_close(&c);
}

static void test_min_delta(void **state)
{
    struct curves c;

    curves_open(&c, "patient", SETS("patience", "0", "min_delta", "0.5"));
    assert_false(curves_stops(&c, "1 1.5"));
    assert_true(curves_stops(&c, "1 1.75"));
    curves_close(&c);
}

static void test_odd_values(void **state)
{
    struct curves c;

    curves_open(&c, "patient", SETS("patience", "1"));
    assert_false(curves_stops(&c, "1 nan nan")); /* all of the time since is unknown */
    assert_false(curves_stops(&c, "nan 2 3"));
    assert_true(curves_stops(&c, "nan 1 nan 3"));
    assert_false(curves_stops(&c, "inf inf inf"));
    assert_true(curves_stops(&c, "1 inf inf"));
    assert_true(curves_stops(&c, "-inf 1 1"));
    curves_close(&c);
}

/* A fold begins where nothing has been learnt yet. */
static void test_folds(void **state)
{
    struct curves c;

    curves_open(&c, "patient", SETS("patience", "1"));
    c.pruner.folds = 3;
    c.pruner.fold_steps = 4;
    assert_false(curves_stops(&c, "4 3 2 1 4 3"));
    assert_false(curves_stops(&c, "4 3 2 1 4 5"));
    assert_true(curves_stops(&c, "4 3 2 1 4 5 6"));
    assert_false(curves_stops(&c, "4 3 4:5 6 8:7 8")); /* two epochs a fold */
    c.pruner.folds = 1;
    assert_true(curves_stops(&c, "4 3 2 1 4 3"));
    c.pruner.folds = 3;
    c.pruner.fold_steps = 0;
    assert_true(curves_stops(&c, "4 3 2 1 4 3"));
    curves_close(&c);
}

static void test_wrapped(void **state)
{
    struct curves c;

    curves_open(&c, "patient",
                SETS("patience", "0", "wrapped", "median", "wrapped.startup_trials", "1"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "5 5 5");
    assert_false(curves_stops(&c, "8"));
    assert_false(curves_stops(&c, "9 8")); /* worse than the median, and still improving */
    assert_false(curves_stops(&c, "4 5")); /* the other way round */
    assert_true(curves_stops(&c, "8 9"));
    assert_int_equal(c.pruner.ops->bracket(&c.pruner, 7), 0);
    curves_close(&c);

    curves_open(&c, "patient", SETS("patience", "0", "wrapped", "none"));
    assert_false(curves_stops(&c, "8 9"));
    curves_close(&c);
}

/* asha below patient counts a rung as reached with the report after which it was asked. */
static void test_wrapped_asha(void **state)
{
    struct curves c;

    curves_open(&c, "patient",
                SETS("patience", "0", "wrapped", "asha", "wrapped.reduction_factor", "2"));
    curves_add(&c, HPO_TRIAL_COMPLETE, "9 5 4 7"); /* asked at step 3: rungs 1 and 2 */
    assert_false(curves_stops(&c, "9 8 7 6"));     /* never asked */
    assert_true(curves_stops(&c, "1 8"));
    assert_false(curves_stops(&c, "1 6"));
    assert_true(curves_stops(&c, "9 8 7 6 8")); /* rung 1 is reached with step 4 */
    assert_false(curves_stops(&c, "9 8 7 6 6.5"));
    curves_close(&c);
}

/* The brackets of the wrapped one, which sees its study through the wrapper. */
static void test_wrapped_hyperband(void **state)
{
    static const int golden[] = {2, 3, 0, 0, 1, 1, 3, 0, 0, 0, 1, 0};
    struct hpo_err err = {0};
    struct curves c;

    curves_open(&c, "patient", SETS("wrapped", "patient", "wrapped.wrapped", "hyperband"));
    c.pruner.study = "s1";
    assert_int_equal(c.pruner.ops->check(&c.pruner, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "wrapped: wrapped: max_resource: "));
    assert_int_equal(c.pruner.ops->check(&c.pruner, NULL), HPO_ECONFIG);
    c.pruner.folds = 3;
    c.pruner.fold_steps = 9;
    assert_int_equal(c.pruner.ops->check(&c.pruner, &err), 0);
    for (int i = 0; i < 12; i++)
        assert_int_equal(c.pruner.ops->bracket(&c.pruner, i), golden[i]);
    curves_close(&c);

    curves_open(&c, "patient", NULL);
    assert_int_equal(c.pruner.ops->bracket(&c.pruner, 3), 0);
    assert_int_equal(c.pruner.ops->check(&c.pruner, &err), 0);
    curves_close(&c);
}

static void test_depth(void **state)
{
    struct hpo_err err = {0};
    struct curves c;

    for (int depth = 1; depth <= 9; depth++) {
        char key[128] = "wrapped", text[9][128];
        const char *sets[2 * 9 + 1] = {NULL};

        for (int i = 0; i < depth - 1; i++) {
            strcpy(text[i], key);
            strcat(key, ".wrapped");
            sets[2 * i] = text[i];
            sets[2 * i + 1] = "patient";
            sets[2 * i + 2] = NULL;
        }
        curves_open(&c, "patient", sets);
        assert_int_equal(c.pruner.ops->check(&c.pruner, &err), depth <= 8 ? 0 : HPO_ECONFIG);
        assert_true(curves_stops(&c, "1 2 3 4 5"));
        assert_false(curves_stops(&c, "1 2 3 4"));
        curves_close(&c);
    }
    assert_string_equal(err.msg, "wrapped: more than 8 of them in one another");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_min_delta),
        cmocka_unit_test(test_odd_values),
        cmocka_unit_test(test_folds),
        cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_wrapped_asha),
        cmocka_unit_test(test_wrapped_hyperband),
        cmocka_unit_test(test_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
