#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/str.h"
#include "spaces.h"

static void test_grid_high(void **state)
{
    static const struct {
        double low, high, step, want;
    } rows[] = {
        {0, 0.5, 0.1, 0.5},      {0, 1, 0.3, 0.9},
        {0, 0.99, 0.1, 0.9},     {0.1, 1, 0.3, 1},
        {0.1, 0.7, 0.2, 0.7},    {-1, 1, 0.3, 0.8},
        {-0.5, -0.1, 0.3, -0.2}, {1e-5, 1e-4, 2e-5, 9e-5},
        {1, 10, 4, 9},           {0, 9, 3, 9},
        {16, 256, 32, 240},      {5, 5, 1, 5},
        {0, 0.1, 0.5, 0},        {0, 1e15, 7, 999999999999994},
    };

    for (size_t i = 0; i < HPO_LEN(rows); i++)
        if (hpo_grid_high(rows[i].low, rows[i].high, rows[i].step) != rows[i].want)
            fail_msg("row %zu", i);
    /* More digits than 128 bits hold: binary arithmetic has to do, and stays in bounds. */
    assert_true(hpo_grid_high(1e-300, 1e300, 1) <= 1e300);
    assert_true(hpo_grid_high(0, 1, 0) == 1);
}

static void test_count(void **state)
{
    struct hpo_param p = real_param("x", 0, 1, 0, false);

    assert_int_equal(hpo_param_count(&p), -1);
    p = real_param("x", 0.3, 0.3, 0, false);
    assert_int_equal(hpo_param_count(&p), 1);
    assert_true(hpo_param_at(&p, 0) == 0.3);
    assert_int_equal(hpo_param_index(&p, 0.3), 0);
    p = real_param("x", 0, 1, 0.1, false);
    assert_int_equal(hpo_param_count(&p), 11);
    p = int_param("x", 1, 10, 4, false);
    assert_int_equal(hpo_param_count(&p), 3);
    p = int_param("x", 1, 1024, 1, true);
    assert_int_equal(hpo_param_count(&p), 1024);
    p = choice_param("x", 1);
    assert_int_equal(hpo_param_count(&p), 1);
    p = choice_param("x", 5);
    assert_int_equal(hpo_param_count(&p), 5);
    p = real_param("x", 0, 1e9, 1e-9, false);
    assert_int_equal(hpo_param_count(&p), -1);
}

/* Stepped values are the decimal numbers that people would write. */
static void test_at(void **state)
{
    static const double steps[] = {0.1, 0.3, 0.05, 1e-5, 0.7, 3, 2.5e-3};
    char buf[HPO_DOUBLE_TEXT];

    for (size_t s = 0; s < HPO_LEN(steps); s++)
        for (double low = -2; low < 2; low += 0.7) {
            struct hpo_param p = real_param("x", low, low + 500 * steps[s], steps[s], false);
            int64_t n = hpo_param_count(&p);

            assert_true(n >= 500);
            for (int64_t k = 0; k < n; k++) {
                double v = hpo_param_at(&p, k);

                assert_int_equal(hpo_param_index(&p, v), k);
                /* What Optuna stores: the plain product, clipped. */
                assert_int_equal(hpo_param_index(&p, fmin(p.low + (double)k * p.step, p.high)), k);
            }
        }
    struct hpo_param p = real_param("x", 0, 1, 0.1, false);

    for (int k = 0; k <= 10; k++)
        assert_true(strlen(str_double(buf, hpo_param_at(&p, k))) <= 3);
    assert_int_equal(hpo_param_index(&p, 0.25), -1);
    assert_int_equal(hpo_param_index(&p, 0.2 + 1e-8), -1);
    assert_int_equal(hpo_param_index(&p, 0.2 + 1e-10), 2);
    assert_int_equal(hpo_param_index(&p, -0.1), -1);
    assert_int_equal(hpo_param_index(&p, 1.1), -1);
    assert_int_equal(hpo_param_index(&p, NAN), -1);
    assert_int_equal(hpo_param_index(&p, 0.1 + 0.2), 3);
}

static struct hpo_param every_kind(int i)
{
    switch (i) {
    case 0:
        return real_param("float", -3, 5, 0, false);
    case 1:
        return real_param("log", 1e-5, 1, 0, true);
    case 2:
        return real_param("step", 0, 0.5, 0.1, false);
    case 3:
        return int_param("int", -7, 12, 1, false);
    case 4:
        return int_param("int step", 1, 100, 7, false);
    case 5:
        return int_param("int log", 1, 300, 1, true);
    case 6:
        return choice_param("choice", 7);
    case 7:
        return real_param("single", 2, 2, 0, false);
    case 8:
        return int_param("single int", 3, 3, 1, true);
    case 9:
        return choice_param("single choice", 1);
    default:
        return real_param("wide", -1.7e308, 1.7e308, 0, false);
    }
}
#define KINDS 11

