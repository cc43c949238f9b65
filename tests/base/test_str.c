#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/str.h"

static void test_grow(void **state)
{
    struct str s = {0};

    assert_string_equal(str_c(&s), "");
    str_clear(&s);
    str_addn(&s, NULL, 0);
    assert_string_equal(str_c(&s), "");
    str_add(&s, "ab");
    str_addc(&s, 'c');
    str_addn(&s, "defgh", 2);
    str_addf(&s, "-%d-%s", 42, "x");
    assert_string_equal(s.s, "abcde-42-x");
    assert_int_equal(s.n, 10);
    str_clear(&s);
    assert_string_equal(str_c(&s), "");
    for (int i = 0; i < 10000; i++)
        str_addf(&s, "%04d", i);
    assert_int_equal(s.n, 40000);
    assert_memory_equal(s.s + 4 * 1234, "1234", 4);
    str_addn(&s, "a\0b", 3);
    assert_int_equal(s.n, 40003);
    str_release(&s);
    assert_null(s.s);
    str_release(&s);
}

static void check_double(double v, const char *want)
{
    char buf[HPO_DOUBLE_TEXT];

    assert_string_equal(str_double(buf, v), want);
}

static void test_double_text(void **state)
{
    check_double(0, "0");
    check_double(-0.0, "-0");
    check_double(0.1, "0.1");
    check_double(0.1 + 0.2, "0.30000000000000004");
    check_double(1e-5, "1e-05");
    check_double(3, "3");
    check_double(100, "100");
    check_double(-120000, "-120000");
    check_double(123456789012345, "123456789012345");
    check_double(1e15, "1e+15");
    check_double(5e-324, "5e-324");
    check_double(DBL_MAX, "1.7976931348623157e+308");
    check_double(NAN, "nan");
    check_double(HUGE_VAL, "inf");
    check_double(-HUGE_VAL, "-inf");
}

static void test_double_round_trip(void **state)
{
    struct hpo_rng r = hpo_rng_for(1, -1, -1, "doubles", 0);
    char buf[HPO_DOUBLE_TEXT], shorter[HPO_DOUBLE_TEXT];

    for (int i = 0; i < 20000; i++) {
        uint64_t bits = hpo_rng_next(&r);
        double v, back = 0;

        memcpy(&v, &bits, sizeof(v));
        if (i % 2) /* numbers as people choose them */
            v = (double)hpo_rng_below(&r, 100000) / pow(10, (double)hpo_rng_below(&r, 12));
        if (!isfinite(v))
            continue;
        str_double(buf, v);
        assert_true(strlen(buf) < sizeof(buf) - 1);
        assert_true(str_to_double(buf, &back));
        assert_memory_equal(&v, &back, sizeof(v));
        /* No shorter text does it. */
        for (int digits = 1; digits < 17; digits++) {
            snprintf(shorter, sizeof(shorter), "%.*g", digits, v);
            if (strtod(shorter, NULL) == v) {
                assert_true(strlen(buf) <= strlen(shorter) || strchr(shorter, 'e'));
                break;
            }
        }
    }
}

static void test_to_double(void **state)
{
    static const char *const good[] = {"0",  "-0",  "1",    "+1",   "1.5",    ".5",  "-.5",
                                       "1.", "1e3", "1E-3", "1e+3", "5e-324", "0001"};
    static const char *const bad[] = {"",    " 1",  "1 ",    "1x",       "x",     "0x10",
                                      "inf", "nan", "-inf",  "infinity", "1e",    "1e+",
                                      "--1", "+-1", "1-2",   "1.2.3",    ".",     "-",
                                      "e5",  "1,5", "1e400", "-1e400",   "1_000", "1e5.5"};
    double v = 7;

    for (size_t i = 0; i < HPO_LEN(good); i++) {
        assert_true(str_to_double(good[i], &v));
        assert_true(v == strtod(good[i], NULL));
    }
    v = 7;
    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        if (str_to_double(bad[i], &v))
            fail_msg("'%s' was taken for a number", bad[i]);
        assert_true(v == 7);
    }
}

