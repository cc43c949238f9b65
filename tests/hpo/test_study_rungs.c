/* A study with rungs: which trials go on, when, and that it comes out the same whatever happens. */
#include "tests/hpo/study_fixture.h"

static const char *const text = "data: {path: x, folds: {k: 3}}\n"
                                "study: {name: t, trials: 8, seed: 7, max_failures: 0}\n"
                                "sampler: {type: tpe, startup_trials: 2}\n"
                                "pruner: {type: median, startup_trials: 2}\n"
                                "trainer: {epochs: 4}\n"
                                "space:\n"
                                "  optimizer.lr: {type: float, low: 0.01, high: 1}\n"
                                "  batch_size: {type: int, low: 8, high: 64}\n"
                                "fidelity:\n"
                                "  - {limit: 50, epochs: 2, promote: 0.5, explore: 1}\n"
                                "  - {folds.run: 1, promote: 2}\n"
                                "  - {}\n";

static void begin(struct fixture *f, const char *const *sets, int n)
{
    f->text = text;
    read_config(f, sets, n);
    open_study(f);
}

static void check_trial(const struct study_trial *t, int number, int rung, int from)
{
    assert_non_null(t);
    assert_int_equal(t->t.number, number);
    assert_int_equal(t->t.rung, rung);
    assert_int_equal(t->t.promoted_from, from);
}

static void test_promotion(void **state)
{
    /* Larger is better. */
    static const double values[8] = {0.1, 0.8, 0.3, 0.6, 0.5, 0.2, 0.7, 0.4};
    static const int order[4] = {1, 6, 3, 4};
    struct fixture *f = *state;
    struct study *s = &f->study;
    struct study_trial *t;

    begin(f, NULL, 0);
    assert_int_equal(study_wanted(s), 8 + 5 + 2);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(study_rung_now(s), 0);
        t = take(s);
        check_trial(t, i, 0, 0);
        assert_true(t->t.cheap);
        if (i == 7)
            assert_null(take(s)); /* the rung is not over */
        complete(s, t, values[i]);
    }
    assert_int_equal(s->best->number, 1);
    assert_int_equal(study_rung_now(s), 1);
    assert_false(study_over(s));
    for (int i = 0; i < 4; i++) {
        t = take(s);
        check_trial(t, 8 + i, 1, order[i]);
        assert_memory_equal(t->t.values, s->trial[order[i]]->t.values, 2 * sizeof(double));
        assert_false(t->t.explored);
        complete(s, t, i == 1 ? 0.05 : 0.01 * i);
        assert_int_equal(s->best->rung, 1); /* though its value is worse than those of rung 0 */
    }
    t = take(s);
    assert_true(t->t.explored && t->t.rung == 1);
    for (int i = 0; i < 4; i++)
        assert_int_not_equal(t->t.promoted_from, order[i]);
    complete(s, t, 0.04);
    check_trial(t = take(s), 13, 2, 9);
    assert_false(t->t.cheap);
    complete(s, t, -1);
    assert_int_equal(s->best->number, 13);
    check_trial(t = take(s), 14, 2, 12); /* a drawn one is as good as any other */
    assert_false(t->t.explored);
    assert_int_equal(study_end(s), STUDY_GOES_ON);
    complete(s, t, -2);
    assert_null(take(s));
    assert_int_equal(study_end(s), STUDY_DONE);
    assert_true(study_over(s));
    assert_int_equal(study_finished(s), 15);
    assert_int_equal(study_wanted(s), 15);
    assert_ptr_equal(hpo_history_best(&s->history), s->best);
}

/* What is the study on each rung is said to the pruner and to whoever trains. */
static void test_configs(void **state)
{
    struct fixture *f = *state;
    const struct study_config *c = &f->config;

    begin(f, NULL, 0);
    assert_int_equal(study_config_rung(c, 0)->data.limit, 50);
    assert_int_equal(study_config_rung(c, 0)->max_epochs, 2);
    assert_int_equal(study_config_rung(c, 1)->max_epochs, 4);
    assert_int_equal(study_pruner(&f->study, 0)->fold_steps, 2);
    assert_int_equal(study_pruner(&f->study, 0)->folds, 3);
    assert_int_equal(study_pruner(&f->study, 1)->folds, 1);
    assert_int_equal(study_pruner(&f->study, 2)->folds, 3);
}

