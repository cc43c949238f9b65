/* Columns as Optuna writes them. The expected texts are Optuna's own (hpo.storage in Python:
 * distribution_to_json, str(datetime.utcfromtimestamp(...))). */
#include "tests/hpo/storage/fixture.h"

#include "hpo/storage/columns.h"

static void values(void **state)
{
    double v = 7;

    assert_string_equal(column_value_type(0.5), "FINITE");
    assert_string_equal(column_value_type(HUGE_VAL), "INF_POS");
    assert_string_equal(column_value_type(-HUGE_VAL), "INF_NEG");
    assert_string_equal(column_value_type(NAN), "NAN");
    assert_true(isnan(column_value(HUGE_VAL)));
    assert_true(column_value(0.5) == 0.5);
    assert_true(column_value_read("FINITE", 0.25, &v) && v == 0.25);
    assert_true(column_value_read("INF_NEG", NAN, &v) && v == -HUGE_VAL);
    assert_true(column_value_read("NAN", NAN, &v) && isnan(v));
    v = 7;
    assert_false(column_value_read("FINITE", NAN, &v)); /* a NULL that claims to be a number */
    assert_false(column_value_read("finite", 1, &v));
    assert_true(v == 7);
}

static void times(void **state)
{
    char buf[COLUMN_TIME];
    double t = 0;

    assert_string_equal(column_time(buf, 0), "1970-01-01 00:00:00.000000");
    assert_string_equal(column_time(buf, 1790000000.25), "2026-09-21 14:13:20.250000");
    assert_string_equal(column_time(buf, 1790000000.9999999), "2026-09-21 14:13:21.000000");
    assert_string_equal(column_time(buf, 951782400.000001), "2000-02-29 00:00:00.000001");
    assert_string_equal(column_time(buf, 1e300), "9999-12-31 23:59:59.000000");
    assert_string_equal(column_time(buf, NAN), "1970-01-01 00:00:00.000000");
    assert_true(column_time_read("2026-09-21 14:13:20.250000", &t) && t == 1790000000.25);
    assert_true(column_time_read("2026-09-21 14:13:20", &t) && t == 1790000000);
    assert_false(column_time_read("2026-13-21 14:13:20", &t));
    assert_false(column_time_read("2026-09-21T14:13:20", &t));
    assert_false(column_time_read("2026-09-21 14:13:20.2500001", &t));
    assert_false(column_time_read("", &t));
    assert_false(column_time_read("-026-09-21 14:13:20", &t));
}

static void distributions_written(void **state)
{
    static const char *const expected[FX_N] = {
        "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 1e-05, "
        "\"high\": 0.1, \"log\": true}}",
        "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": 0.1, \"low\": 0.0, "
        "\"high\": 0.5, \"log\": false}}",
        "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": false, \"step\": 2, \"low\": 1, "
        "\"high\": 9}}",
        "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": true, \"step\": 1, \"low\": 16, "
        "\"high\": 256}}",
        "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"sgd\", "
        "\"adamw\"]}}",
        "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"a "
        "\\\"quoted\\\" caf\xc3\xa9\", 3, 2.5, true, null]}}",
        "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.8, "
        "\"high\": 0.99, \"log\": false}}",
    };

    for (int i = 0; i < FX_N; i++) {
        struct str s = {0};

        distribution_write(&fx_params[i], &s);
        assert_string_equal(str_c(&s), expected[i]);
        assert_true(distribution_compatible(&fx_params[i], s.s, s.n));
        for (int k = 0; k < FX_N; k++) /* all of another kind, log or choices; 1 and 6 are alike */
            if (k != i && !(i % 5 == 1 && k % 5 == 1))
                assert_false(distribution_compatible(&fx_params[k], s.s, s.n));
        str_release(&s);
    }
}