static void test_to_int(void **state)
{
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "1e3",
                                      "0x1",
                                      "-",
                                      "+",
                                      "--1",
                                      "1a",
                                      "9223372036854775808",
                                      "-9223372036854775809"};
    int64_t v = 7;

    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        if (str_to_int(bad[i], &v))
            fail_msg("'%s' was taken for a whole number", bad[i]);
        assert_int_equal(v, 7);
    }
    assert_true(str_to_int("9223372036854775807", &v));
    assert_int_equal(v, INT64_MAX);
    assert_true(str_to_int("-9223372036854775808", &v));
    assert_true(v == INT64_MIN);
    assert_true(str_to_int("+12", &v));
    assert_int_equal(v, 12);
    assert_true(str_to_int("007", &v));
    assert_int_equal(v, 7);
}

static void test_to_seconds(void **state)
{
    static const struct {
        const char *text;
        double want;
    } good[] = {{"90", 90},      {"90s", 90},   {"15m", 900},     {"2h", 7200},
                {"1h30m", 5400}, {"1d", 86400}, {"1.5h", 5400},   {"1d2h3m4s", 93784},
                {"0", 0},        {"0.5s", 0.5}, {"1e-05s", 1e-5}, {"1e3", 1000}};
    static const char *const bad[] = {"",       "s",      "m",
                                      "1x",     "1h30",   "30m1h",
                                      "1h1h",   "-1",     "-1s",
                                      "+1s",    "1 h",    " 1h",
                                      "1h ",    "1h-5m",  "1.2.3s",
                                      "1hm",    "inf",    "nan",
                                      "1e400s", "1e308d", "0000000000000000000000000000000000001s"};
    double v = 7;

    for (size_t i = 0; i < HPO_LEN(good); i++) {
        assert_true(str_to_seconds(good[i].text, &v));
        assert_true(v == good[i].want);
    }
    v = 7;
    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        if (str_to_seconds(bad[i], &v))
            fail_msg("'%s' was taken for a time", bad[i]);
        assert_true(v == 7);
    }
}

static void test_seconds_text(void **state)
{
    char buf[HPO_DOUBLE_TEXT];

    assert_string_equal(str_seconds(buf, 3725), "1:02:05");
    assert_string_equal(str_seconds(buf, 42.3), "0:42");
    assert_string_equal(str_seconds(buf, 59.7), "1:00");
    assert_string_equal(str_seconds(buf, 3599.6), "1:00:00");
    assert_string_equal(str_seconds(buf, 0), "0:00");
    assert_string_equal(str_seconds(buf, -5), "0:00");
    assert_string_equal(str_seconds(buf, NAN), "0:00");
    assert_true(strlen(str_seconds(buf, HUGE_VAL)) < HPO_DOUBLE_TEXT);
}

static void test_distance(void **state)
{
    char longer[80];

    assert_int_equal(str_distance("", ""), 0);
    assert_int_equal(str_distance("", "abc"), 3);
    assert_int_equal(str_distance("abc", ""), 3);
    assert_int_equal(str_distance("kitten", "sitting"), 3);
    assert_int_equal(str_distance("lr", "LR"), 0);
    assert_int_equal(str_distance("ab", "ba"), 1);
    assert_int_equal(str_distance("momentun", "momentum"), 1);
    assert_int_equal(str_distance("ca", "abc"), 3); /* alignment, not true Damerau */
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = 0;
    assert_int_equal(str_distance(longer, "a"), 64);
}

static void test_nearest(void **state)
{
    static const char *const names[] = {"optimizer", "schedule", "loss", "lr"};

    assert_string_equal(str_nearest("optimiser", names, 4), "optimizer");
    assert_string_equal(str_nearest("Scheduel", names, 4), "schedule");
    assert_string_equal(str_nearest("los", names, 4), "loss");
    assert_string_equal(str_nearest("rl", names, 4), "lr");
    assert_null(str_nearest("banana", names, 4));
    assert_null(str_nearest("xy", names, 4));
    assert_null(str_nearest("lr", names, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_double_text),
        cmocka_unit_test(test_double_round_trip),
        cmocka_unit_test(test_to_double),
        cmocka_unit_test(test_to_int),
        cmocka_unit_test(test_to_seconds),
        cmocka_unit_test(test_seconds_text),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
