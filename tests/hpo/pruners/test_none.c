#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "hpo/core/pruner.h"
#include "spaces.h"

static void test_never(void **state)
{
    struct hpo_space space = {0};
    struct hpo_point points[] = {{0, 1e300}, {1, NAN}, {2, HUGE_VAL}};
    struct past past = {0};
    const struct pruner_ops *ops = hpo_registry_find((const void *const *)pruner_registry, "none");
    struct pruner p = {ops, NULL};
    struct hpo_trial *t;

    assert_non_null(ops);
    assert_null(ops->bracket);
    for (int i = 0; i < 20; i++)
        past_add(&past, &space, NULL, HPO_TRIAL_COMPLETE)->value = -1;
    t = past_add(&past, &space, NULL, HPO_TRIAL_RUNNING);
    t->points = points;
    for (t->n_points = 1; t->n_points <= 3; t->n_points++)
        assert_false(ops->should_stop(&p, &past.h, t));
    past_release(&past);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
