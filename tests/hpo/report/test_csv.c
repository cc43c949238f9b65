#include "tests/hpo/report/fixture.h"

extern const struct report_ops report_csv;

#define HEAD "number,state,value,std,started,ended,duration_s,attempts,device,reason,enqueued,retry,retry_of,"
#define PARAMS                                                                                     \
    "params_optimizer.lr,params_optimizer.type,params_momentum,params_width,params_mixed\r\n"

static void all_trials(void **state)
{
    struct rf f;

    rf_init(&f, true, 31);
    assert_string_equal(rf_print(&f, &report_csv),
        HEAD "fold_0,fold_1," PARAMS
        "0,COMPLETE,0.25,,2026-09-21T14:13:20.250Z,2026-09-21T14:14:21.750Z,61.5,1,cpu,,0,0,,,,"
        "0.012345678901234567,sgd,0.9,32,64\r\n"
        "1,PRUNED,,,2026-09-21T14:15:00.000Z,2026-09-21T14:15:03.000Z,3,1,cpu,,0,0,,,,"
        "1e-05,adamw,,8,\"a, \"\"b\"\"\"\r\n"
        "2,COMPLETE,0.5,0.25,2026-09-21T14:16:40.000Z,2026-09-21T14:17:42.000Z,61.5,2,cpu:1,,0,0,,"
        "0.75,0.25,0.5,sgd,0.25,64,0.5\r\n"
        "3,FAIL,,,2026-09-21T14:18:20.000Z,2026-09-21T14:18:21.000Z,1,3,cpu,"
        "\"the loss became NaN,\nin \"\"fold\"\" 0\",0,0,,,,0.1,adamw,,16,null\r\n"
        "4,RUNNING,,,2026-09-21T14:20:00.000Z,,,0,,,0,0,,,,0.25,adamw,,16,true\r\n");
    f.study.maximize = false;
    assert_non_null(strstr(rf_print(&f, &report_csv), "\r\n0,COMPLETE,-0.25,"));
    rf_release(&f);
}

static void fewer(void **state)
{
    struct rf f;

    rf_init(&f, true, 31);
    f.r.top = 1;
    assert_non_null(strstr(rf_print(&f, &report_csv), PARAMS "2,COMPLETE,0.5,"));
    f.r.top = 0;
    rf_view(&f, REPORT_TRIAL, &rf_trials[4]); /* no folds: no columns of them */
    f.r.n_epochs = 0;
    assert_string_equal(rf_print(&f, &report_csv),
        HEAD PARAMS "4,RUNNING,,,2026-09-21T14:20:00.000Z,,,0,,,0,0,,0.25,adamw,,16,true\r\n");
    /* Of one trial, the metrics too: means over its folds, at their last epochs so far. */
    f.r.n_epochs = 3;
    rf_print(&f, &report_csv);
    assert_non_null(strstr(str_c(&f.out), "params_mixed,metrics_accuracy,metrics_train_loss\r\n"));
    assert_non_null(strstr(str_c(&f.out), ",true,0.5,0.00012\r\n"));
    rf_view(&f, REPORT_BEST, NULL);
    assert_string_equal(rf_print(&f, &report_csv), HEAD PARAMS);
    rf_release(&f);
}

static void odd_texts(void **state)
{
    struct hpo_trial t = rf_trials[4];
    struct rf f;

    rf_init(&f, true, 0);
    t.device = "";
    t.reason = " leading";
    t.value = -HUGE_VAL;
    t.state = HPO_TRIAL_COMPLETE;
    f.trials[f.history.n++] = &t;
    assert_non_null(strstr(rf_print(&f, &report_csv), "4,COMPLETE,inf,"));
    assert_non_null(strstr(rf_print(&f, &report_csv), ",0,,\" leading\",0,0,,0.25,"));
    rf_release(&f);
}

/* What does not train has neither folds nor a spread over them. */
static void steps(void **state)
{
    struct hpo_trial t = rf_trials[1];
    struct rf f;

    rf_init(&f, true, 1);
    t.retry = 1;
    t.retry_of = 0;
    t.enqueued = true;
    f.trials[f.history.n++] = &t;
    f.r.steps = true;
    rf_print(&f, &report_csv);
    assert_non_null(strstr(str_c(&f.out), "number,state,value,started,"));
    assert_null(strstr(str_c(&f.out), "fold_"));
    assert_non_null(strstr(str_c(&f.out), "\r\n1,PRUNED,,2026-"));
    assert_non_null(strstr(str_c(&f.out), ",3,1,cpu,,1,1,0,1e-05,"));
    rf_release(&f);
}

static void importance(void **state)
{
    struct rf f;

    rf_init(&f, true, 31);
    rf_view(&f, REPORT_IMPORTANCE, NULL);
    rf_print(&f, &report_csv);
    assert_true(!strncmp(str_c(&f.out), "parameter,importance\r\n", 22));
    assert_non_null(strstr(str_c(&f.out), "\r\noptimizer.lr,0."));
    rf_release(&f);
    rf_init(&f, true, 0);
    rf_view(&f, REPORT_IMPORTANCE, NULL);
    assert_string_equal(rf_print(&f, &report_csv), "parameter,importance\r\n");
    rf_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps),
        cmocka_unit_test(importance),
        cmocka_unit_test(all_trials),
        cmocka_unit_test(fewer),
        cmocka_unit_test(odd_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
