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

/* A value stored under this distribution, as a value of p. */
static double reads_as(const struct hpo_param *p, const char *json, double stored)
{
    struct distribution d;
    double ret;

    distribution_read(p, json, strlen(json), &d);
    ret = distribution_value(p, &d, stored);
    distribution_release(&d);
    return ret;
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
        assert_true(reads_as(&fx_params[i], str_c(&s), fx_params[i].high) == fx_params[i].high);
        for (int k = 0; k < FX_N; k++) /* all of another kind, log or choices; 1 and 6 are alike */
            if (k != i && !(i % 5 == 1 && k % 5 == 1))
                assert_true(isnan(reads_as(&fx_params[k], str_c(&s), fx_params[k].high)));
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
    for (int i = 0; i < 6; i++)
        assert_true(reads_as(&p, str_c(&s), i) == i);
    str_release(&s);
}

/* What the choices of a stored list are in ours; -1: none. */
static void choices_move(void **state)
{
    static const char *const moved = "{\"name\":\"CategoricalDistribution\",\"attributes\":{"
                                     "\"choices\":[\"adamw\",\"lion\",\"sgd\"]}}";
    static const char *const mixed = "{\"name\":\"CategoricalDistribution\",\"attributes\":{"
                                     "\"choices\":[null,true,2.5,3.0,\"3\",1]}}";
    static const double there[] = {4, 3, 2, 1, NAN, NAN};

    assert_true(reads_as(&fx_params[4], moved, 0) == 1);
    assert_true(isnan(reads_as(&fx_params[4], moved, 1)));
    assert_true(reads_as(&fx_params[4], moved, 2) == 0);
    assert_true(isnan(reads_as(&fx_params[4], moved, 3)));
    assert_true(isnan(reads_as(&fx_params[4], moved, -1)));
    assert_true(isnan(reads_as(&fx_params[4], moved, 0.5)));
    assert_true(isnan(reads_as(&fx_params[4], moved, NAN)));
    for (int i = 0; i < 6; i++) {
        double v = reads_as(&fx_params[5], mixed, i);

        assert_true(v == there[i] || (isnan(v) && isnan(there[i])));
    }
}

static bool compatible(int i, const char *json)
{
    struct distribution d;
    bool ret;

    distribution_read(&fx_params[i], json, strlen(json), &d);
    ret = d.compatible;
    distribution_release(&d);
    return ret;
}

/* Values go out as what they are to people, and come back. */
static void external_values(void **state)
{
    static const struct {
        int param;
        double value;
        const char *json;
    } cases[] = {{0, 0.01, "0.01"}, {1, 0.5, "0.5"}, {1, 0, "0.0"}, {2, 3, "3"}, {3, 256, "256"},
                 {4, 1, "\"adamw\""}, {5, 0, "\"a \\\"quoted\\\" caf\xc3\xa9\""}, {5, 1, "3"},
                 {5, 2, "2.5"}, {5, 3, "true"}, {5, 4, "null"}};
    static const struct {
        int param;
        const char *json;
    } strange[] = {{0, "0.2"}, {0, "\"0.01\""}, {0, "null"}, {2, "2"}, {2, "true"}, {4, "1"},
                   {4, "\"lion\""}, {5, "1"}, {5, "\"true\""}, {5, "[]"}};

    for (size_t i = 0; i < HPO_LEN(cases); i++) {
        struct str s = {0};
        cJSON *j;

        param_write(&fx_params[cases[i].param], cases[i].value, &s);
        assert_string_equal(str_c(&s), cases[i].json);
        j = json_parse(s.s, s.n);
        assert_true(param_read(&fx_params[cases[i].param], j) == cases[i].value);
        cJSON_Delete(j);
        str_release(&s);
    }
    for (size_t i = 0; i < HPO_LEN(strange); i++) {
        cJSON *j = json_parse(strange[i].json, strlen(strange[i].json));

        assert_true(isnan(param_read(&fx_params[strange[i].param], j)));
        cJSON_Delete(j);
    }
    assert_true(isnan(param_read(&fx_params[5], NULL)));
}

static void compatibility(void **state)
{
    /* Compact, other order, other bounds, "log" and "step" left out: what Optuna accepts. */
    assert_true(compatible(6, "{\"attributes\":{\"high\":1,\"low\":0},\"name\":"
                              "\"FloatDistribution\"}"));
    assert_true(compatible(4, "{\"name\":\"CategoricalDistribution\",\"attributes\":{\"choices\":["
                              "\"sgd\",\"adamw\"]}}"));
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
        cmocka_unit_test(choices_move),
        cmocka_unit_test(compatibility),
        cmocka_unit_test(external_values),
        cmocka_unit_test(contains),
        cmocka_unit_test(broken_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
