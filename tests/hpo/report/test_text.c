#include "tests/hpo/report/fixture.h"

extern const struct report_ops report_text, report_json;

#define ALL 31u

static void table_of_trials(void **state)
{
    struct rf f;

    rf_init(&f, true, ALL);
    assert_string_equal(rf_print(&f, &report_text),
"cifar10: maximize accuracy, 3 of 8 finished: 2 complete, 1 pruned; 1 failed, 1 running; best 0.5000 (trial 2)\n"
"\n"
"   #  state      value     std  optimizer.lr  optimizer.type  momentum  width  mixed   time  note\n"
"   0  COMPLETE  0.2500               0.01235  sgd                  0.9     32  64      1:02  cpu\n"
"   1  PRUNED         -                 1e-05  adamw                  -      8  a, \"b\"  3.0s  cpu\n"
"*  2  COMPLETE  0.5000  0.2500           0.5  sgd                 0.25     64  0.5     1:02  cpu:1\n"
"   3  FAIL           -                   0.1  adamw                  -     16  null    1.0s  the loss became NaN, in \"fold\" 0\n"
"   4  RUNNING        -                  0.25  adamw                  -     16  true       -\n");
    f.study.maximize = false;
    assert_non_null(strstr(rf_print(&f, &report_text), "minimize accuracy"));
    assert_non_null(strstr(rf_print(&f, &report_text), "*  2  COMPLETE  -0.5000  0.2500 "));
    f.study.interrupted = true;
    assert_non_null(strstr(rf_print(&f, &report_text), "; interrupted\n"));
    rf_release(&f);
}

static void the_best_few(void **state)
{
    struct rf f;

    rf_init(&f, true, ALL);
    f.r.top = 3; /* there are two complete ones */
    assert_non_null(strstr(rf_print(&f, &report_text),
"*  2  COMPLETE  0.5000  0.2500           0.5  sgd                 0.25     64  0.5    1:02  cpu:1\n"
"   0  COMPLETE  0.2500               0.01235  sgd                  0.9     32  64     1:02  cpu\n"));
    assert_null(strstr(rf_print(&f, &report_text), "PRUNED"));
    f.r.top = 1;
    assert_null(strstr(rf_print(&f, &report_text), "   0  COMPLETE"));
    rf_release(&f);
}

/* No line is wider than the terminal; what is left out is said. */
static void a_narrow_terminal(void **state)
{
    struct rf f;

    rf_init(&f, true, ALL);
    f.r.width = 72;
    assert_string_equal(strchr(rf_print(&f, &report_text), '\n') + 2,
"   #  state      value     std  optimizer.lr  time  note\n"
"   0  COMPLETE  0.2500               0.01235  1:02  cpu\n"
"   1  PRUNED         -                 1e-05  3.0s  cpu\n"
"*  2  COMPLETE  0.5000  0.2500           0.5  1:02  cpu:1\n"
"   3  FAIL           -                   0.1  1.0s  the loss became N...\n"
"   4  RUNNING        -                  0.25     -\n"
"\n"
"4 parameters are left out: the terminal is too narrow (--json has all)\n");
    rf_release(&f);
}

static void colours(void **state)
{
    struct rf f;

    rf_init(&f, true, ALL);
    f.r.color = true;
    assert_non_null(strstr(rf_print(&f, &report_text), "\033[1;32m*  2  COMPLETE"));
    assert_non_null(strstr(rf_print(&f, &report_text), "\033[31m   3  FAIL"));
    assert_non_null(strstr(rf_print(&f, &report_text), "\"fold\" 0\033[0m\n"));
    rf_release(&f);
}

