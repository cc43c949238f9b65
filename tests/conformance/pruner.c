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

#define FOLDS 3
#define EPOCHS 4
#define STEPS (FOLDS * EPOCHS)

static struct arena arena;
static const struct hpo_space space;

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

#define EACH_PRUNER(ops)                                                                    \
    for (const struct pruner_ops *const *at_##ops = pruner_registry, *ops = *at_##ops; ops; \
         ops = *++at_##ops)

/* Where a step may lie: nobody knows, one fold, fold-first, epoch-first. */
static const int shapes[][2] = {{0, 0}, {1, STEPS}, {FOLDS, EPOCHS}, {1, EPOCHS}};

/* With the defaults. A pruner that wraps another one gets `wrapped`. */
static struct pruner open_pruner(const struct pruner_ops *ops, const char *wrapped,
                                 const int shape[2])
{
    void *priv = arena_alloc(&arena, ops->plugin.priv_size ? ops->plugin.priv_size : 1);

    hpo_opt_defaults(ops->plugin.opts, priv, &arena);
    for (const struct hpo_opt *o = ops->plugin.opts; o && o->name; o++)
        if (o->type == HPO_OPT_PART)
            assert_int_equal(hpo_opt_set(o, priv, wrapped, &arena, NULL), 0);
    return (struct pruner){
        .ops = ops, .priv = priv, .study = "s1", .folds = shape[0], .fold_steps = shape[1]};
}

static void test_described(void **state)
{
    assert_non_null(pruner_registry[0]);
    EACH_PRUNER(ops)
    {
        assert_true(strlen(ops->plugin.name) > 0 && strlen(ops->plugin.help) > 0);
        assert_non_null(ops->should_stop);
        if (ops->check) { /* the defaults do not contradict each other */
            struct pruner p = open_pruner(ops, "median", shapes[2]);

            assert_int_equal(ops->check(&p, NULL), 0);
        }
        for (const struct hpo_opt *o = ops->plugin.opts; o && o->name; o++)
            assert_true(strlen(o->help) > 0 && o->help[strlen(o->help) - 1] != '.');
    }
}

/* A trial with a random learning curve of fold-first steps; some points are NaN or infinite. Some
 * trials train fewer epochs a fold than others; complete ones mostly have their folds' results. */
static struct hpo_trial *curve(struct past *past, struct hpo_rng *r, enum hpo_trial_state state,
                               int folds, int epochs, bool odd)
{
    struct hpo_trial *t = past_add(past, &space, (double[1]){0}, state);
    struct hpo_point *p = ARENA_ARRAY(&arena, struct hpo_point, folds * epochs + 1);
    struct hpo_fold *results = ARENA_ARRAY(&arena, struct hpo_fold, folds + 1);

    for (int i = 0; i < folds * epochs; i++) {
        uint64_t kind = hpo_rng_below(r, odd ? 6 : 1000000);

        p[i] = (struct hpo_point){i / epochs * EPOCHS + i % epochs,
                                  kind == 1   ? NAN
                                  : kind == 2 ? HUGE_VAL
                                  : kind == 3 ? -HUGE_VAL
                                              : hpo_rng_normal(r) - 0.1 * i};
        results[i / epochs] =
            (struct hpo_fold){.fold = i / epochs, .value = p[i].value, .epoch = i % epochs};
    }
    t->points = p;
    t->n_points = folds * epochs;
    t->value = t->n_points && state != HPO_TRIAL_RUNNING ? p[t->n_points - 1].value : NAN;
    if (state == HPO_TRIAL_COMPLETE && hpo_rng_below(r, 4)) {
        t->folds = results;
        t->n_folds = folds;
    }
    return t;
}

static struct hpo_trial *full_curve(struct past *past, struct hpo_rng *r)
{
    return curve(past, r, HPO_TRIAL_RUNNING, FOLDS, EPOCHS, false);
}

/* One answer to one question, whoever was asked what before, and nothing changes. */
static void ask_twice(const struct pruner *warm, const struct pruner *fresh,
                      const struct hpo_history *h, struct hpo_trial *t)
{
    int n = t->n_points;

    for (t->n_points = 1; t->n_points <= n; t->n_points++) {
        const struct hpo_trial was = *t;
        bool stop = warm->ops->should_stop(warm, h, t);

        assert_int_equal(warm->ops->should_stop(warm, h, t), stop);
        assert_int_equal(fresh->ops->should_stop(fresh, h, t), stop);
        assert_memory_equal(&was, t, sizeof(was));
    }
}

static const char *any_pruner(struct hpo_rng *r)
{
    uint64_t n = 0;

    EACH_PRUNER(ops)
    n++;
    return pruner_registry[hpo_rng_below(r, n)]->plugin.name;
}

/* Survives empty, failed and odd histories of any shape. */
static void test_pure(void **state)
{
    EACH_PRUNER(ops)
    for (int round = 0; round < 400; round++) {
        struct hpo_rng r = hpo_rng_for(5, round, -1, "curves", 0);
        const int *shape = shapes[round % HPO_LEN(shapes)];
        const char *inner = any_pruner(&r);
        struct pruner warm = open_pruner(ops, inner, shape);
        struct pruner fresh = open_pruner(ops, inner, shape);
        int others = (int)hpo_rng_below(&r, 20);
        bool odd = round / 4 % 2;
        struct past past = {0};

        warm.maximize = fresh.maximize = round % 3 == 0;
        for (int i = 0; i < others; i++)
            curve(&past, &r, round % 16 < 4 ? HPO_TRIAL_FAIL : (enum hpo_trial_state)(i % 5),
                  (int)hpo_rng_below(&r, FOLDS + 1), 1 + (int)hpo_rng_below(&r, EPOCHS), odd);
        ask_twice(
            &warm, &fresh, &past.h,
            curve(&past, &r, HPO_TRIAL_RUNNING, FOLDS, 1 + (int)hpo_rng_below(&r, EPOCHS), odd));
        past_release(&past);
    }
}

/* Comes to an end and stays in bounds at the last steps that there can be. */
static void test_far_steps(void **state)
{
    static const int far[][2] = {{0, 0}, {1, 2147483647}, {2147483647, 1}, {64, 2147483647}};

    EACH_PRUNER(ops)
    EACH_PRUNER(inner)
    for (size_t i = 0; i < HPO_LEN(far); i++) {
        struct pruner p = open_pruner(ops, inner->plugin.name, far[i]);
        struct hpo_point points[] = {
            {0, 1}, {INT64_MAX / 2, 2}, {INT64_MAX - 1, 3}, {INT64_MAX, 4}};
        struct past past = {0};

        for (int k = 0; k < 10; k++) {
            struct hpo_trial *t = past_add(&past, &space, (double[1]){0},
                                           k < 9 ? HPO_TRIAL_COMPLETE : HPO_TRIAL_RUNNING);

            t->points = points;
            for (t->n_points = k < 9 ? 4 : 0; k == 9 && t->n_points <= 4; t->n_points++)
                ops->should_stop(&p, &past.h, t);
        }
        past_release(&past);
    }
}

/* The first trial has nobody to be worse than. */
static void test_alone(void **state)
{
    EACH_PRUNER(ops)
    for (size_t i = 0; i < HPO_LEN(shapes); i++) {
        struct hpo_rng r = hpo_rng_for(6, -1, -1, "alone", 0);
        struct pruner p = open_pruner(ops, "median", shapes[i]);
        struct past past = {0};
        struct hpo_trial *t = full_curve(&past, &r);

        for (t->n_points = 1; t->n_points <= STEPS; t->n_points++)
            assert_false(ops->should_stop(&p, &past.h, t));
        past_release(&past);
    }
}

/* A bracket depends on the number alone and is not negative. */
static void test_brackets(void **state)
{
    EACH_PRUNER(ops)
    EACH_PRUNER(inner)
    for (size_t shape = 0; ops->bracket && shape < HPO_LEN(shapes); shape++) {
        struct pruner p = open_pruner(ops, inner->plugin.name, shapes[shape]);

        for (int i = 0; i < 1000; i++) {
            assert_true(ops->bracket(&p, i) >= 0);
            assert_int_equal(ops->bracket(&p, i), ops->bracket(&p, i));
        }
    }
}

/* A trial is judged by its own bracket: the others in the history change nothing. */
static void test_own_bracket(void **state)
{
    EACH_PRUNER(ops)
    for (int round = 0; ops->bracket && round < 100; round++) {
        struct hpo_rng r = hpo_rng_for(7, round, -1, "brackets", 0);
        struct pruner p = open_pruner(ops, "hyperband", shapes[2]);
        struct past all = {0}, own = {0};
        struct hpo_trial *t;

        for (int i = 0; i < 30; i++)
            curve(&all, &r, HPO_TRIAL_COMPLETE, FOLDS, EPOCHS, false);
        t = full_curve(&all, &r);
        for (int i = 0; i < 30; i++)
            if (ops->bracket(&p, i) == ops->bracket(&p, t->number))
                *past_add(&own, &space, (double[1]){0}, HPO_TRIAL_COMPLETE) = *all.trials[i];
        for (t->n_points = 1; t->n_points <= STEPS; t->n_points++)
            assert_int_equal(ops->should_stop(&p, &own.h, t), ops->should_stop(&p, &all.h, t));
        past_release(&own);
        past_release(&all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_described), cmocka_unit_test(test_pure),
        cmocka_unit_test(test_far_steps), cmocka_unit_test(test_alone),
        cmocka_unit_test(test_brackets),  cmocka_unit_test(test_own_bracket),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
