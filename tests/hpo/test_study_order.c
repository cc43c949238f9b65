/* What runs next and on whose results: lag, trials asked for, repetitions, stop rules, warm starts,
 * a space that grew. */
#include "tests/hpo/study_fixture.h"

static const char *const text =
    "study: {name: t, trials: 12, seed: 7, max_failures: 0}\n"
    "objective: {type: function, name: sphere, curves: true, steps: 4}\n"
    "sampler: {type: tpe, startup_trials: 2}\n"
    "pruner: {type: median, startup_trials: 2}\n"
    "space:\n"
    "  x: {type: float, low: -5, high: 5}\n"
    "  n: {type: int, low: 1, high: 9}\n"
    "  kind: {type: categorical, choices: [a, b]}\n"
    "  depth: {type: int, low: 1, high: 4, when: {kind: b}}\n";

static void begin(struct fixture *f, const char *const *sets, int n)
{
    f->text = text;
    read_config(f, sets, n);
    open_study(f);
}

static void give_up(struct study *s, struct study_trial *t)
{
    assert_int_equal(study_finish(s, t, HPO_TRIAL_FAIL, NULL, "because", 0, NULL), 0);
}

/* What came of a trial, for comparing. */
struct outcome {
    double values[4], value;
    enum hpo_trial_state state;
    int retry_of;
};

/* A pure function of the values and the number, so that it does not depend on who ran when. */
static double value_of(const struct hpo_trial *t)
{
    return t->values[0] * t->values[0] + t->values[1];
}

static bool fails(const struct hpo_trial *t)
{
    return t->number % 4 == 1 && t->n_points == 1;
}

