#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/opt.h"

struct owner {
    bool flag;
    int n, threads, word, any;
    double rate, open, time, limit, lr;
    const char *name, *list, *path, *numbers;
};

static const struct hpo_opt table[] = {
    HPO_OPT(BOOL, struct owner, flag, "flag", "true", 0, 0, 0, "a switch"),
    HPO_OPT(INT, struct owner, n, "n", "5", 1, 10, 0, "a count"),
    HPO_OPT(INT, struct owner, threads, "threads", "auto", 1, 1024, HPO_OPT_AUTO, "threads"),
    HPO_OPT(REAL, struct owner, rate, "rate", "0.5", 0, 1, HPO_OPT_MAX_OPEN, "a share"),
    HPO_OPT(REAL, struct owner, open, "open", "1e-3", 0, 10, HPO_OPT_MIN_OPEN, "a rate"),
    HPO_OPT(TIME, struct owner, time, "time", NULL, 0, 0, 0, "a time"),
    HPO_OPT(TIME, struct owner, limit, "limit", "auto", 1, 3600, HPO_OPT_AUTO, "a limit"),
    HPO_OPT(REAL, struct owner, lr, "lr", NULL, 0, HUGE_VAL, HPO_OPT_MIN_OPEN, "unset is NaN"),
    HPO_OPT(STR, struct owner, name, "name", "", 0, 0, 0, "a name"),
    HPO_OPT(LIST, struct owner, list, "list", "cpu,cpu", 0, 0, 0, "a list"),
    HPO_OPT_NUMBERS_OR(struct owner, numbers, "numbers", "none", "none|balanced", 0, 100,
                       HPO_OPT_MIN_OPEN, "numbers"),
    HPO_OPT(STR, struct owner, path, "path", NULL, 0, 0, HPO_OPT_REQUIRED, "a path"),
    HPO_OPT(INT, struct owner, any, "any", "0", 0, 0, 0, "any number"),
    HPO_OPT_WORDS(struct owner, word, "word", "two", "one|two|three", 0, "a word"),
    {0},
};

static struct arena arena;

static int set(struct owner *o, const char *name, const char *text, struct hpo_err *err)
{
    const struct hpo_opt *opt = hpo_opt_find(table, name);

    assert_non_null(opt);
    return hpo_opt_set(opt, o, text, &arena, err);
}

static void refused(const char *name, const char *text, const char *message)
{
    struct owner o, before;
    struct hpo_err err;

    memset(&o, 0x55, sizeof(o));
    before = o;
    assert_int_equal(set(&o, name, text, &err), HPO_ECONFIG);
    assert_int_equal(err.rc, HPO_ECONFIG);
    if (!strstr(err.msg, message))
        fail_msg("'%s' does not say '%s'", err.msg, message);
    assert_memory_equal(&o, &before, sizeof(o));
}

static void test_numbers(void **state)
{
    struct owner o = {0};
    double v[2];

    assert_int_equal(hpo_numbers(NULL, v, 2), 0);
    assert_int_equal(hpo_numbers("balanced", v, 2), 0);
    assert_int_equal(set(&o, "numbers", "balanced", NULL), 0);
    assert_string_equal(o.numbers, "balanced");
    assert_int_equal(set(&o, "numbers", "1,2.5,1e-3", NULL), 0);
    assert_string_equal(hpo_opt_get(hpo_opt_find(table, "numbers"), &o, &arena), "1,2.5,1e-3");
    assert_int_equal(hpo_numbers(o.numbers, v, 2), 3);
    assert_true(v[0] == 1 && v[1] == 2.5);
    assert_int_equal(set(&o, "numbers", "7", NULL), 0);
    assert_int_equal(hpo_numbers(o.numbers, v, 2), 1);
    refused("numbers", "1,0", "'0' is not allowed here: none, balanced, or a list of numbers above 0");
    refused("numbers", "1,x", "'x' is not allowed");
    refused("numbers", "1,200", "'200' is not allowed");
    refused("numbers", ",", "is not allowed");
}

static void test_defaults(void **state)
{
    struct owner o = {0};

    hpo_opt_defaults(table, &o, &arena);
    assert_true(o.flag);
    assert_int_equal(o.n, 5);
    assert_int_equal(o.threads, -1);
    assert_true(o.rate == 0.5 && o.open == 1e-3 && isnan(o.lr));
    assert_true(isnan(o.time) && isnan(o.limit));
    assert_null(o.name);
    assert_null(o.path);
    assert_string_equal(o.list, "cpu,cpu");
    assert_int_equal(o.word, 1);
    hpo_opt_defaults(NULL, &o, &arena);
}