/* A number in text that only reads like one stays exact; whole reals stay reals. */
static void choices_keep_their_type(void **state)
{
    static const struct hpo_choice choices[] = {
        {HPO_CHOICE_REAL, "1"}, {HPO_CHOICE_REAL, "1e30"}, {HPO_CHOICE_INT, "+5"},
        {HPO_CHOICE_STR, "5"}, {HPO_CHOICE_BOOL, "false"}, {HPO_CHOICE_STR, "a\nb"},
    };
    const struct hpo_param p = {.name = "c", .kind = HPO_PARAM_CATEGORICAL, .high = 5,
                                .n_choices = 6, .choices = choices};
    struct str s = {0};

    distribution_write(&p, &s);
    assert_string_equal(str_c(&s), "{\"name\": \"CategoricalDistribution\", \"attributes\": "
                                   "{\"choices\": [1.0, 1e+30, 5, \"5\", false, \"a\\nb\"]}}");
    assert_true(distribution_compatible(&p, s.s, s.n));
    str_release(&s);
}

static bool compatible(int i, const char *json)
{
    return distribution_compatible(&fx_params[i], json, strlen(json));
}

static void compatibility(void **state)
{
    /* Compact, other order, other bounds, "log" and "step" left out: what Optuna accepts. */
    assert_true(compatible(6, "{\"attributes\":{\"high\":1,\"low\":0},\"name\":"
                              "\"FloatDistribution\"}"));
    assert_true(compatible(4, "{\"name\":\"CategoricalDistribution\",\"attributes\":{\"choices\":["
                              "\"sgd\",\"adamw\"]}}"));
    assert_false(compatible(4, "{\"name\":\"CategoricalDistribution\",\"attributes\":{\"choices\":"
                               "[\"adamw\",\"sgd\"]}}"));
    assert_false(compatible(4, "{\"name\":\"CategoricalDistribution\",\"attributes\":{\"choices\":"
                               "[\"sgd\"]}}"));
    assert_false(compatible(5, "{\"name\":\"CategoricalDistribution\",\"attributes\":{\"choices\":"
                               "[\"a\",3,2.5,1,null]}}"));
    assert_false(compatible(0, "{\"name\":\"FloatDistribution\",\"attributes\":{\"low\":1,"
                               "\"high\":2}}"));
    assert_false(compatible(0, ""));
    assert_false(compatible(0, "[]"));
    assert_false(compatible(0, "{\"name\":1,\"attributes\":null}"));
    assert_false(compatible(4, "{\"name\":\"CategoricalDistribution\",\"attributes\":{}}"));
    assert_false(compatible(0, "{\"name\":\"FloatDistribution\",\"attributes\":{\"log\":NaN}}"));
}

static void contains(void **state)
{
    assert_true(distribution_contains(&fx_params[0], 1e-5));
    assert_false(distribution_contains(&fx_params[0], 0.2));
    assert_false(distribution_contains(&fx_params[0], NAN));
    assert_true(distribution_contains(&fx_params[1], 0.1 + 0.2)); /* not 0.3, but on the grid */
    assert_false(distribution_contains(&fx_params[1], 0.25));
    assert_true(distribution_contains(&fx_params[2], 9));
    assert_false(distribution_contains(&fx_params[2], 2));
    assert_false(distribution_contains(&fx_params[2], 1.5));
    assert_true(distribution_contains(&fx_params[5], 4));
    assert_false(distribution_contains(&fx_params[5], 5));
    assert_false(distribution_contains(&fx_params[5], 0.5));
    assert_false(distribution_contains(&fx_params[5], -1));
    assert_false(distribution_contains(&fx_params[5], HUGE_VAL));
}

static void broken_text(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"a\xff" "b\x80", "a?b?"},
        {"cut \xe2\x82", "cut ??"},
        {"\xc0\xaf overlong", "?? overlong"},
        {"\xed\xa0\x80 surrogate", "??? surrogate"},
        {"\xf4\x90\x80\x80 too large", "???? too large"},
    };

    for (size_t i = 0; i < HPO_LEN(cases); i++) {
        struct str s = {0};

        column_text(cases[i].in, strlen(cases[i].in), &s);
        assert_string_equal(str_c(&s), cases[i].out);
        str_release(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(times),
        cmocka_unit_test(distributions_written),
        cmocka_unit_test(choices_keep_their_type),
        cmocka_unit_test(compatibility),
        cmocka_unit_test(contains),
        cmocka_unit_test(broken_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
