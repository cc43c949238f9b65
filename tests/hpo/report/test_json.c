#include "tests/hpo/report/fixture.h"

#include "base/json.h"

extern const struct report_ops report_json;

#define HEAD                                                                                       \
    "{\"study\":\"cifar10\",\"direction\":\"maximize\",\"metric\":\"accuracy\",\"target\":8,"       \
    "\"interrupted\":false,\"counts\":"

static void the_best(void **state)
{
    struct rf f;

    rf_init(&f, true, 31);
    rf_view(&f, REPORT_BEST, &rf_trials[2]);
    assert_string_equal(rf_print(&f, &report_json), HEAD
        "{\"complete\":2,\"pruned\":1,\"failed\":1,\"running\":1,\"waiting\":0},\"best\":{"
        "\"number\":2,\"state\":\"COMPLETE\",\"value\":0.5,\"std\":0.25,\"folds\":[0.75,0.25],"
        "\"fold_results\":[{\"fold\":0,\"value\":0.75,\"epoch\":2,\"duration_s\":31},"
        "{\"fold\":1,\"value\":0.25,\"epoch\":0,\"duration_s\":30.5}],"
        "\"params\":{\"optimizer.lr\":0.5,\"optimizer.type\":\"sgd\",\"momentum\":0.25,"
        "\"width\":64,\"mixed\":0.5},\"duration_s\":61.5,\"attempts\":2,\"device\":\"cpu:1\","
        "\"reason\":null,\"enqueued\":false,\"retry\":0,\"retry_of\":null,\"started\":\"2026-09-21T14:16:40.000Z\","
        "\"ended\":\"2026-09-21T14:17:42.000Z\",\"reports\":[{\"step\":0,\"value\":0.5},"
        "{\"step\":1,\"value\":null}],\"curve\":[{\"fold\":0,\"epoch\":0,\"accuracy\":0.5,"
        "\"train_loss\":1.25},{\"fold\":0,\"epoch\":1,\"accuracy\":0.75,\"train_loss\":null},"
        "{\"fold\":1,\"epoch\":0,\"accuracy\":0.25,\"train_loss\":0.00012}],"
        "\"metrics\":{\"accuracy\":{\"mean\":0.25,\"std\":null,\"folds\":[null,0.25]},"
        "\"train_loss\":{\"mean\":0.00012,\"std\":null,\"folds\":[null,0.00012]}},"
        "\"predictions\":null,\"yaml\":\"study: {name: cifar10}\\n\"}}\n");
    rf_release(&f);
}

static void none_yet(void **state)
{
    struct rf f;

    rf_init(&f, true, 1u << 3);
    rf_view(&f, REPORT_BEST, NULL);
    assert_string_equal(rf_print(&f, &report_json), HEAD
        "{\"complete\":0,\"pruned\":0,\"failed\":1,\"running\":0,\"waiting\":0},\"best\":null}\n");
    rf_view(&f, REPORT_TRIALS, NULL);
    f.r.target = 0;
    assert_non_null(strstr(rf_print(&f, &report_json), "\"target\":null"));
    assert_non_null(strstr(rf_print(&f, &report_json), "\"best_trial\":null,\"importance\":null,\"trials\":[{\"number\":3,"));
    rf_view(&f, REPORT_TRIAL, NULL);
    assert_non_null(strstr(rf_print(&f, &report_json), "\"trial\":null}\n"));
    rf_release(&f);
}

/* The texts of trials that are not the best, through a parser. */
static void all_trials(void **state)
{
    const cJSON *trials, *t;
    struct rf f;
    cJSON *j;

    rf_init(&f, false, 31);
    rf_print(&f, &report_json);
    j = json_parse(f.out.s, f.out.n);
    assert_non_null(j);
    assert_string_equal(json_get_string(j, "direction"), "minimize");
    assert_true(json_get_number(j, "best_trial") == 2);
    trials = cJSON_GetObjectItem(j, "trials");
    assert_int_equal(cJSON_GetArraySize(trials), 5);
    t = cJSON_GetArrayItem(trials, 0);
    assert_true(json_get_number(t, "value") == -0.25);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(t, "std")));
    assert_true(json_get_number(cJSON_GetObjectItem(t, "params"), "optimizer.lr") ==
                0.012345678901234567);
    t = cJSON_GetArrayItem(trials, 1); /* inactive: absent */
    assert_null(cJSON_GetObjectItem(cJSON_GetObjectItem(t, "params"), "momentum"));
    assert_string_equal(json_get_string(cJSON_GetObjectItem(t, "params"), "mixed"), "a, \"b\"");
    t = cJSON_GetArrayItem(trials, 3);
    assert_string_equal(json_get_string(t, "state"), "FAIL");
    assert_string_equal(json_get_string(t, "reason"), "the loss became NaN,\nin \"fold\" 0");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(t, "value")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(t, "params"), "mixed")));
    t = cJSON_GetArrayItem(trials, 4);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(t, "params"), "mixed")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(t, "ended")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(t, "duration_s")));
    cJSON_Delete(j);
    assert_non_null(strstr(rf_print(&f, &report_json), "\"importance\":{\""));
    f.r.top = 1;
    assert_non_null(strstr(rf_print(&f, &report_json), "\"trials\":[{\"number\":2,"));
    assert_null(strstr(rf_print(&f, &report_json), "{\"number\":0,"));
    rf_release(&f);
}

static void importance(void **state)
{
    const cJSON *shares, *share;
    double sum = 0;
    struct rf f;
    cJSON *j;

    rf_init(&f, true, 31);
    rf_view(&f, REPORT_IMPORTANCE, NULL);
    rf_print(&f, &report_json);
    j = json_parse(f.out.s, f.out.n);
    assert_true(json_get_number(j, "best_trial") == 2);
    assert_null(cJSON_GetObjectItem(j, "trials"));
    shares = cJSON_GetObjectItem(j, "importance");
    assert_int_equal(cJSON_GetArraySize(shares), 5);
    cJSON_ArrayForEach(share, shares)
    {
        assert_true(!share->prev->next || share->valuedouble <= share->prev->valuedouble);
        sum += share->valuedouble;
    }
    assert_true(fabs(sum - 1) < 1e-12);
    cJSON_Delete(j);
    rf_release(&f);
}

/* What does not train has steps; metrics may have any names. */
static void steps_and_retries(void **state)
{
    static const char *const names[] = {"fold", "loss"};
    static const double values[] = {3, 0.5};
    static const struct hpo_epoch_report epochs[] = {{0, 7, 2, names, values}};
    struct hpo_trial t = rf_trials[0];
    struct rf f;

    rf_init(&f, true, 0);
    t.retry = 2;
    t.retry_of = 5;
    t.enqueued = true;
    f.trials[f.history.n++] = &t;
    rf_view(&f, REPORT_TRIAL, &t);
    f.r.steps = true;
    f.r.epochs = epochs;
    f.r.n_epochs = 1;
    rf_print(&f, &report_json);
    assert_non_null(strstr(str_c(&f.out), "\"curve\":[{\"step\":7,\"fold\":3,\"loss\":0.5}]"));
    assert_non_null(strstr(str_c(&f.out), "\"metrics\":{},"));
    assert_non_null(strstr(str_c(&f.out), "\"enqueued\":true,\"retry\":2,\"retry_of\":5,"));
    rf_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(importance),
        cmocka_unit_test(steps_and_retries),
        cmocka_unit_test(the_best),
        cmocka_unit_test(none_yet),
        cmocka_unit_test(all_trials),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