static void test_ranges(void **state)
{
    struct owner o = {0};

    assert_int_equal(set(&o, "n", "1", NULL), 0);
    assert_int_equal(set(&o, "n", "10", NULL), 0);
    assert_int_equal(o.n, 10);
    refused("n", "0", "a whole number from 1 to 10");
    refused("n", "11", "'11' is not allowed here");
    refused("n", "5.0", "a whole number");
    refused("n", "five", "a whole number");
    refused("n", "", "a whole number");
    refused("n", "auto", "a whole number");
    refused("n", "99999999999999999999", "a whole number");
    refused("n", "4294967297", "a whole number");
    refused("any", "4294967297", "a whole number");
    refused("any", "-2147483649", "a whole number");
    assert_int_equal(set(&o, "any", "-2147483648", NULL), 0);
    assert_int_equal(o.any, INT32_MIN);
    assert_int_equal(set(&o, "rate", "0", NULL), 0);
    assert_true(o.rate == 0);
    refused("rate", "1", "a number from 0 and below 1");
    refused("rate", "-0.1", "a number from 0");
    refused("rate", "nan", "a number");
    refused("rate", "inf", "a number");
    refused("rate", "0.5 ", "a number");
    assert_int_equal(set(&o, "open", "10", NULL), 0);
    refused("open", "0", "a number above 0 and at most 10");
    refused("open", "10.0001", "at most 10");
    assert_int_equal(set(&o, "lr", "1e300", NULL), 0);
    refused("lr", "0", "a number above 0");
}

static void test_auto(void **state)
{
    struct owner o = {0};

    assert_int_equal(set(&o, "threads", "8", NULL), 0);
    assert_int_equal(o.threads, 8);
    assert_int_equal(set(&o, "threads", "auto", NULL), 0);
    assert_int_equal(o.threads, -1);
    refused("threads", "-1", "or auto");
    refused("threads", "Auto", "or auto");
    assert_int_equal(set(&o, "limit", "1m", NULL), 0);
    assert_true(o.limit == 60);
    assert_int_equal(set(&o, "limit", "auto", NULL), 0);
    assert_true(isnan(o.limit));
    refused("limit", "2h", "from 1s to 3600s, or auto");
}

static void test_words_and_texts(void **state)
{
    struct owner o = {0};
    char big[5000], *own;

    assert_int_equal(set(&o, "word", "one", NULL), 0);
    assert_int_equal(o.word, 0);
    assert_int_equal(set(&o, "word", "three", NULL), 0);
    assert_int_equal(o.word, 2);
    refused("word", "thre", "one of one, two, three");
    refused("word", "one|two", "one of");
    refused("word", "", "one of");
    refused("flag", "yes", "true or false");
    refused("flag", "True", "true or false");
    refused("time", "soon", "a time such as 90s, 15m or 2h");
    assert_int_equal(set(&o, "flag", "false", NULL), 0);
    assert_false(o.flag);
    /* The table's owner keeps a copy. */
    own = arena_strdup(&arena, "text");
    assert_int_equal(set(&o, "name", own, NULL), 0);
    own[0] = 'X';
    assert_string_equal(o.name, "text");
    assert_int_equal(set(&o, "name", "", NULL), 0);
    assert_null(o.name);
    /* A hostile length leaves room for what is allowed. */
    memset(big, 'z', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    refused("n", big, "a whole number from 1 to 10");
}

/* What get writes, set reads back as the same. */
static void test_round_trip(void **state)
{
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        {"flag", "false", "false"}, {"n", "7", "7"},
        {"n", "+07", "7"},          {"threads", "auto", "auto"},
        {"threads", "3", "3"},      {"rate", "0.1", "0.1"},
        {"open", "1e-5", "1e-05"},  {"time", "1h30m", "5400s"},
        {"time", "0.5", "0.5s"},    {"time", "0.00001", "1e-05s"},
        {"time", "1e20", "1e+20s"}, {"limit", "auto", "auto"},
        {"name", "a b", "a b"},     {"list", "x,y", "x,y"},
        {"word", "three", "three"}, {"word", "one", "one"},
    };

    for (size_t i = 0; i < HPO_LEN(rows); i++) {
        const struct hpo_opt *opt = hpo_opt_find(table, rows[i].name);
        struct owner a = {0}, b = {0};
        const char *text;

        assert_int_equal(hpo_opt_set(opt, &a, rows[i].text, &arena, NULL), 0);
        text = hpo_opt_get(opt, &a, &arena);
        assert_string_equal(text, rows[i].want);
        assert_int_equal(hpo_opt_set(opt, &b, text, &arena, NULL), 0);
        assert_string_equal(hpo_opt_get(opt, &b, &arena), text);
    }
    struct owner unset = {.time = NAN};

    assert_null(hpo_opt_get(hpo_opt_find(table, "time"), &unset, &arena));
    assert_null(hpo_opt_get(hpo_opt_find(table, "name"), &unset, &arena));
}

