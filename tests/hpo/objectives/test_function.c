/* The objective of type function: its names, values, reports, and obedience. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "config_fixture.h"
#include "hpo/objective.h"
#include "hpo/objectives/functions.h"

extern const struct objective_ops objective_function;

#define HEAD                                                            \
    "study: {seed: 3}\nspace:\n  x: {type: float, low: -5, high: 10}\n" \
    "  y: {type: float, low: 0, high: 15}\n"

/* What a trial said, and what it is answered. */
struct listener {
    int reports, polls;
    double last;
    int64_t step;
    int stop_at; /* report or poll to answer with `verdict`; -1: never */
    enum objective_verdict verdict;
};

static enum objective_verdict on_report(void *arg, const struct objective_report *r)
{
    struct listener *l = arg;

    assert_true(l->reports == 0 || r->step > l->step);
    assert_int_equal(r->n_rows, 1);
    l->step = r->step;
    l->last = r->value;
    return l->reports++ == l->stop_at ? l->verdict : OBJECTIVE_GO;
}

static enum objective_verdict on_poll(void *arg, const struct objective_progress *p)
{
    struct listener *l = arg;

    l->polls++;
    return OBJECTIVE_GO;
}

static int run(const char *text, const double *values, struct listener *l,
               struct objective_result *ret)
{
    struct config_fixture f = {0};
    struct objective o = {.ops = &objective_function, .config = &f.c};
    struct objective_trial t = {
        .number = 7, .values = values, .dir = "/", .report = on_report, .poll = on_poll, .arg = l};
    struct hpo_err err = {0};
    int rc = config_open(&f, text);

    if (rc)
        fail_msg("%s", str_c(&f.said));
    *ret = (struct objective_result){0};
    rc = objective_function.run(&o, NULL, &t, ret, &err);
    config_close(&f);
    return rc;
}

/* The words of the option are the names of the table, in its order. */
static void test_names(void **state)
{
    const char *words = hpo_opt_find(objective_function.plugin.opts, "name")->choices;

    for (const struct test_function *f = test_functions; f->name; f++) {
        size_t n = strlen(f->name);

        assert_memory_equal(words, f->name, n);
        assert_true(words[n] == '|' || (!words[n] && !f[1].name));
        words += n + 1;
    }
}

static void test_value(void **state)
{
    struct listener l = {.stop_at = -1};
    struct objective_result r;
    double best[] = {M_PI, 2.275};

    assert_int_equal(run(HEAD "objective: {type: function, name: branin}\n", best, &l, &r), 0);
    assert_true(fabs(r.value - 0.397887) < 1e-5);
    assert_int_equal(r.n_folds, 0);
    assert_int_equal(l.reports, 0);
    assert_int_equal(run(HEAD "objective: {type: function, name: branin}\n"
                              "study: {direction: maximize}\n" +
                             strlen("study: {seed: 3}\n"),
                         best, &l, &r),
                     0);
    assert_true(fabs(r.value + 0.397887) < 1e-5);
}

/* Curves end at the value of their fold, folds average to the value without noise. */
static void test_curves_and_folds(void **state)
{
    struct listener l = {.stop_at = -1};
    struct objective_result r;
    double best[] = {M_PI, 2.275}, sum = 0;

    assert_int_equal(run(HEAD "objective: {type: function, name: branin, curves: true, steps: 6, "
                              "folds: 3, fold_spread: 0.2, wobble: 0.1}\n",
                         best, &l, &r),
                     0);
    assert_int_equal(l.reports, 18);
    assert_int_equal(l.step, 17);
    assert_int_equal(r.n_folds, 3);
    assert_true(l.last == r.folds[2].value);
    for (int i = 0; i < 3; i++)
        sum += r.folds[i].value / 3;
    assert_true(fabs(sum - 0.397887) < 1e-5 && fabs(sum - r.value) < 1e-12);
    assert_true(r.folds[0].value != r.folds[1].value);
}

static void test_obeys(void **state)
{
    struct listener l = {.stop_at = 2, .verdict = OBJECTIVE_PRUNE};
    struct objective_result r;
    double x[] = {0, 0};

    assert_int_equal(
        run(HEAD "objective: {type: function, name: branin, curves: true}\n", x, &l, &r),
        HPO_ESTOPPED);
    assert_true(r.pruned);
    assert_int_equal(l.reports, 3);
    l = (struct listener){.stop_at = 0, .verdict = OBJECTIVE_PAUSE};
    assert_int_equal(
        run(HEAD "objective: {type: function, name: branin, curves: true}\n", x, &l, &r),
        HPO_ESTOPPED);
    assert_false(r.pruned);
}

static void test_listens_while_it_waits(void **state)
{
    struct listener l = {.stop_at = -1};
    struct objective_result r;
    double x[] = {0, 0};

    assert_int_equal(
        run(HEAD "objective: {type: function, name: branin, delay: 0.2s}\n", x, &l, &r), 0);
    assert_true(l.polls >= 4);
}

static void test_wrong_space(void **state)
{
    struct config_fixture f = {0};

    assert_int_equal(config_open(&f, HEAD "objective: {type: function, name: hartmann6}\n"),
                     HPO_ECONFIG);
    assert_non_null(strstr(str_c(&f.said), "hartmann6"));
    assert_non_null(strstr(str_c(&f.said), "s.yaml:5"));
    config_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_curves_and_folds),
        cmocka_unit_test(test_obeys),
        cmocka_unit_test(test_listens_while_it_waits),
        cmocka_unit_test(test_wrong_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
