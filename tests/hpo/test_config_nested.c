/* Parts in parts. The registry of pruners is this test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>

#include "base/json.h"
#include "config_fixture.h"

struct wrap {
    struct hpo_part wrapped, other;
    int patience;
};

struct percent {
    double percentile;
    int trials;
};

static const struct hpo_opt wrap_opts[] = {
    HPO_OPT_NESTED(struct wrap, wrapped, "wrapped", NULL, (const void *const *)pruner_registry, 0,
                   "what is asked when patience ends"),
    HPO_OPT_NESTED(struct wrap, other, "other", "plain", (const void *const *)pruner_registry, 0,
                   "another one"),
    HPO_OPT(INT, struct wrap, patience, "patience", "3", 0, 100, 0, "patience"),
    {0},
};

static const struct hpo_opt percent_opts[] = {
    HPO_OPT(REAL, struct percent, percentile, "percentile", NULL, 0, 100, HPO_OPT_REQUIRED,
            "the share that goes on"),
    HPO_OPT(INT, struct percent, trials, "trials", "5", 1, 100, 0, "trials"),
    {0},
};

static bool never(const struct pruner *p, const struct hpo_history *h, const struct hpo_trial *t)
{
    return false;
}

/* Looks into what it wraps, as a real one would. */
static int wrap_check(const struct pruner *p, struct hpo_err *err)
{
    const struct wrap *o = p->priv;
    const struct pruner_ops *ops = o->wrapped.ops;
    struct pruner inner = *p;

    inner.ops = ops;
    inner.priv = o->wrapped.priv;
    return ops && ops->check ? ops->check(&inner, err) : 0;
}

static const struct pruner_ops plain = {.plugin = {"fold", "never", 0, NULL}, .should_stop = never};
static const struct pruner_ops plain2 = {.plugin = {"plain", "never", 0, NULL},
                                         .should_stop = never};
static const struct pruner_ops wrap = {.plugin = {"wrap", "wraps", sizeof(struct wrap), wrap_opts},
                                       .check = wrap_check,
                                       .should_stop = never};
static const struct pruner_ops percent = {
    .plugin = {"percent", "compares", sizeof(struct percent), percent_opts}, .should_stop = never};

const struct pruner_ops *const pruner_registry[] = {&plain, &plain2, &wrap, &percent, NULL};

#define DATA "data: {path: d}\n"

static const struct wrap *in(const struct hpo_part *p)
{
    assert_string_equal(hpo_plugin_of(p->ops)->name, "wrap");
    return p->priv;
}

static void test_binding(void **state)
{
    struct config_fixture f = {0};
    const struct wrap *w;
    const struct percent *p;

    assert_int_equal(config_open(&f, DATA "pruner: {type: wrap, patience: 9, wrapped: {type: "
                                          "percent, percentile: 12.5}}\n"),
                     0);
    w = in(&f.c.pruner);
    assert_int_equal(w->patience, 9);
    assert_ptr_equal(w->other.ops, &plain2);
    assert_ptr_equal(w->wrapped.ops, &percent);
    p = w->wrapped.priv;
    assert_true(p->percentile == 12.5);
    assert_int_equal(p->trials, 5);
    /* the short form, at every depth */
    assert_int_equal(config_open(&f, DATA "pruner: {type: wrap, other: wrap, wrapped: {type: wrap, "
                                          "patience: 1, wrapped: plain, other: wrap}}\n"),
                     0);
    w = in(&f.c.pruner);
    assert_null(in(&w->other)->wrapped.ops);
    w = in(&w->wrapped);
    assert_int_equal(w->patience, 1);
    assert_ptr_equal(w->wrapped.ops, &plain2);
    assert_int_equal(in(&w->other)->patience, 3);
    /* none, and said so */
    assert_int_equal(config_open(&f, DATA "pruner: {type: wrap, wrapped: ~}\n"), 0);
    assert_null(in(&f.c.pruner)->wrapped.ops);
    config_close(&f);
}

static void test_sets(void **state)
{
    static const char *const sets[] = {
        "pruner=wrap",
        "pruner.wrapped.type=wrap",
        "pruner.wrapped.wrapped=wrap",
        "pruner.wrapped.wrapped.wrapped={type: percent, percentile: 3}",
        "pruner.wrapped.wrapped.wrapped.percentile=4",
        "pruner.other.type=fold",
    };
    struct config_fixture f = {0};
    const struct wrap *w;

    assert_int_equal(config_open_n(&f, DATA, strlen(DATA), sets, (int)HPO_LEN(sets)), 0);
    w = in(&in(&in(&f.c.pruner)->wrapped)->wrapped);
    assert_true(((const struct percent *)w->wrapped.priv)->percentile == 4);
    assert_ptr_equal(in(&f.c.pruner)->other.ops, &plain);
    config_close(&f);
}