/* Folds trained with two seeds: their deviation comes in two parts. */
static void seeds(void **state)
{
    static const struct hpo_fold folds[] = {
        {0, 0.5, 1, 10}, {1, 0.75, 2, 10}, {2, 0.75, 1, 10}, {3, 1.0, 2, 10}};
    struct hpo_trial t = rf_trials[2];
    struct rf f;
    const char *out;

    t.folds = folds;
    t.n_folds = 4;
    rf_init(&f, true, ALL);
    rf_view(&f, REPORT_TRIAL, &t);
    f.r.folds = 2;
    f.r.seeds = 2;
    out = rf_print(&f, &report_text);
    assert_non_null(strstr(out, "0.1768 over 4 trainings (maximize)\n"
                                "  fold 0   seed 0  0.5000 at epoch 1, 10.0s\n"
                                "  fold 1   seed 0  0.7500 at epoch 2, 10.0s\n"
                                "  fold 0   seed 1  0.7500 at epoch 1, 10.0s\n"
                                "  fold 1   seed 1  1.0000 at epoch 2, 10.0s\n"
                                "  deviation 0.1250 of the folds' means, 0.1250 from seed to seed\n"));
    assert_non_null(strstr(out, "  fold  seed  epoch"));
    out = rf_print(&f, &report_json);
    assert_non_null(strstr(out, "\"std_folds\":0.125"));
    assert_non_null(strstr(out, "\"seed\":1"));
    rf_release(&f);
}

static void the_best(void **state)
{
    struct rf f;

    rf_init(&f, true, ALL);
    rf_view(&f, REPORT_BEST, &rf_trials[2]);
    assert_string_equal(rf_print(&f, &report_text),
"cifar10: the best trial is trial 2\n"
"\n"
"accuracy   0.5000 \302\261 0.2500 over 2 folds (maximize)\n"
"  fold 0   0.7500 at epoch 2, 31.0s\n"
"  fold 1   0.2500 at epoch 0, 30.5s\n"
"duration   1:02 on cpu:1, 2 attempts\n"
"started    2026-09-21T14:16:40.000Z\n"
"trials     3 of 8 finished: 2 complete, 1 pruned; 1 failed, 1 running\n"
"\n"
"parameters\n"
"  optimizer.lr    0.5\n"
"  optimizer.type  sgd\n"
"  momentum        0.25\n"
"  width           64\n"
"  mixed           0.5\n"
"\n"
"# this configuration alone, as a study file\n"
"study: {name: cifar10}\n");
    /* Exact, so that it can be copied; inactive ones do not appear. */
    rf_view(&f, REPORT_BEST, &rf_trials[0]);
    assert_non_null(strstr(rf_print(&f, &report_text), "optimizer.lr    0.012345678901234567\n"));
    rf_view(&f, REPORT_BEST, &rf_trials[1]);
    assert_null(strstr(rf_print(&f, &report_text), "momentum"));
    rf_release(&f);
}

static void one_trial(void **state)
{
    struct rf f;

    rf_init(&f, true, ALL);
    f.r.target = 0;
    rf_view(&f, REPORT_TRIAL, &rf_trials[3]);
    f.r.single = NULL;
    assert_string_equal(rf_print(&f, &report_text),
"cifar10: trial 3, FAIL\n"
"\n"
"reason     the loss became NaN, in \"fold\" 0\n"
"duration   1.0s on cpu, 3 attempts\n"
"started    2026-09-21T14:18:20.000Z\n"
"trials     3 finished: 2 complete, 1 pruned; 1 failed, 1 running\n"
"\n"
"parameters\n"
"  optimizer.lr    0.1\n"
"  optimizer.type  adamw\n"
"  width           16\n"
"  mixed           null\n"
"\n"
"metrics, at the epoch of each fold that is its last\n"
"  metric         mean     std  fold 0   fold 1\n"
"  accuracy     0.5000  0.2500  0.7500   0.2500\n"
"  train_loss  0.00012               -  0.00012\n"
"\n"
"learning curve\n"
"  fold  epoch  accuracy  train_loss\n"
"     0      0    0.5000      1.2500\n"
"     0      1    0.7500           -\n"
"     1      0    0.2500     0.00012\n");
    rf_view(&f, REPORT_TRIAL, &rf_trials[2]);
    assert_non_null(strstr(rf_print(&f, &report_text), "trial 2, COMPLETE, the best one\n"));
    assert_non_null(strstr(str_c(&f.out), "metrics, at the epoch of each fold that counts\n"));
    rf_view(&f, REPORT_TRIAL, NULL);
    assert_string_equal(rf_print(&f, &report_text), "cifar10 has no such trial\n");
    rf_release(&f);
}

