/* The command line against a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hpo/cli/args.h"

struct opts {
    bool json;
    const char *dir;
    int top;
    double noise;
    struct arg_texts sets;
};

static const struct arg table[] = {
    {"--json", ARG_FLAG, offsetof(struct opts, json)}, {"--dir", ARG_TEXT, offsetof(struct opts, dir)},
    {"--top", ARG_INT, offsetof(struct opts, top)},    {"--noise", ARG_REAL, offsetof(struct opts, noise)},
    {"--set", ARG_TEXTS, offsetof(struct opts, sets)}, {NULL, ARG_FLAG, 0},
};

static int parse(struct opts *o, const char *const *words, int max_rest, const char **rest, int *n,
                 struct hpo_err *err)
{
    char *argv[32] = {(char *)(uintptr_t) "report"};
    int argc = 1;

    *o = (struct opts){0};
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    return args_parse(table, o, argc, argv, max_rest, rest, n, err);
}

static void test_every_kind(void **state)
{
    const char *const words[] = {"a.yaml", "--json",  "--dir=x",  "--top", "3",   "--noise",
                                 "0.5",    "--set",   "a=1=2",    "--set=b=2", "--", "--json",
                                 NULL};
    const char *rest[32];
    struct opts o;
    int n;

    (void)state;
    assert_int_equal(parse(&o, words, 2, rest, &n, NULL), 0);
    assert_true(o.json);
    assert_string_equal(o.dir, "x");
    assert_int_equal(o.top, 3);
    assert_true(o.noise == 0.5);
    assert_int_equal(o.sets.n, 2);
    assert_string_equal(o.sets.item[0], "a=1=2");
    assert_string_equal(o.sets.item[1], "b=2");
    assert_int_equal(n, 2);
    assert_string_equal(rest[0], "a.yaml");
    assert_string_equal(rest[1], "--json");
}

static void refuse(const char *const *words, const char *part)
{
    struct hpo_err err = {0};
    const char *rest[32];
    struct opts o;
    int n;

    assert_int_equal(parse(&o, words, 1, rest, &n, &err), HPO_ECONFIG);
    if (!strstr(err.msg, part))
        fail_msg("'%s' is not in '%s'", part, err.msg);
}

static void test_mistakes(void **state)
{
    (void)state;
    refuse((const char *const[]){"--jsn", NULL}, "did you mean --json?");
    refuse((const char *const[]){"--whatever", NULL}, "unknown option --whatever");
    refuse((const char *const[]){"--top", NULL}, "needs a value");
    refuse((const char *const[]){"--dir=", NULL}, "needs a value");
    refuse((const char *const[]){"--dir", "", NULL}, "needs a value");
    refuse((const char *const[]){"--top", "3x", NULL}, "whole number");
    refuse((const char *const[]){"--top=-1", NULL}, "whole number");
    refuse((const char *const[]){"--noise=abc", NULL}, "takes a number");
    refuse((const char *const[]){"--json=1", NULL}, "takes no value");
    refuse((const char *const[]){"a", "b", NULL}, "one word too many");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_mistakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