static const char *const bad[][2] = {
    {"pruner: {type: wrap, wrapped: precent}\n",
     "s.yaml:2:31: unknown pruner 'precent' in pruner.wrapped, did you mean 'percent'? known: "
     "fold, "
     "plain, wrap, percent\n"},
    {"pruner: {type: wrap, wrapped: {type: percent, percentile: 101, trails: 3}}\n",
     "s.yaml:2:59: pruner.wrapped.percentile: '101' is not allowed here: a number from 0 to 100\n"
     "s.yaml:2:64: unknown key 'trails' in pruner.wrapped of type percent, did you mean 'trials'? "
     "known keys: type, percentile, trials\n"},
    {"pruner: {type: wrap, wrapped: {type: wrap, wrapped: {type: percent, percentile: '5'}}}\n",
     "s.yaml:2:81: pruner.wrapped.wrapped.percentile: '5' in quotes is a text: a number from 0 to "
     "100 is needed\n"},
    {"pruner: {type: wrap, wrapped: percent}\n",
     "s.yaml:2:31: pruner.wrapped.percentile is missing: the share that goes on\n"},
    {"pruner: {type: wrap, wrapped: {percentile: 3}}\n",
     "s.yaml:2:31: pruner.wrapped has no type: a mapping with a type, one of fold, plain, wrap, "
     "percent is needed\n"},
    {"pruner: {type: wrap, wrapped: [percent]}\n",
     "s.yaml:2:31: pruner.wrapped: a list stands here: a mapping with a type, one of fold, plain, "
     "wrap, percent is needed\n"},
    {"pruner: {type: wrap, wrapped: {type: [percent]}}\n",
     "s.yaml:2:38: unknown pruner 'a list' in pruner.wrapped; known: fold, plain, wrap, percent\n"},
    {"pruner: {type: wrap, other: ~}\n",
     "s.yaml:2:29: pruner.other: nothing stands here: a mapping with a type, one of fold, plain, "
     "wrap, percent is needed\n"},
    {"pruner: {type: percent}\n", "s.yaml:2:9: pruner.percentile is missing: the share that goes "
                                  "on\n"},
};

static void test_mistakes(void **state)
{
    struct config_fixture f = {0};
    struct arena a = {0};

    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        assert_int_equal(config_open(&f, arena_printf(&a, DATA "%s", bad[i][0])), HPO_ECONFIG);
        assert_string_equal(str_c(&f.said), bad[i][1]);
    }
    arena_release(&a);
    config_close(&f);
}

/* 8 levels are allowed, and 20 do no harm. */
static void test_depth(void **state)
{
    for (int depth = 7; depth <= 20; depth++) {
        struct config_fixture f = {0}, g = {0};
        struct str text = {0}, again = {0};
        int rc;

        str_add(&text, DATA "pruner: ");
        for (int i = 0; i < depth; i++)
            str_add(&text, "{type: wrap, wrapped: ");
        str_add(&text, "fold");
        for (int i = 0; i < depth; i++)
            str_addc(&text, '}');
        rc = config_open(&f, text.s);
        assert_int_equal(rc, depth > 8 ? HPO_ECONFIG : 0);
        if (rc) {
            assert_non_null(
                strstr(str_c(&f.said), ": parts stand in one another, 8 are allowed\n"));
            assert_int_equal(f.d.n, 1);
        } else {
            study_config_write(&f.c, &again);
            assert_int_equal(config_open(&g, again.s), 0);
        }
        str_release(&text);
        str_release(&again);
        config_close(&f);
        config_close(&g);
    }
}

static void test_round_trip(void **state)
{
    static const char text[] = DATA "pruner: {type: wrap, wrapped: {type: percent, percentile: "
                                    "1e-7}, other: {type: wrap, wrapped: plain}}\n";
    struct config_fixture f = {0}, g = {0};
    struct str one = {0}, two = {0};
    const struct wrap *w;

    assert_int_equal(config_open(&f, text), 0);
    study_config_write(&f.c, &one);
    assert_non_null(strstr(one.s, "  wrapped: {type: percent, percentile: 1.0e-07, trials: 5}\n"));
    assert_int_equal(config_open(&g, one.s), 0);
    study_config_write(&g.c, &two);
    assert_string_equal(one.s, two.s);
    w = in(&g.c.pruner);
    assert_true(((const struct percent *)w->wrapped.priv)->percentile == 1e-7);
    assert_ptr_equal(in(&w->other)->wrapped.ops, &plain2);
    str_release(&one);
    str_release(&two);
    config_close(&f);
    config_close(&g);
}

/* A nested part refers to a definition that is there, and every option of it is described. */
static void test_described(void **state)
{
    struct str schema = {0}, docs = {0};
    const cJSON *pruner;
    cJSON *j;

    study_schema_write(&schema);
    study_docs_write(&docs);
    j = json_parse(schema.s, schema.n);
    assert_non_null(j);
    pruner = cJSON_GetObjectItem(cJSON_GetObjectItem(j, "definitions"), "pruner");
    assert_non_null(pruner);
    assert_non_null(strstr(schema.s, "\"#/definitions/pruner\""));
    assert_null(strstr(schema.s, "\"#/definitions/part\""));
    assert_non_null(strstr(docs.s, "| `wrapped` | a mapping with a type, one of fold, plain, wrap, "
                                   "percent | | what is asked when patience ends |\n"));
    assert_non_null(strstr(docs.s, "| `percentile` |"));
    cJSON_Delete(j);
    str_release(&schema);
    str_release(&docs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binding),    cmocka_unit_test(test_sets),
        cmocka_unit_test(test_mistakes),   cmocka_unit_test(test_depth),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