static void test_decode_bounds(void **state)
{
    struct hpo_rng r = hpo_rng_for(1, -1, -1, "decode", 0);

    for (int i = 0; i < KINDS; i++) {
        struct hpo_param p = every_kind(i);
        struct hpo_space s = {&p, 1, (int[]){0}};

        for (int k = 0; k < 5000; k++) {
            double u = k == 0 ? 0 : k == 1 ? 1 - 0x1p-53 : k == 2 ? 0x1p-53 : hpo_rng_uniform(&r);
            double v = hpo_param_decode(&p, u);

            assert_true(hpo_space_contains(&s, &v));
            if (hpo_param_count(&p) < 0) /* as in Optuna, the very top is not drawn */
                assert_true(v < p.high);
        }
    }
    /* Neighbouring doubles: rounding would reach the top. */
    struct hpo_param p = real_param("x", 1, nextafter(1, 2), 0, false);

    assert_true(hpo_param_decode(&p, 0.75) == 1);
    assert_true(hpo_param_decode(&p, 1 - 0x1p-53) == 1);
}

/* decode(encode(v)) is v for discrete ones, and close for continuous ones. */
static void test_encode(void **state)
{
    struct hpo_rng r = hpo_rng_for(2, -1, -1, "encode", 0);

    for (int i = 0; i < KINDS - 1; i++) {
        struct hpo_param p = every_kind(i);
        int64_t n = hpo_param_count(&p);
        double before = -1;

        for (int64_t k = 0; k < n; k++) {
            double v = hpo_param_at(&p, k), u = hpo_param_encode(&p, v);

            assert_true(u > before && u > 0 && u < 1);
            assert_true(hpo_param_decode(&p, u) == v);
            before = u;
        }
        for (int k = 0; n < 0 && k < 1000; k++) {
            double u = hpo_rng_uniform(&r), v = hpo_param_decode(&p, u);

            assert_true(fabs(hpo_param_encode(&p, v) - u) < 1e-12);
        }
        assert_true(isnan(hpo_param_encode(&p, NAN)));
    }
    struct hpo_param p = every_kind(0);

    assert_true(hpo_param_encode(&p, -100) == 0 && hpo_param_encode(&p, 100) == 1);
    assert_true(hpo_param_encode(&p, -3) == 0 && hpo_param_encode(&p, 5) == 1);
}

/* P(16) of an int log on [16, 256] is ln(16.5 / 15.5) / ln(256.5 / 15.5). */
static void test_int_log_margins(void **state)
{
    struct hpo_param p = int_param("x", 16, 256, 1, true);
    double share = log(16.5 / 15.5) / log(256.5 / 15.5);

    assert_true(hpo_param_decode(&p, share * (1 - 1e-9)) == 16);
    assert_true(hpo_param_decode(&p, share * (1 + 1e-9)) == 17);
    share = log(255.5 / 15.5) / log(256.5 / 15.5);
    assert_true(hpo_param_decode(&p, share * (1 - 1e-9)) == 255);
    assert_true(hpo_param_decode(&p, share * (1 + 1e-9)) == 256);
}

static void test_equal_cells(void **state)
{
    struct hpo_param p = real_param("x", 0, 0.5, 0.1, false);

    for (int k = 0; k < 6; k++) {
        assert_true(hpo_param_decode(&p, (k + 1e-9) / 6) == hpo_param_at(&p, k));
        assert_true(hpo_param_decode(&p, (k + 1 - 1e-9) / 6) == hpo_param_at(&p, k));
    }
}

static void test_text(void **state)
{
    struct hpo_param p = choice_param("x", 3);
    char buf[HPO_DOUBLE_TEXT];

    assert_string_equal(hpo_param_text(&p, 1, buf), "b");
    assert_string_equal(hpo_param_text(&p, NAN, buf), "-");
    assert_string_equal(hpo_param_text(&p, 3, buf), "?");
    assert_string_equal(hpo_param_text(&p, -1, buf), "?");
    p = int_param("x", -1e15, 1e15, 1, false);
    assert_string_equal(hpo_param_text(&p, 64, buf), "64");
    assert_string_equal(hpo_param_text(&p, 1e15, buf), "1000000000000000");
    assert_string_equal(hpo_param_text(&p, -0.0, buf), "0");
    p = real_param("x", 0, 1, 0.1, false);
    assert_string_equal(hpo_param_text(&p, hpo_param_at(&p, 3), buf), "0.3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grid_high),   cmocka_unit_test(test_count),
        cmocka_unit_test(test_at),          cmocka_unit_test(test_decode_bounds),
        cmocka_unit_test(test_encode),      cmocka_unit_test(test_int_log_margins),
        cmocka_unit_test(test_equal_cells), cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
