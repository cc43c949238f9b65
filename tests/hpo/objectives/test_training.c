/* The training objective: where a step lies. That it trains is what tests/e2e and tests/trainer
 * are for. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "config_fixture.h"
#include "hpo/objective.h"

extern const struct objective_ops objective_training;

static void check_steps(const char *folds, int want_folds, int want_steps)
{
    struct config_fixture f = {0};
    struct str text = {0};
    int n = 0, each = 0;
    struct pruner p;

    str_addf(&text, "data: {path: x, folds: %s}\ntrainer: {epochs: 4}\n"
                    "space: {epochs: {type: int, low: 2, high: 7}}\n",
             folds);
    assert_int_equal(config_open(&f, str_c(&text)), 0);
    objective_training.steps(&f.c, &n, &each);
    assert_int_equal(n, want_folds);
    assert_int_equal(each, want_steps);
    p = study_config_pruner(&f.c);
    assert_int_equal(p.folds, want_folds);
    assert_int_equal(p.fold_steps, want_steps);
    config_close(&f);
    str_release(&text);
}

/* The longest trial gives the length of a fold. */
static void test_steps(void **state)
{
    check_steps("{k: 5}", 5, 7);
    check_steps("{k: 5, run: 2}", 2, 7);
    check_steps("{k: 5, order: epoch_first}", 1, 7);
}

static void test_trains(void **state)
{
    assert_true(objective_training.trains);
    assert_ptr_equal(hpo_registry_find((const void *const *)objective_registry, "training"),
                     &objective_training);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_trains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
