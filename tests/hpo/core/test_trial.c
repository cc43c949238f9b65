#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "hpo/core/trial.h"

static void states(void **state)
{
    static const char *const names[] = {"RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING"};
    enum hpo_trial_state s = HPO_TRIAL_FAIL;

    for (int i = 0; i < 5; i++) {
        assert_string_equal(hpo_trial_state_name((enum hpo_trial_state)i), names[i]);
        assert_true(hpo_trial_state_parse(names[i], &s));
        assert_int_equal(s, i);
    }
    s = HPO_TRIAL_FAIL;
    assert_false(hpo_trial_state_parse("complete", &s));
    assert_false(hpo_trial_state_parse("", &s));
    assert_int_equal(s, HPO_TRIAL_FAIL);
    assert_non_null(hpo_trial_state_name((enum hpo_trial_state)77));
}

static void best_and_counts(void **state)
{
    static const struct hpo_trial t[] = {
        {.number = 0, .state = HPO_TRIAL_FAIL, .value = -9},
        {.number = 1, .state = HPO_TRIAL_COMPLETE, .value = NAN},
        {.number = 2, .state = HPO_TRIAL_COMPLETE, .value = HUGE_VAL},
        {.number = 3, .state = HPO_TRIAL_PRUNED, .value = -8},
        {.number = 4, .state = HPO_TRIAL_COMPLETE, .value = 0.5},
        {.number = 5, .state = HPO_TRIAL_COMPLETE, .value = 0.5},
        {.number = 6, .state = HPO_TRIAL_RUNNING, .value = NAN},
    };
    const struct hpo_trial *all[7];
    struct hpo_history h = {.trials = all};

    for (int i = 0; i < 7; i++)
        all[i] = &t[i];
    assert_null(hpo_history_best(&h));
    h.n = 2; /* a failure and a NaN */
    assert_null(hpo_history_best(&h));
    h.n = 4; /* infinity is the best there is; a pruned one never is */
    assert_ptr_equal(hpo_history_best(&h), &t[2]);
    h.n = 7; /* the earlier one of two equals */
    assert_ptr_equal(hpo_history_best(&h), &t[4]);
    assert_int_equal(hpo_history_count(&h, HPO_TRIAL_COMPLETE), 4);
    assert_int_equal(hpo_history_count(&h, HPO_TRIAL_WAITING), 0);
}

static void spread(void **state)
{
    /* numpy.std([0.91, 0.93, 0.95]) */
    static const struct hpo_fold folds[] = {{.value = 0.91}, {.value = 0.93}, {.value = 0.95}};
    struct hpo_trial t = {.folds = folds, .n_folds = 3};

    assert_true(fabs(hpo_trial_std(&t) - 0.01632993161855448) < 1e-15);
    t.n_folds = 1;
    assert_true(isnan(hpo_trial_std(&t)));
    t.n_folds = 0;
    assert_true(isnan(hpo_trial_std(&t)));
}

static void direction(void **state)
{
    assert_true(hpo_value_flip(0.5, false) == 0.5);
    assert_true(hpo_value_flip(0.5, true) == -0.5);
    assert_true(hpo_value_flip(HUGE_VAL, true) == -HUGE_VAL);
    assert_false(signbit(hpo_value_flip(0.0, true)));
    assert_true(isnan(hpo_value_flip(NAN, true)));
    assert_true(hpo_value_flip(hpo_value_flip(0.1, true), true) == 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states),
        cmocka_unit_test(best_and_counts),
        cmocka_unit_test(spread),
        cmocka_unit_test(direction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