static void test_allowed(void **state)
{
    static const struct hpo_opt below = {
        .name = "x", .type = HPO_OPT_REAL, .min = -HUGE_VAL, .max = 5, .flags = HPO_OPT_MAX_OPEN};
    static const struct hpo_opt most = {
        .name = "x", .type = HPO_OPT_INT, .min = -HUGE_VAL, .max = 5};
    static const struct hpo_opt both = {.name = "x",
                                        .type = HPO_OPT_REAL,
                                        .min = 0,
                                        .max = 1,
                                        .flags = HPO_OPT_MIN_OPEN | HPO_OPT_MAX_OPEN};

    assert_string_equal(hpo_opt_allowed(&below, &arena), "a number below 5");
    assert_string_equal(hpo_opt_allowed(&most, &arena), "a whole number at most 5");
    assert_string_equal(hpo_opt_allowed(&both, &arena), "a number above 0 and below 1");
    assert_string_equal(hpo_opt_allowed(hpo_opt_find(table, "name"), &arena), "a text");
    assert_string_equal(hpo_opt_allowed(hpo_opt_find(table, "word"), &arena),
                        "one of one, two, three");
}

struct inner {
    int n;
    const char *const *argv;
    struct hpo_part part;
};

extern const void *const inner_registry[];

static const struct hpo_opt inner_table[] = {
    HPO_OPT(INT, struct inner, n, "n", "3", 1, 9, 0, "a count"),
    HPO_OPT(ARGV, struct inner, argv, "argv", "[\"a b\", \"\"]", 0, 0, 0, "a command"),
    HPO_OPT_NESTED(struct inner, part, "part", "leaf", inner_registry, 0, "what is inside"),
    {0},
};
static const struct hpo_plugin leaf = {.name = "leaf"};
static const struct hpo_plugin branch = {"branch", "", sizeof(struct inner), inner_table};
const void *const inner_registry[] = {&leaf, &branch, NULL};

static void test_argv(void **state)
{
    const struct hpo_opt *o = hpo_opt_find(inner_table, "argv");
    struct inner in = {0}, back = {0};
    struct hpo_err err;
    const char *text;

    hpo_opt_defaults(inner_table, &in, &arena);
    assert_string_equal(in.argv[0], "a b");
    assert_string_equal(in.argv[1], "");
    assert_null(in.argv[2]);
    assert_int_equal(hpo_opt_set(o, &in, "[\"x\", \"\\\"y\\n\", \"{z}\"]", &arena, NULL), 0);
    text = hpo_opt_get(o, &in, &arena);
    assert_string_equal(text, "[\"x\",\"\\\"y\\n\",\"{z}\"]");
    assert_int_equal(hpo_opt_set(o, &back, text, &arena, NULL), 0);
    assert_string_equal(back.argv[1], "\"y\n");
    for (const char *const *bad = (const char *const[]){"", "x", "[]", "[1]", "{}", "[\"a\"", NULL};
         *bad; bad++) {
        assert_int_equal(hpo_opt_set(o, &in, *bad, &arena, &err), HPO_ECONFIG);
        assert_non_null(strstr(err.msg, "a list of texts such as [python3, train.py]"));
        assert_string_equal(in.argv[0], "x");
    }
    in.argv = NULL;
    assert_null(hpo_opt_get(o, &in, &arena));
}

static void test_part(void **state)
{
    const struct hpo_opt *o = hpo_opt_find(inner_table, "part");
    struct inner in = {0};
    struct hpo_err err;

    hpo_opt_defaults(inner_table, &in, &arena);
    assert_ptr_equal(in.part.ops, &leaf);
    assert_string_equal(hpo_opt_get(o, &in, &arena), "{type: leaf}");
    assert_int_equal(hpo_opt_set(o, &in, "branch", &arena, NULL), 0);
    assert_int_equal(((struct inner *)in.part.priv)->n, 3);
    assert_string_equal(hpo_opt_get(o, &in, &arena),
                        "{type: branch, n: 3, argv: [\"a b\",\"\"], part: {type: leaf}}");
    assert_int_equal(hpo_opt_set(o, &in, "twig", &arena, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "a mapping with a type, one of leaf, branch"));
    assert_ptr_equal(in.part.ops, &branch);
    in.part.ops = NULL;
    assert_null(hpo_opt_get(o, &in, &arena));
}

static void test_find(void **state)
{
    static const struct hpo_plugin a = {.name = "a"}, b = {.name = "b"};
    static const void *const registry[] = {&a, &b, NULL};

    assert_null(hpo_opt_find(table, "nothing"));
    assert_null(hpo_opt_find(NULL, "n"));
    assert_ptr_equal(hpo_registry_find(registry, "b"), &b);
    assert_null(hpo_registry_find(registry, "c"));
    assert_string_equal(hpo_plugin_of(&a)->name, "a");
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_numbers),   cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_auto),       cmocka_unit_test(test_words_and_texts),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_argv),      cmocka_unit_test(test_part),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
