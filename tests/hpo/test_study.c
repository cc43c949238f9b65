/* The rules of a study: what runs next, resuming, direction, failures, what may not change. */
#include "tests/hpo/study_fixture.h"

static const char *const file_text =
    "study: {name: t, metric: accuracy, trials: 4, seed: 7, max_failures: 2}\n"
    "data: {path: pictures, folds: {k: 2}}\n"
    "trainer: {epochs: 3}\n"
    "space:\n"
    "  optimizer.lr: {type: float, low: 1e-3, high: 1.0, log: true}\n";

static void test_runs_to_its_number(void **state)
{
    struct fixture *f = *state;
    struct study_trial *t;

    f->text = file_text;
    read_config(f, NULL, 0);
    open_study(f);
    for (int i = 0; i < 4; i++) {
        assert_false(study_over(&f->study));
        t = take(&f->study);
        assert_non_null(t);
        assert_int_equal(t->t.number, i);
        complete(&f->study, t, i == 2 ? 0.9 : 0.5);
    }
    assert_null(take(&f->study));
    assert_true(study_over(&f->study));
    assert_int_equal(hpo_history_best(&f->study.history)->number, 2);
    assert_true(study_value(&f->study, hpo_history_best(&f->study.history)->value) == 0.9);
}

static void test_never_more_at_once_than_needed(void **state)
{
    struct fixture *f = *state;

    f->text = file_text;
    read_config(f, NULL, 0);
    open_study(f);
    for (int i = 0; i < 4; i++)
        assert_non_null(take(&f->study));
    assert_null(take(&f->study));
    assert_false(study_over(&f->study));
}

static void test_goes_on_where_it_was(void **state)
{
    struct fixture *f = *state;
    struct study_trial *t;
    double lr;

    f->text = file_text;
    read_config(f, NULL, 0);
    open_study(f);
    complete(&f->study, take(&f->study), 0.5);
    t = take(&f->study);
    lr = t->t.values[0];
    assert_false(report(&f->study, t, 0, 0.3));
    study_close(&f->study); /* as a kill would leave it */

    open_study(f);
    assert_true(f->study.resumed);
    assert_int_equal(f->study.n, 2);
    assert_int_equal(f->study.trial[1]->t.n_points, 1);
    t = take(&f->study);
    assert_int_equal(t->t.number, 1);
    assert_int_equal(t->t.attempts, 2);
    assert_true(t->t.values[0] == lr);
    /* The worker repeats what it had reported: nothing is counted twice. */
    assert_false(report(&f->study, t, 0, 0.3));
    assert_int_equal(t->t.n_points, 1);
    assert_true(t->t.points[0].value == -0.3);
    complete(&f->study, t, 0.7);
    assert_int_equal(study_finished(&f->study), 2);
}

/* The pruner is asked in the study's own direction, of steps that count over folds. */
static void test_pruning(void **state)
{
    static const char *const sets[] = {"study.trials=2",
                                       "pruner={type: threshold, lower: 0.25, warmup_steps: 4}"};
    struct fixture *f = *state;
    struct study_trial *t;

    f->text = file_text;
    read_config(f, sets, 2);
    open_study(f);
    t = take(&f->study);
    assert_false(report(&f->study, t, 3, 0.1)); /* step 3 */
    assert_false(report(&f->study, t, 4, 0.25));
    assert_true(report(&f->study, t, 5, 0.2));
    assert_int_equal(study_finish(&f->study, t, HPO_TRIAL_PRUNED, NULL, NULL, 2, NULL), 0);
    assert_int_equal(study_finished(&f->study), 1);
    study_close(&f->study);

    open_study(f);
    t = f->study.trial[0];
    assert_int_equal(t->t.state, HPO_TRIAL_PRUNED);
    assert_true(study_value(&f->study, t->t.value) == 0.2);
    assert_int_equal(t->t.n_points, 3);
    assert_int_equal(t->t.points[2].step, 5);
    complete(&f->study, take(&f->study), 0.1);
    assert_true(study_over(&f->study)); /* a pruned trial is a finished one */
    assert_int_equal(hpo_history_best(&f->study.history)->number, 1);
}

static void test_resuming_repeats_no_draw(void **state)
{
    struct fixture *f = *state;
    double straight[4];

    f->text = file_text;
    read_config(f, NULL, 0);
    open_study(f);
    for (int i = 0; i < 4; i++) {
        struct study_trial *t = take(&f->study);

        straight[i] = t->t.values[0];
        complete(&f->study, t, 0.5);
    }
    study_close(&f->study);
    file_remove_tree(f->dir, NULL);
    assert_int_equal(file_mkdirs(f->dir, NULL), 0);
    for (int i = 0; i < 4; i++) {
        struct study_trial *t;

        open_study(f);
        t = take(&f->study);
        assert_true(t->t.values[0] == straight[i]);
        complete(&f->study, t, 0.5);
        study_close(&f->study);
    }
}

