/* The options that end a study or a trial, and those beside a sampler's own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <unistd.h>

#include "config_fixture.h"

#define DATA "data: {path: d}\n"

static void test_defaults(void **state)
{
    struct config_fixture f = {0};

    assert_int_equal(config_open(&f, DATA), 0);
    assert_true(isnan(f.c.study.target));
    assert_int_equal(f.c.study.patience, 0);
    assert_true(f.c.study.min_delta == 0);
    assert_true(isnan(f.c.study.max_seconds));
    assert_int_equal(f.c.study.retries, 0);
    assert_null(f.c.study.warm_start);
    assert_int_equal(f.c.n_enqueue, 0);
    assert_int_equal(f.c.sampler.lag, 0);
    assert_int_equal(f.c.sampler.duplicates, 0);
    config_close(&f);
}

static void test_values(void **state)
{
    struct config_fixture f = {0};
    char here[4096];

    assert_int_equal(config_open(&f, DATA "study: {target: -0.5, patience: 7, min_delta: 1e-3, "
                                          "max_seconds: 2m, retries: 3, warm_start: runs/old}\n"
                                          "sampler: {type: random, lag: 4, duplicates: allow}\n"),
                     0);
    assert_true(f.c.study.target == -0.5);
    assert_int_equal(f.c.study.patience, 7);
    assert_true(f.c.study.min_delta == 1e-3);
    assert_true(f.c.study.max_seconds == 120);
    assert_int_equal(f.c.study.retries, 3);
    assert_int_equal(f.c.sampler.lag, 4);
    assert_int_equal(f.c.sampler.duplicates, 1);
    /* a folder is found again from elsewhere, a name stays one */
    assert_non_null(getcwd(here, sizeof(here)));
    assert_string_equal(f.c.study.warm_start, arena_printf(&f.a, "%s/runs/old", here));
    assert_int_equal(config_open(&f, DATA "study: {warm_start: old}\nsampler: {lag: 2}\n"), 0);
    assert_string_equal(f.c.study.warm_start, "old");
    assert_int_equal(f.c.sampler.lag, 2);
    config_close(&f);
}

static const char *const bad[][2] = {
    {"study: {target: good, patience: -1, min_delta: -0.1, max_seconds: 0, retries: 101}\n",
     "s.yaml:2:17: study.target: 'good' is not allowed here: a number\n"
     "s.yaml:2:33: study.patience: '-1' is not allowed here: a whole number from 0 to 10000000\n"
     "s.yaml:2:48: study.min_delta: '-0.1' is not allowed here: a number from 0\n"
     "s.yaml:2:67: study.max_seconds: '0' is not allowed here: a time such as 90s, 15m or 2h above "
     "0s and at most 1000000000s\n"
     "s.yaml:2:79: study.retries: '101' is not allowed here: a whole number from 0 to 100\n"},
    {"sampler: {type: grid, lag: 1025, duplicates: alow}\n",
     "s.yaml:2:28: sampler.lag: '1025' is not allowed here: a whole number from 0 to 1024\n"
     "s.yaml:2:46: sampler.duplicates: 'alow' is not allowed here, did you mean 'allow'? one of "
     "resample, allow\n"},
    {"sampler: {type: random, lga: 1}\n",
     "s.yaml:2:25: unknown key 'lga' in sampler of type random, did you mean 'lag'? known keys: "
     "type, lag, duplicates\n"},
    {"study: {name: me, warm_start: me}\n",
     "s.yaml:2:31: study.warm_start: 'me' is this study itself: another one is needed\n"},
    {"space: {study.warm_start: {type: categorical, choices: [a]}}\n", NULL},
};

static void test_mistakes(void **state)
{
    struct config_fixture f = {0};
    struct arena a = {0};

    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        assert_int_equal(config_open(&f, arena_printf(&a, DATA "%s", bad[i][0])), HPO_ECONFIG);
        if (bad[i][1])
            assert_string_equal(str_c(&f.said), bad[i][1]);
    }
    arena_release(&a);
    config_close(&f);
}

static const struct {
    const char *set;
    bool mixes;
} changes[] = {
    {"study.target=3", false},
    {"study.patience=3", false},
    {"study.min_delta=1", false},
    {"study.max_seconds=1h", false},
    {"study.retries=1", false},
    {"study.warm_start=other", true},
    {"study.warm_start=null", true},
    {"study.warm_start=/moved/to/old", false},
    {"study.warm_start=/moved/to/old/", false},
    {"sampler.lag=3", true},
    {"sampler.duplicates=allow", true},
    {"sampler=grid", true},
};

static void test_identity(void **state)
{
    static const char text[] = DATA "study: {warm_start: /a/b/old}\nsampler: {type: random, lag: "
                                    "2}\n";
    struct config_fixture f = {0};
    struct str base = {0}, now = {0};

    assert_int_equal(config_open(&f, text), 0);
    study_config_identity(&f.c, &base);
    assert_non_null(strstr(base.s, "sampler.lag: 2\n"));
    for (size_t i = 0; i < HPO_LEN(changes); i++) {
        if (config_open_n(&f, text, strlen(text), &changes[i].set, 1))
            fail_msg("%s: %s", changes[i].set, str_c(&f.said));
        str_clear(&now);
        study_config_identity(&f.c, &now);
        if (changes[i].mixes != (strcmp(base.s, now.s) != 0))
            fail_msg("%s\n%s\n%s", changes[i].set, base.s, now.s);
    }
    str_release(&base);
    str_release(&now);
    config_close(&f);
}

static void test_round_trip(void **state)
{
    struct config_fixture f = {0}, g = {0};
    struct str one = {0}, two = {0};

    assert_int_equal(config_open(&f, DATA "study: {target: 1e-9, patience: 2, max_seconds: 0.5s, "
                                          "warm_start: a/b}\nsampler: {type: random, lag: 1, "
                                          "duplicates: allow}\n"),
                     0);
    study_config_write(&f.c, &one);
    assert_int_equal(config_open(&g, one.s), 0);
    assert_true(g.c.study.target == 1e-9 && g.c.study.max_seconds == 0.5);
    assert_int_equal(g.c.sampler.lag, 1);
    assert_int_equal(g.c.sampler.duplicates, 1);
    assert_string_equal(g.c.study.warm_start, f.c.study.warm_start);
    study_config_write(&g.c, &two);
    assert_string_equal(one.s, two.s);
    str_release(&one);
    str_release(&two);
    config_close(&f);
    config_close(&g);
}

/* One key cannot mean two things: what stands beside the types' options is in none of them; and a
 * part in a part must find its definition in the schema. */
static void test_tables(void **state)
{
    struct arena a = {0};
    const struct hpo_section *all = study_sections(&a);

    for (const struct hpo_section *s = all; s->path; s++) {
        for (const void *const *k = s->kinds; k && *k; k++) {
            for (const struct hpo_opt *o = hpo_plugin_of(*k)->opts; o && o->name; o++) {
                bool found = o->type != HPO_OPT_PART;

                assert_null(hpo_opt_find(s->opts, o->name));
                assert_string_not_equal(o->name, "type");
                for (const struct hpo_section *t = all; t->path; t++)
                    found = found || (t->kinds == o->kinds && !t->opts);
                assert_true(found);
            }
        }
    }
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),   cmocka_unit_test(test_values),
        cmocka_unit_test(test_mistakes),   cmocka_unit_test(test_identity),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
