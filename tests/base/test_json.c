#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"

static void test_write(void **state)
{
    cJSON *j = cJSON_CreateObject();
    struct str s = {0};

    json_put_number(j, "a", 0.1);
    json_put_number(j, "b", NAN);
    json_put_number(j, "c", -HUGE_VAL);
    json_put_number(j, "d", 100);
    json_put_number(j, "e", 0.1 + 0.2);
    json_put_string(j, "f", "x\"\n\x01");
    json_put_string(j, "g", NULL);
    str_add(&s, "> ");
    json_write(j, &s);
    assert_string_equal(s.s, "> {\"a\":0.1,\"b\":null,\"c\":null,\"d\":100,"
                             "\"e\":0.30000000000000004,\"f\":\"x\\\"\\n\\u0001\",\"g\":null}");
    cJSON_Delete(j);
    str_release(&s);
}

static void test_numbers_round_trip(void **state)
{
    struct hpo_rng r = hpo_rng_for(9, -1, -1, "json", 0);

    for (int i = 0; i < 5000; i++) {
        uint64_t bits = hpo_rng_next(&r);
        struct str s = {0};
        double v, back;
        cJSON *j;

        memcpy(&v, &bits, sizeof(v));
        if (!isfinite(v))
            continue;
        j = cJSON_CreateObject();
        json_put_number(j, "v", v);
        json_write(j, &s);
        cJSON_Delete(j);
        j = json_parse(s.s, s.n);
        assert_non_null(j);
        back = json_get_number(j, "v");
        assert_memory_equal(&back, &v, sizeof(v));
        cJSON_Delete(j);
        str_release(&s);
    }
}

static void test_get(void **state)
{
    const char *text = "{\"n\": 1.5, \"s\": \"t\", \"z\": null, \"N\": 2, \"big\": 1e999}";
    cJSON *j = json_parse(text, strlen(text));

    assert_non_null(j);
    assert_true(json_get_number(j, "n") == 1.5);
    assert_true(isnan(json_get_number(j, "s")));
    assert_true(isnan(json_get_number(j, "none")));
    assert_true(isnan(json_get_number(j, "big")));
    assert_string_equal(json_get_string(j, "s"), "t");
    assert_null(json_get_string(j, "z"));
    assert_null(json_get_string(j, "n"));
    assert_null(json_get_string(j, "S"));
    assert_null(json_get_string(NULL, "s"));
    assert_true(isnan(json_get_number(NULL, "s")));
    cJSON_Delete(j);
}

static void test_refused(void **state)
{
    static const char *const bad[] = {"",         " ",   "{",     "}",    "[1,]",
                                      "{\"a\":}", "nul", "\"abc", "{} x", "{}{}",
                                      "[1] 2",    "'a'", "{a:1}", "\"\\", "]]]]"};
    char deep[400];
    cJSON *j;

    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        j = json_parse(bad[i], strlen(bad[i]));
        if (j)
            fail_msg("'%s' was taken for JSON", bad[i]);
    }
    assert_null(json_parse("{}\0", 3)); /* a NUL is no space */
    /* Nesting: 64 is the most, and brackets in strings do not count. */
    for (int depth = 60; depth < 70; depth++) {
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        j = json_parse(deep, 2 * (size_t)depth);
        assert_int_equal(j != NULL, depth <= 64);
        cJSON_Delete(j);
    }
    memset(deep, '[', 300);
    deep[0] = deep[299] = '"';
    deep[100] = '\\';
    deep[101] = '"';
    j = json_parse(deep, 300);
    assert_non_null(j);
    cJSON_Delete(j);
    /* n counts, not a NUL behind it. */
    j = json_parse("[1]garbage", 3);
    assert_non_null(j);
    cJSON_Delete(j);
    j = json_parse("  [1] \n\t\r ", 10);
    assert_non_null(j);
    cJSON_Delete(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_numbers_round_trip),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