static void test_failures_in_a_row_stop_it(void **state)
{
    struct fixture *f = *state;

    f->text = file_text;
    read_config(f, NULL, 0);
    open_study(f);
    for (int i = 0; i < 2; i++) {
        struct study_trial *t = take(&f->study);

        assert_int_equal(study_finish(&f->study, t, HPO_TRIAL_FAIL, NULL, "why", 0, NULL), 0);
    }
    assert_null(take(&f->study));
    assert_true(study_over(&f->study));
    assert_int_equal(study_finished(&f->study), 0);
}

static void test_not_a_number_is_a_failure(void **state)
{
    struct fixture *f = *state;
    struct study_trial *t;

    f->text = file_text;
    read_config(f, NULL, 0);
    open_study(f);
    t = take(&f->study);
    complete(&f->study, t, NAN);
    assert_int_equal(t->t.state, HPO_TRIAL_FAIL);
}

static void test_a_changed_study_is_refused(void **state)
{
    static const struct {
        const char *set, *says;
    } changes[] = {
        {"trainer.epochs=4", "epochs"},
        {"data.folds.k=3", "k"},
        {"space.optimizer.lr.high=0.5", "optimizer.lr"},
        {"study.metric=macro_f1", "metric"},
    };
    struct fixture *f = *state;
    struct hpo_err err = {0};

    f->text = file_text;
    read_config(f, NULL, 0);
    open_study(f);
    study_close(&f->study);
    for (size_t i = 0; i < HPO_LEN(changes); i++) {
        study_config_release(&f->config);
        f->text = file_text;
    read_config(f, &changes[i].set, 1);
        assert_int_equal(study_open(&f->study, &f->config, f->dir, "data1", 1, &err), HPO_ECONFIG);
        if (!strstr(err.msg, changes[i].says) || !strstr(err.msg, "->"))
            fail_msg("%s", err.msg);
    }
    study_config_release(&f->config);
    f->text = file_text;
    read_config(f, NULL, 0);
    assert_int_equal(study_open(&f->study, &f->config, f->dir, "data2", 1, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "data1 -> data2"));
    /* More trials is no change. */
    study_config_release(&f->config);
    f->text = file_text;
    read_config(f, (const char *const[]){"study.trials=9"}, 1);
    assert_int_equal(study_open(&f->study, &f->config, f->dir, "data1", 1, &err), 0);
}

/* The message is bounded; what to do about it must not fall off its end. */
static void test_many_changes_leave_room_for_the_advice(void **state)
{
    static const char *const sets[] = {
        "trainer.epochs=4",          "data.folds.k=3",       "study.metric=macro_f1",
        "trainer.model.type=resnet", "trainer.loss.type=focal", "trainer.optimizer.type=adamw",
        "trainer.schedule.type=cosine", "trainer.batch_size=17",  "data.image_size=24",
        "space.optimizer.lr.high=0.5",
    };
    struct fixture *f = *state;
    struct hpo_err err = {0};

    f->text = file_text;
    read_config(f, NULL, 0);
    open_study(f);
    study_close(&f->study);
    study_config_release(&f->config);
    f->text = file_text;
    read_config(f, sets, HPO_LEN(sets));
    assert_int_equal(study_open(&f->study, &f->config, f->dir, "data1", 1, &err), HPO_ECONFIG);
    if (!strstr(err.msg, "and more: ") || !strstr(err.msg, "--fresh"))
        fail_msg("%s", err.msg);
}

/* While the last trials of a small space run, study_next is asked with every message of theirs. */
static void test_asking_in_vain_costs_no_memory(void **state)
{
    struct fixture *f = *state;
    const struct arena_block *last;
    struct study_trial *t;

    f->text = file_text;
    read_config(f, (const char *const[]){"space.optimizer.lr={type: categorical, choices: [0.1]}"}, 1);
    open_study(f);
    t = take(&f->study);
    assert_non_null(t);
    last = f->study.arena.last;
    for (int i = 0; i < 10000; i++)
        assert_null(take(&f->study));
    assert_ptr_equal(f->study.arena.last, last);
    complete(&f->study, t, 0.5);
    assert_null(take(&f->study));
    assert_true(study_over(&f->study));
}

static void test_differences(void **state)
{
    struct str s = {0};

    (void)state;
    assert_int_equal(study_differences("a: 1\nb: 2\n", "a: 1\nb: 2\n", &s), 0);
    assert_int_equal(study_differences("a: 1\nb: 2\n", "a: 3\nc: 4\n", &s), 3);
    assert_string_equal(str_c(&s), "  a: 1 -> 3\n  b: 2 -> (not set)\n  c: (not set) -> 4\n");
    str_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_runs_to_its_number),
        CASE(test_never_more_at_once_than_needed),
        CASE(test_goes_on_where_it_was),
        CASE(test_pruning),
        CASE(test_resuming_repeats_no_draw),
        CASE(test_failures_in_a_row_stop_it),
        CASE(test_not_a_number_is_a_failure),
        CASE(test_a_changed_study_is_refused),
        CASE(test_many_changes_leave_room_for_the_advice),
        CASE(test_asking_in_vain_costs_no_memory),
        cmocka_unit_test(test_differences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