/* A trial is compared with those of its rung; one that was drawn is not pruned. */
static void test_pruning(void **state)
{
    static const char *const sets[] = {"fidelity=[{epochs: 2, promote: 4, explore: 3}, {}]",
                                       "study.trials=8"};
    struct fixture *f = *state;
    struct study *s = &f->study;
    struct study_trial *t;

    begin(f, sets, 2);
    for (int i = 0; i < 8; i++) {
        t = take(s);
        assert_false(report(s, t, 0, 0.9));
        complete(s, t, 0.9 - 0.01 * i);
    }
    for (int i = 0; i < 2; i++) {
        t = take(s);
        /* Far worse than what rung 0 has seen. */
        assert_false(report(s, t, 0, 0.2));
        complete(s, t, 0.2);
    }
    t = take(s);
    assert_true(report(s, t, 0, 0.1));
    assert_int_equal(study_finish(s, t, HPO_TRIAL_PRUNED, NULL, NULL, 1, NULL), 0);
    t = take(s);
    complete(s, t, 0.3);
    t = take(s);
    assert_true(t->t.explored);
    assert_false(report(s, t, 0, 0.1));
}

/* The target and the patience are of the last rung. */
static void test_stop_rules(void **state)
{
    static const char *const sets[] = {"study.target=0.5",
                                       "fidelity=[{epochs: 2, promote: 3}, {}]"};
    struct fixture *f = *state;
    struct study *s = &f->study;

    begin(f, sets, 2);
    for (int i = 0; i < 8; i++)
        complete(s, take(s), 0.9);
    assert_int_equal(study_end(s), STUDY_GOES_ON);
    complete(s, take(s), 0.4);
    assert_int_equal(study_end(s), STUDY_GOES_ON);
    complete(s, take(s), 0.5);
    assert_int_equal(study_end(s), STUDY_TARGET);
    assert_null(take(s));
}