/* A network's curve has columns for few metrics; all of them have rows. */
static void many_metrics(void **state)
{
    static const char *const names[] = {"macro_f1", "accuracy", "mcc", "ece", "roc_auc", "log_loss",
        "f1_micro", "cohen_kappa", "train_loss", "seconds"};
    static const double values[][10] = {{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9},
        {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1}};
    static const struct hpo_epoch_report epochs[] = {
        {0, 0, 10, names, values[0]}, {0, 2, 10, names, values[1]}, {1, 0, 9, names, values[0]}};
    struct rf f;

    rf_init(&f, true, ALL);
    f.study.metric = "mcc";
    rf_view(&f, REPORT_TRIAL, &rf_trials[2]);
    f.r.epochs = epochs;
    f.r.width = 60;
    rf_print(&f, &report_text);
    assert_non_null(strstr(str_c(&f.out),
"metrics, at the epoch of each fold that counts\n"
"  metric         mean     std  fold 0  fold 1\n"
"  macro_f1     0.0500  0.0500  0.1000  0.0000\n"));
    assert_non_null(strstr(str_c(&f.out),
"  seconds      1.0000          1.0000       -\n"
"\n"
"learning curve\n"
"  fold  epoch     mcc  accuracy  log_loss  train_loss\n"
"     0      0  0.2000    0.1000    0.5000      0.8000\n"));
    rf_release(&f);
}

static void nothing_yet(void **state)
{
    struct rf f;

    rf_init(&f, true, 0);
    assert_string_equal(rf_print(&f, &report_text),
        "cifar10: maximize accuracy, 0 of 8 finished: 0 complete, 0 pruned; 0 failed, 0 running\n"
        "No trials yet.\n");
    rf_view(&f, REPORT_BEST, NULL);
    assert_string_equal(rf_print(&f, &report_text),
        "cifar10 has no complete trial yet: 0 of 8 finished: 0 complete, 0 pruned; 0 failed, "
        "0 running.\n");
    rf_release(&f);
    rf_init(&f, true, 1u << 3); /* failures only */
    rf_view(&f, REPORT_BEST, NULL);
    assert_string_equal(rf_print(&f, &report_text),
        "cifar10 has no complete trial yet: 0 of 8 finished: 0 complete, 0 pruned; 1 failed, "
        "0 running.\nThe last failure, trial 3: the loss became NaN, in \"fold\" 0\n");
    rf_view(&f, REPORT_TRIALS, NULL);
    f.r.top = 5;
    assert_non_null(strstr(rf_print(&f, &report_text), "No trial is complete yet.\n"));
    rf_release(&f);
}

/* A space or values that are not there (a study of another program) leave columns out. */
static void without_a_space(void **state)
{
    struct hpo_trial t = rf_trials[2];
    struct rf f;

    rf_init(&f, true, 0);
    t.values = NULL;
    f.trials[f.history.n++] = &t;
    assert_non_null(strstr(rf_print(&f, &report_text), "  -  "));
    f.history.space = NULL;
    assert_non_null(strstr(rf_print(&f, &report_text), "*  2  COMPLETE  0.5000  0.2500  1:02"));
    rf_release(&f);
}

/* Thirty trials in which lr alone matters. */
static void importance(void **state)
{
    static struct hpo_trial t[30];
    static const struct hpo_trial *list[30];
    static double v[30][5];
    struct rf f;

    rf_init(&f, true, 0);
    for (int i = 0; i < 30; i++) {
        v[i][0] = pow(10, -5 + i / 6.0);
        v[i][1] = 1;
        v[i][2] = NAN;
        v[i][3] = 8 + 8 * (i % 3);
        v[i][4] = 4;
        t[i] = (struct hpo_trial){.number = i, .state = HPO_TRIAL_COMPLETE, .value = -i,
                                  .values = v[i]};
        list[i] = &t[i];
    }
    f.history.trials = list;
    f.history.n = 30;
    rf_view(&f, REPORT_IMPORTANCE, NULL);
    f.r.width = 40;
    assert_string_equal(rf_print(&f, &report_text),
"cifar10: what good trials depend on\n"
"(the best 3 of 30, by PED-ANOVA)\n"
"\n"
"  parameter       importance\n"
"  optimizer.lr         0.833  ##########\n"
"  width                0.163  ##\n"
"  optimizer.type       0.003\n"
"  mixed                0.002\n"
"\n"
"With fewer than 5 trials among the best tenth this says little.\n");
    f.r.width = 80; /* as wide as the terminal */
    assert_non_null(strstr(rf_print(&f, &report_text),
"  optimizer.lr         0.833  ##################################################\n"));
    f.r.width = 30; /* names are cut */
    assert_non_null(strstr(rf_print(&f, &report_text), "\n  optim...       0.833  ##########\n"));
    for (int i = 0; i < 30; i++)
        t[i].value = 1;
    assert_non_null(strstr(rf_print(&f, &report_text), "each has the same share.\n"));
    f.history.n = 1;
    assert_string_equal(rf_print(&f, &report_text), "cifar10: importance needs at least 2 complete "
                        "trials with a finite value, and there is 1.\n");
    f.history.space = NULL;
    assert_string_equal(rf_print(&f, &report_text), "cifar10 has no parameters.\n");
    rf_release(&f);
}