/* Two slots; `r` decides which of the running trials moves on. Restarts now and then. */
static int run_in_some_order(struct fixture *f, uint64_t seed, struct outcome *ret)
{
    struct hpo_rng r = hpo_rng_for(seed, -1, -1, "order", 0);
    struct study_trial *slot[2] = {NULL, NULL};
    struct study *s = &f->study;
    int n;

    for (;;) {
        int k = (int)hpo_rng_below(&r, 2);
        struct study_trial *t = slot[k];

        if (hpo_rng_below(&r, 40) == 0) { /* killed and resumed */
            study_close(s);
            open_study(f);
            slot[0] = slot[1] = NULL;
            continue;
        }
        if (!t) {
            slot[k] = take(s);
            if (!slot[k] && study_over(s))
                break;
            continue;
        }
        if (fails(&t->t)) {
            give_up(s, t);
            slot[k] = NULL;
        } else if (t->t.n_points < 4) {
            int step = t->t.n_points;

            if (report(s, t, step, value_of(&t->t) + 4 - step)) {
                assert_int_equal(study_finish(s, t, HPO_TRIAL_PRUNED, NULL, NULL, 1, NULL), 0);
                slot[k] = NULL;
            }
        } else {
            complete(s, t, value_of(&t->t));
            slot[k] = NULL;
        }
    }
    n = s->n;
    for (int i = 0; i < n && i < 64; i++) {
        ret[i] =
            (struct outcome){.state = s->trial[i]->t.state, .retry_of = s->trial[i]->t.retry_of};
        for (int k = 0; k < 4; k++)
            ret[i].values[k] = s->trial[i]->t.values[k];
        ret[i].value = s->trial[i]->t.value;
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

/* With a lag the study does not depend on the order in which its trials end, nor on being killed.
 */
static void test_lag(void **state)
{
    static const char *const sets[] = {"sampler.lag=2", "study.retries=1"};
    struct fixture *f = *state;
    struct outcome first[64], other[64];
    int n, pruned = 0;

    f->parallel = 2;
    begin(f, sets, 2);
    n = run_in_some_order(f, 1, first);
    assert_true(n > 12 && n <= 64);
    for (int i = 0; i < n; i++)
        pruned += first[i].state == HPO_TRIAL_PRUNED;
    assert_true(pruned > 0);
    for (uint64_t seed = 2; seed < 12; seed++) {
        open_study(f);
        assert_int_equal(run_in_some_order(f, seed, other), n);
        for (int i = 0; i < n; i++) {
            assert_int_equal(first[i].state, other[i].state);
            assert_int_equal(first[i].retry_of, other[i].retry_of);
            assert_true(same(first[i].value, other[i].value));
            for (int k = 0; k < 4; k++)
                assert_true(same(first[i].values[k], other[i].values[k]));
        }
    }
}

static void test_lag_waits(void **state)
{
    struct fixture *f = *state;
    struct study_trial *a, *b;

    begin(f, (const char *const[]){"sampler.lag=2"}, 1);
    a = take(&f->study);
    b = take(&f->study);
    assert_non_null(b);
    assert_null(take(&f->study)); /* trial 2 needs trial 0 */
    assert_false(study_over(&f->study));
    complete(&f->study, b, 1);
    assert_null(take(&f->study));
    complete(&f->study, a, 2);
    assert_int_equal(take(&f->study)->t.number, 2);
    assert_int_equal(take(&f->study)->t.number, 3);
}

/* A failed trial comes again, with its values, as often as was said and no more often. */
static void test_retries(void **state)
{
    struct fixture *f = *state;
    struct study_trial *t;
    double x;

    begin(f, (const char *const[]){"study.retries=2"}, 1);
    t = take(&f->study);
    x = t->t.values[0];
    give_up(&f->study, t);
    for (int k = 1; k <= 2; k++) {
        study_close(&f->study);
        open_study(f);
        t = take(&f->study);
        assert_int_equal(t->t.number, k);
        assert_int_equal(t->t.retry, k);
        assert_int_equal(t->t.retry_of, 0);
        assert_true(t->t.values[0] == x);
        give_up(&f->study, t);
    }
    study_close(&f->study);
    open_study(f);
    t = take(&f->study);
    assert_int_equal(t->t.retry, 0);
    assert_true(t->t.values[0] != x);
}

/* Rows of the file come first, once, with what is missing filled in. */
static void test_enqueue_rows(void **state)
{
    static const char *const sets[] = {
        "study.enqueue=[{x: 1.5, kind: b}, {x: 1.5}, {n: 3, x: 0.25, kind: a}]"};
    struct fixture *f = *state;
    struct study_trial *t;

    begin(f, sets, 1);
    assert_int_equal(f->study.count[HPO_TRIAL_WAITING], 3);
    t = take(&f->study);
    assert_int_equal(t->t.number, 0);
    assert_true(t->t.enqueued && t->t.values[0] == 1.5 && t->t.values[2] == 1);
    assert_true(t->t.values[3] >= 1 && t->t.values[1] >= 1);
    complete(&f->study, t, 1);
    study_close(&f->study);
    open_study(f); /* nothing is asked for a second time */
    assert_int_equal(f->study.n, 3);
    assert_int_equal(f->study.count[HPO_TRIAL_WAITING], 2);
    assert_true(take(&f->study)->t.values[0] == 1.5);
    t = take(&f->study);
    assert_true(t->t.values[0] == 0.25 && t->t.values[1] == 3 && t->t.values[2] == 0);
    assert_true(isnan(t->t.values[3]));
    assert_int_equal(take(&f->study)->t.number, 3);
}

static void test_enqueue_while_it_runs(void **state)
{
    struct fixture *f = *state;
    double values[] = {2, NAN, NAN, NAN};
    struct study_trial *t;
    int number = -1;

    begin(f, NULL, 0);
    t = take(&f->study);
    assert_int_equal(study_enqueue(&f->study, values, &number, NULL), 0);
    assert_int_equal(number, 1);
    complete(&f->study, t, 3);
    t = take(&f->study);
    assert_true(t->t.number == 1 && t->t.values[0] == 2);
    assert_int_equal(take(&f->study)->t.number, 2);
}

static void test_target(void **state)
{
    struct fixture *f = *state;
    struct study_trial *a, *b;

    begin(f, (const char *const[]){"study.target=0.5"}, 1);
    a = take(&f->study);
    b = take(&f->study);
    complete(&f->study, a, 0.6);
    assert_int_equal(study_end(&f->study), STUDY_GOES_ON);
    complete(&f->study, b, 0.5);
    assert_int_equal(study_end(&f->study), STUDY_TARGET);
    assert_null(take(&f->study));
    assert_true(study_over(&f->study));
}

static void test_patience(void **state)
{
    static const double values[] = {5, 4, 3.95, 3.9, 2, 1.95, 2.5, 2};
    static const char *const sets[] = {"study.patience=3", "study.min_delta=0.5"};
    struct fixture *f = *state;
    int i = 0;

    begin(f, sets, 2);
    for (; !study_over(&f->study); i++)
        complete(&f->study, take(&f->study), values[i]);
    assert_int_equal(i, 8); /* 2 was the last that was better by half */
    assert_int_equal(study_end(&f->study), STUDY_PATIENCE);
    study_close(&f->study);
    study_config_release(&f->config);
    begin(f, (const char *const[]){"study.patience=4"}, 1); /* more patience: it goes on */
    assert_false(study_over(&f->study));
}

/* Another study's complete trials are known to the sampler, and are nobody's trials here. */
static void test_warm_start(void **state)
{
    static const char *const sets[] = {"study.name=u", "study.warm_start=t"};
    struct fixture *f = *state;
    struct study_trial *t;
    double cold;

    begin(f, (const char *const[]){"study.trials=5"}, 1);
    for (int i = 0; i < 5; i++) {
        t = take(&f->study);
        if (i == 1)
            give_up(&f->study, t);
        else
            complete(&f->study, t, value_of(&t->t));
    }
    study_close(&f->study);
    study_config_release(&f->config);
    snprintf(f->dir, sizeof(f->dir), "%s/u", f->root);
    assert_int_equal(file_mkdirs(f->dir, NULL), 0);
    begin(f, sets, 2);
    assert_int_equal(f->study.n_prior, 4);
    assert_int_equal(f->study.n, 0);
    assert_int_equal(study_finished(&f->study), 0);
    assert_non_null(strstr(f->study.note, "4 of the 4"));
    assert_null(f->study.best);
    t = take(&f->study); /* two results are enough for TPE to begin with: not the random draw */
    cold = hpo_param_decode(&f->config.space.params[0], 0);
    assert_true(t->t.values[0] != cold);
    complete(&f->study, t, 1);
    file_remove_tree(arena_printf(&f->arena, "%s/t", f->root), NULL);
    study_close(&f->study);
    open_study(f); /* it has them in its own database now */
    assert_int_equal(f->study.n_prior, 4);
    assert_int_equal(f->study.n, 1);
    assert_int_equal(f->study.history.n, 1);
    assert_int_equal(f->study.history.trials[0]->number, 0);
}

static void test_warm_start_that_does_not_compare(void **state)
{
    struct fixture *f = *state;
    struct hpo_err err = {0};

    begin(f, NULL, 0);
    study_close(&f->study);
    study_config_release(&f->config);
    read_config(f, (const char *const[]){"study.direction=maximize", "study.warm_start=t", "study.name=u"}, 3);
    snprintf(f->dir, sizeof(f->dir), "%s/u", f->root);
    assert_int_equal(file_mkdirs(f->dir, NULL), 0);
    assert_int_equal(study_open(&f->study, &f->config, f->dir, "", 1, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "do not compare"));
    study_config_release(&f->config);
    read_config(f, (const char *const[]){"study.warm_start=nowhere"}, 1);
    snprintf(f->dir, sizeof(f->dir), "%s/v", f->root);
    assert_int_equal(file_mkdirs(f->dir, NULL), 0);
    assert_int_equal(study_open(&f->study, &f->config, f->dir, "", 1, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "nowhere"));
}

/* A study may go on in a larger space, and not in a smaller or another one. */
static void test_space_that_grew(void **state)
{
    static const char *const grown[] = {"space.x.high=8", "space.kind.choices=[a, b, c]"};
    static const char *const other[] = {"space.x.high=4", "space.kind.choices=[b, a]",
                                        "space.n.log=true"};
    struct fixture *f = *state;
    struct hpo_err err = {0};
    double x, kind;

    begin(f, NULL, 0);
    complete(&f->study, take(&f->study), 1);
    x = f->study.trial[0]->t.values[0];
    kind = f->study.trial[0]->t.values[2];
    study_close(&f->study);
    study_config_release(&f->config);
    begin(f, grown, 2);
    assert_true(f->study.trial[0]->t.values[0] == x && f->study.trial[0]->t.values[2] == kind);
    assert_non_null(take(&f->study));
    study_close(&f->study);
    for (size_t i = 0; i < HPO_LEN(other); i++) {
        study_config_release(&f->config);
        read_config(f, &other[i], 1);
        assert_int_equal(study_open(&f->study, &f->config, f->dir, "", 1, &err), HPO_ECONFIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_lag),
        CASE(test_lag_waits),
        CASE(test_retries),
        CASE(test_enqueue_rows),
        CASE(test_enqueue_while_it_runs),
        CASE(test_target),
        CASE(test_patience),
        CASE(test_warm_start),
        CASE(test_warm_start_that_does_not_compare),
        CASE(test_space_that_grew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
