/* What every pruner in the registry must do. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "hpo/core/pruner.h"
#include "spaces.h"

#define STEPS 12

static struct arena arena;
static const struct hpo_space space;

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

#define EACH_PRUNER(ops) \
    for (const struct pruner_ops *const *at_ = pruner_registry, *ops = *at_; ops; ops = *++at_)

static struct pruner open_pruner(const struct pruner_ops *ops)
{
    void *priv = arena_alloc(&arena, ops->plugin.priv_size);

    hpo_opt_defaults(ops->plugin.opts, priv, &arena);
    return (struct pruner){ops, priv};
}

static void test_described(void **state)
{
    assert_non_null(pruner_registry[0]);
    EACH_PRUNER(ops)
    {
        assert_true(strlen(ops->plugin.name) > 0 && strlen(ops->plugin.help) > 0);
        assert_non_null(ops->should_stop);
        if (ops->check) { /* the defaults do not contradict each other */
            struct pruner p = open_pruner(ops);

            assert_int_equal(ops->check(&p, NULL), 0);
        }
        for (const struct hpo_opt *o = ops->plugin.opts; o && o->name; o++)
            assert_true(strlen(o->help) > 0 && o->help[strlen(o->help) - 1] != '.');
    }
}

/* A trial with a random learning curve; some points are NaN or infinite. */
static struct hpo_trial *curve(struct past *past, struct hpo_rng *r, enum hpo_trial_state state,
                               int n, bool odd)
{
    struct hpo_trial *t = past_add(past, &space, (double[1]){0}, state);
    struct hpo_point *p = ARENA_ARRAY(&arena, struct hpo_point, n + 1);

    for (int i = 0; i < n; i++) {
        uint64_t kind = hpo_rng_below(r, odd ? 6 : 1000000);

        p[i] = (struct hpo_point){i, kind == 1   ? NAN
                                     : kind == 2 ? HUGE_VAL
                                     : kind == 3 ? -HUGE_VAL
                                                 : hpo_rng_normal(r) - 0.1 * i};
    }
    t->points = p;
    t->n_points = n;
    t->value = n && state != HPO_TRIAL_RUNNING ? p[n - 1].value : NAN;
    return t;
}

/* Survives empty, failed and odd histories, gives one answer to one question, changes nothing. */
static void test_pure(void **state)
{
    EACH_PRUNER(ops)
    for (int round = 0; round < 200; round++) {
        struct hpo_rng r = hpo_rng_for(5, round, -1, "curves", 0);
        struct pruner warm = open_pruner(ops), fresh = open_pruner(ops);
        int others = (int)hpo_rng_below(&r, 20);
        struct past past = {0};
        struct hpo_trial *t;
        struct hpo_trial was;

        for (int i = 0; i < others; i++)
            curve(&past, &r, round % 4 == 0 ? HPO_TRIAL_FAIL : (enum hpo_trial_state)(i % 5),
                  (int)hpo_rng_below(&r, STEPS + 1), round % 2);
        t = curve(&past, &r, HPO_TRIAL_RUNNING, STEPS, round % 2);
        for (t->n_points = 1; t->n_points <= STEPS; t->n_points++) {
            bool stop;

            was = *t;
            stop = ops->should_stop(&warm, &past.h, t);
            assert_int_equal(ops->should_stop(&warm, &past.h, t), stop);
            assert_int_equal(ops->should_stop(&fresh, &past.h, t), stop);
            assert_memory_equal(&was, t, sizeof(was));
        }
        past_release(&past);
    }
}

/* The first trial has nobody to be worse than. */
static void test_alone(void **state)
{
    EACH_PRUNER(ops)
    {
        struct hpo_rng r = hpo_rng_for(6, -1, -1, "alone", 0);
        struct pruner p = open_pruner(ops);
        struct past past = {0};
        struct hpo_trial *t = curve(&past, &r, HPO_TRIAL_RUNNING, STEPS, false);

        for (t->n_points = 1; t->n_points <= STEPS; t->n_points++)
            assert_false(ops->should_stop(&p, &past.h, t));
        past_release(&past);
    }
}

/* A bracket depends on the number alone and is not negative. */
static void test_brackets(void **state)
{
    EACH_PRUNER(ops)
    {
        struct pruner p = open_pruner(ops);

        for (int i = 0; ops->bracket && i < 1000; i++) {
            assert_true(ops->bracket(&p, i) >= 0);
            assert_int_equal(ops->bracket(&p, i), ops->bracket(&p, i));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_described),
        cmocka_unit_test(test_pure),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_brackets),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