/* A study that does not train, with a trial that waits and one that is repeated. */
static void steps(void **state)
{
    static const char *const names[] = {"loss", "fold"};
    static const double values[] = {0.25, 3};
    static const struct hpo_epoch_report epochs[] = {{0, 1, 2, names, values},
        {0, 3, 1, names, values}, {0, 9, 1, names, values}};
    static const struct hpo_point points[] = {{0, -0.5}, {1, -0.625}, {3, NAN}};
    const double given[] = {NAN, 1, NAN, 16, NAN};
    struct hpo_trial retry = rf_trials[0], waiting = {.number = 1, .state = HPO_TRIAL_WAITING,
                                                      .value = NAN, .values = given,
                                                      .enqueued = true};
    struct rf f;

    rf_init(&f, true, 0);
    f.study.metric = "value";
    f.r.steps = true;
    retry.retry = 1;
    retry.retry_of = 5;
    retry.points = points;
    retry.n_points = 3;
    f.trials[f.history.n++] = &retry;
    f.trials[f.history.n++] = &waiting;
    assert_string_equal(rf_print(&f, &report_text),
"cifar10: maximize value, 1 of 8 finished: 1 complete, 0 pruned; 0 failed, 0 running, 1 waiting; best 0.2500 (trial 0)\n"
"\n"
"   #  state      value  optimizer.lr  optimizer.type  momentum  width  mixed  time  note\n"
"*  0  COMPLETE  0.2500       0.01235  sgd                  0.9     32  64     1:02  retry 1 of trial 5, cpu\n"
"   1  WAITING        -             -  adamw                  -     16  -         -  enqueued\n");
    rf_view(&f, REPORT_TRIAL, &retry);
    f.r.epochs = epochs;
    rf_print(&f, &report_text);
    assert_non_null(strstr(str_c(&f.out), "retry      1 of trial 5\n"));
    assert_non_null(strstr(str_c(&f.out),
"learning curve\n"
"  step   value    loss    fold\n"
"     0  0.5000\n"
"     1  0.6250  0.2500  3.0000\n"
"     3       -  0.2500\n"
"     9          0.2500\n"));
    f.r.n_epochs = 0; /* the value alone */
    assert_non_null(strstr(rf_print(&f, &report_text),
"learning curve\n"
"  step   value\n"
"     0  0.5000\n"
"     1  0.6250\n"
"     3       -\n"));
    retry.n_points = 0; /* a trial that reports nothing has no curve */
    assert_null(strstr(rf_print(&f, &report_text), "learning"));
    rf_view(&f, REPORT_TRIAL, &waiting);
    f.r.n_epochs = 0;
    f.r.single = NULL;
    assert_string_equal(rf_print(&f, &report_text),
"cifar10: trial 1, WAITING\n"
"\n"
"waiting    what is not given below will be sampled\n"
"trials     1 of 8 finished: 1 complete, 0 pruned; 0 failed, 0 running, 1 waiting\n"
"\n"
"parameters\n"
"  optimizer.type  adamw\n"
"  width           16\n");
    rf_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(importance),
        cmocka_unit_test(steps),
        cmocka_unit_test(table_of_trials),
        cmocka_unit_test(the_best_few),
        cmocka_unit_test(a_narrow_terminal),
        cmocka_unit_test(colours),
        cmocka_unit_test(seeds), cmocka_unit_test(the_best), cmocka_unit_test(many_metrics),
        cmocka_unit_test(one_trial),
        cmocka_unit_test(nothing_yet),
        cmocka_unit_test(without_a_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