/* The same configuration does not go on twice, and one that is asked for runs on the first rung. */
static void test_enqueued_twice(void **state)
{
    static const double same[2] = {0.1, 32};
    struct fixture *f = *state;
    struct study *s = &f->study;
    struct study_trial *t;
    int number;

    begin(f, (const char *const[]){"fidelity=[{epochs: 2, promote: 2}, {}]"}, 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(study_enqueue(s, same, &number, NULL), 0);
    for (int i = 0; i < 8; i++)
        complete(s, take(s), i < 2 ? 0.9 : 0.1 * i);
    check_trial(t = take(s), 8, 1, 0);
    complete(s, t, 0.1);
    check_trial(t = take(s), 9, 1, 7);
    /* It waits until there is room on the first rung, and keeps nobody. */
    assert_int_equal(study_enqueue(s, same, &number, NULL), 0);
    complete(s, t, 0.1);
    assert_null(take(s));
    assert_true(study_over(s));
    assert_int_equal(s->trial[number]->t.state, HPO_TRIAL_WAITING);
}

/* More trials on the first rung: those that are now among the best and have not gone on do. */
static void test_more_trials(void **state)
{
    static const char *const two = "fidelity=[{epochs: 2, promote: 2}, {}]";
    struct fixture *f = *state;
    struct study *s = &f->study;
    struct study_trial *t;

    begin(f, &two, 1);
    for (int i = 0; i < 8; i++)
        complete(s, take(s), 0.1 * i);
    for (int i = 0; i < 2; i++)
        complete(s, take(s), 0.5 - 0.1 * i);
    assert_true(study_over(s));
    study_close(s);
    study_config_release(&f->config);
    read_config(f, (const char *const[]){two, "study.trials=9"}, 2);
    open_study(f);
    assert_int_equal(study_rung_now(s), 0);
    check_trial(t = take(s), 10, 0, 0);
    complete(s, t, 0.95);
    check_trial(t = take(s), 11, 1, 10);
    complete(s, t, 0.3);
    assert_null(take(s));
    assert_true(study_over(s));
}

/* A finite space that is done before study.trials: its best go on all the same. */
static void test_exhausted(void **state)
{
    static const char *const sets[] = {
        "sampler={type: grid}", "space.batch_size.low=60",
        "space.optimizer.lr={type: float, low: 0.5, high: 1, step: 0.5}", "study.trials=20"};
    struct fixture *f = *state;
    struct study *s = &f->study;
    struct study_trial *t;

    begin(f, sets, 4);
    for (int i = 0; i < 10; i++)
        complete(s, take(s), 0.1 * i);
    t = take(s);
    check_trial(t, 10, 1, 9);
    study_close(s);
    open_study(f);
    t = take(s);
    check_trial(t, 10, 1, 9);
    complete(s, t, 1);
    while ((t = take(s)))
        complete(s, t, 1);
    assert_true(study_over(s));
    assert_int_equal(study_end(s), STUDY_EXHAUSTED);
    assert_int_equal(study_finished_on(s, 2), 2);
}

static void test_identity(void **state)
{
    struct fixture *f = *state;
    struct hpo_err err = {0};

    begin(f, NULL, 0);
    study_close(&f->study);
    study_config_release(&f->config);
    read_config(f,
                (const char *const[]){"fidelity=[{limit: 50, epochs: 3, promote: 0.5, explore: "
                                      "1}, {folds.run: 1, promote: 2}, {}]"},
                1);
    assert_int_equal(study_open(&f->study, &f->config, f->dir, "data1", 1, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "fidelity.0.epochs: 2 -> 3"));
    study_config_release(&f->config);
    read_config(f, (const char *const[]){"fidelity=null"}, 1);
    assert_int_equal(study_open(&f->study, &f->config, f->dir, "data1", 1, &err), HPO_ECONFIG);
    study_config_release(&f->config);
    read_config(f, NULL, 0);
    open_study(f); /* as it was */
}

/* ---------------------------------------------------------------- the same study every time */

#define MOST 64

struct outcome {
    double values[2], value;
    enum hpo_trial_state state;
    int rung, promoted_from, retry_of;
    bool explored;
};

/* Pure functions of the trial, so that they do not depend on who ran when. */
static double value_of(const struct hpo_trial *t)
{
    return fabs(t->values[0] - 0.3) * (t->rung + 1) + fmod(t->values[1] * 7, 5) * 0.05;
}

static bool fails(const struct hpo_trial *t)
{
    return t->number % 5 == 1 && t->n_points == 1;
}

static int run_in_some_order(struct fixture *f, uint64_t seed, struct outcome *ret)
{
    struct hpo_rng r = hpo_rng_for(seed, -1, -1, "order", 0);
    struct study_trial *slot[3] = {NULL};
    struct study *s = &f->study;
    int n;

    for (;;) {
        int k = (int)hpo_rng_below(&r, 3);
        struct study_trial *t = slot[k];

        if (hpo_rng_below(&r, 40) == 0) { /* killed and resumed */
            study_close(s);
            open_study(f);
            memset(slot, 0, sizeof(slot));
        } else if (!t) {
            slot[k] = take(s);
            if (!slot[k] && study_over(s))
                break;
        } else if (fails(&t->t)) {
            assert_int_equal(study_finish(s, t, HPO_TRIAL_FAIL, NULL, "because", 0, NULL), 0);
            slot[k] = NULL;
        } else if (t->t.n_points < 3) {
            int step = t->t.n_points;

            if (report(s, t, step, value_of(&t->t) - 0.1 * step)) {
                assert_int_equal(study_finish(s, t, HPO_TRIAL_PRUNED, NULL, NULL, 1, NULL), 0);
                slot[k] = NULL;
            }
        } else {
            complete(s, t, value_of(&t->t));
            slot[k] = NULL;
        }
    }
    n = s->n;
    for (int i = 0; i < n && i < MOST; i++) {
        const struct hpo_trial *t = &s->trial[i]->t;

        ret[i] = (struct outcome){{t->values[0], t->values[1]},
                                  t->value,
                                  t->state,
                                  t->rung,
                                  t->promoted_from,
                                  t->retry_of,
                                  t->explored};
    }
    study_close(s);
    file_remove_tree(f->dir, NULL);
    assert_int_equal(file_mkdirs(f->dir, NULL), 0);
    return n;
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void check_order(struct fixture *f, const char *const *sets, int n_sets)
{
    struct outcome first[MOST], other[MOST];
    int n, rungs[3] = {0}, retries = 0;

    f->parallel = 3;
    begin(f, sets, n_sets);
    n = run_in_some_order(f, 1, first);
    assert_true(n <= MOST);
    for (int i = 0; i < n; i++) {
        rungs[first[i].rung]++;
        retries += first[i].retry_of > 0;
    }
    assert_true(rungs[0] >= 16 && rungs[1] >= 5 && rungs[2] >= 2 && retries > 0);
    for (uint64_t seed = 2; seed < 12; seed++) {
        open_study(f);
        assert_int_equal(run_in_some_order(f, seed, other), n);
        for (int i = 0; i < n; i++) {
            assert_int_equal(first[i].state, other[i].state);
            assert_int_equal(first[i].rung, other[i].rung);
            assert_int_equal(first[i].promoted_from, other[i].promoted_from);
            assert_int_equal(first[i].retry_of, other[i].retry_of);
            assert_int_equal(first[i].explored, other[i].explored);
            assert_true(same(first[i].value, other[i].value));
            assert_true(same(first[i].values[0], other[i].values[0]));
            assert_true(same(first[i].values[1], other[i].values[1]));
        }
    }
}

static void test_lag(void **state)
{
    static const char *const sets[] = {"sampler.lag=3", "study.retries=1", "study.trials=16"};

    check_order(*state, sets, 3);
}

/* The last of a rung fails and is repeated: the lag cannot wait for trials that do not come. */
static void test_last_fails(void **state)
{
    static const char *const sets[] = {"sampler.lag=4", "study.retries=1", "study.trials=4",
                                       "fidelity=[{epochs: 2, promote: 2}, {}]"};
    struct fixture *f = *state;
    struct study *s = &f->study;
    struct study_trial *t;

    begin(f, sets, 4);
    for (int i = 0; i < 4; i++)
        complete(s, take(s), 0.1 * i);
    complete(s, take(s), 0.3);
    t = take(s);
    assert_int_equal(study_finish(s, t, HPO_TRIAL_FAIL, NULL, "because", 0, NULL), 0);
    t = take(s);
    check_trial(t, 6, 1, 2);
    assert_int_equal(t->t.retry_of, 5);
    complete(s, t, 0.2);
    assert_true(study_over(s));
}

/* Another study learns from trials whose values compare with its own. */
static void test_warm_start(void **state)
{
    static const char *const two = "fidelity=[{epochs: 2, promote: 2}, {}]";
    struct fixture *f = *state;
    struct study *s = &f->study;
    struct hpo_err err = {0};
    char dir[100];

    begin(f, &two, 1);
    for (int i = 0; i < 8; i++)
        complete(s, take(s), 0.1 * i);
    for (int i = 0; i < 2; i++)
        complete(s, take(s), 0.5);
    study_close(s);
    snprintf(dir, sizeof(dir), "%s/u", f->root);
    assert_int_equal(file_mkdirs(dir, NULL), 0);
    for (int k = 0; k < 3; k++) {
        static const char *const fidelity[] = {"fidelity=null",
                                               "fidelity=[{epochs: 2, promote: 3}, {}]",
                                               "fidelity=[{epochs: 1, promote: 3}, {}]"};
        static const int priors[] = {2, 8, 0};

        study_config_release(&f->config);
        read_config(f, (const char *const[]){fidelity[k], "study.warm_start=t", "study.name=u"}, 3);
        assert_int_equal(study_open(s, &f->config, dir, "data1", 1, &err),
                         k == 2 ? HPO_ECONFIG : 0);
        assert_int_equal(s->n_prior, priors[k]);
        if (k < 2)
            study_close(s);
        file_remove_tree(dir, NULL);
        assert_int_equal(file_mkdirs(dir, NULL), 0);
    }
    assert_non_null(strstr(err.msg, "has no such rung"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_promotion),  CASE(test_configs),        CASE(test_pruning),
        CASE(test_stop_rules), CASE(test_enqueued_twice), CASE(test_more_trials),
        CASE(test_exhausted),  CASE(test_identity),       CASE(test_lag),
        CASE(test_last_fails), CASE(test_warm_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
