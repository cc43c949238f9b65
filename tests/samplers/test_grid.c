#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "spaces.h"

static struct arena arena;
static struct past past;
static struct sampler grid;

static int reset(void **state)
{
    sampler_close(&grid);
    past_release(&past);
    arena_release(&arena);
    return 0;
}

/* Options as "key=value key=value". */
static int open_grid(const struct hpo_space *s, const char *options, uint64_t seed,
                     struct hpo_err *err)
{
    const struct sampler_ops *ops =
        hpo_registry_find((const void *const *)sampler_registry, "grid");
    void *priv = arena_alloc(&arena, ops->plugin.priv_size);
    char *copy = arena_strdup(&arena, options), *save = NULL;

    hpo_opt_defaults(ops->plugin.opts, priv, &arena);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        char *value = strchr(w, '=');

        *value++ = 0;
        assert_int_equal(hpo_opt_set(hpo_opt_find(ops->plugin.opts, w), priv, value, &arena, NULL),
                         0);
    }
    sampler_close(&grid);
    past_release(&past);
    past.h.space = s;
    return sampler_open(&grid, ops, priv, &(struct sampler_study){.space = s, .seed = seed}, &arena,
                        err);
}

static struct hpo_trial *next(enum hpo_trial_state state)
{
    double v[8];

    assert_int_equal(sampler_next(&grid, &past.h, &past.h, v, NULL), 0);
    assert_true(hpo_space_contains(grid.space, v));
    return past_add(&past, grid.space, v, state);
}

static void done(const char *message)
{
    struct hpo_err err;
    double v[8];

    assert_int_equal(sampler_next(&grid, &past.h, &past.h, v, &err), HPO_EDONE);
    assert_string_equal(err.msg, message);
}

static struct hpo_space *small(void)
{
    struct hpo_param p[] = {choice_param("a", 2), int_param("n", 1, 3, 1, false)};

    return make_space(&arena, p, 2);
}

static void test_file_order(void **state)
{
    open_grid(small(), "shuffle=false", 1, NULL);
    for (int i = 0; i < 6; i++) {
        const struct hpo_trial *t = next(HPO_TRIAL_COMPLETE);

        assert_true(t->values[0] == i / 3 && t->values[1] == 1 + i % 3);
    }
    done("all 6 cells of the grid are done");
}

/* The shuffled order is mixed, and the same whatever the seed of the study. */
static void test_shuffle(void **state)
{
    struct hpo_param p = int_param("n", 0, 99, 1, false);
    struct hpo_space *s = make_space(&arena, &p, 1);
    double first[100];
    int in_place = 0;

    for (uint64_t seed = 0; seed < 3; seed++) {
        open_grid(s, "", seed, NULL);
        for (int i = 0; i < 100; i++) {
            double v = next(HPO_TRIAL_COMPLETE)->values[0];

            if (seed == 0)
                first[i] = v;
            assert_true(v == first[i]);
            in_place += seed == 0 && v == i;
        }
        done("all 100 cells of the grid are done");
    }
    assert_true(in_place < 8);
}

static void test_conditional(void **state)
{
    open_grid(conditional_space(&arena), "", 1, NULL);
    for (int i = 0; i < CONDITIONAL_CELLS; i++) {
        const struct hpo_trial *t = next(i % 3 ? HPO_TRIAL_COMPLETE : HPO_TRIAL_PRUNED);

        for (int k = 0; k < i; k++)
            assert_false(hpo_values_equal(grid.space, t->values, past.trials[k]->values));
    }
    done("all 22 cells of the grid are done");
}

/* A failed cell waits behind the untouched ones and is tried again `retries` times. */
static void test_retries(void **state)
{
    struct hpo_trial *bad[2], *t;

    open_grid(small(), "retries=2", 1, NULL);
    bad[0] = next(HPO_TRIAL_FAIL);
    bad[1] = next(HPO_TRIAL_FAIL);
    for (int i = 0; i < 4; i++) {
        t = next(HPO_TRIAL_COMPLETE);
        assert_false(hpo_values_equal(grid.space, t->values, bad[0]->values));
        assert_false(hpo_values_equal(grid.space, t->values, bad[1]->values));
    }
    for (int again = 1; again <= 2; again++)
        for (int i = 0; i < 2; i++) {
            t = next(i ? HPO_TRIAL_RUNNING : HPO_TRIAL_FAIL);
            assert_true(hpo_values_equal(grid.space, t->values, bad[i]->values));
            if (i) /* it ran while the other was asked for */
                t->state = again == 2 ? HPO_TRIAL_COMPLETE : HPO_TRIAL_FAIL;
        }
    done("all 6 cells of the grid are done, 1 of them failed 3 times");

    open_grid(small(), "retries=0", 1, NULL);
    for (int i = 0; i < 6; i++)
        next(HPO_TRIAL_FAIL);
    done("all 6 cells of the grid are done, 6 of them failed 1 times");
}

/* A cell that runs, or waits to, is taken; when it fails after all, it comes back. */
static void test_running(void **state)
{
    struct hpo_trial *t[6];

    open_grid(small(), "", 1, NULL);
    for (int i = 0; i < 6; i++)
        t[i] = next(i == 4 ? HPO_TRIAL_WAITING : HPO_TRIAL_RUNNING);
    done("all 6 cells of the grid are done or running");
    for (int i = 0; i < 6; i++)
        t[i]->state = i == 3 ? HPO_TRIAL_FAIL : HPO_TRIAL_PRUNED;
    assert_true(hpo_values_equal(grid.space, next(HPO_TRIAL_COMPLETE)->values, t[3]->values));
    done("all 6 cells of the grid are done");
}

static void test_points(void **state)
{
    struct hpo_param p[] = {real_param("lr", 1e-3, 1, 0, true), real_param("s", 0, 0.2, 0, false),
                            choice_param("a", 2)};
    static const double want[][2] = {{1e-3, 0}, {1e-2, 0.05}, {0.1, 0.1}, {1, 0.15}, {0, 0.2}};
    struct hpo_space *s = make_space(&arena, p, 3);
    struct hpo_err err;
    int seen[2][5] = {{0}};

    assert_int_equal(open_grid(s, "", 1, &err), HPO_ECONFIG);
    assert_string_equal(err.msg, "a grid needs a finite space and 'lr' is continuous: give it a "
                                 "step, or set sampler.points to try that many points of it");
    assert_int_equal(open_grid(make_space(&arena, p, 1), "points=4 shuffle=false", 1, &err), 0);
    for (int i = 0; i < 4; i++)
        assert_true(next(HPO_TRIAL_COMPLETE)->values[0] == want[i][0]);
    done("all 4 cells of the grid are done");
    assert_int_equal(open_grid(s, "points=5", 1, &err), 0);
    for (int i = 0; i < 50; i++) {
        const double *v = next(HPO_TRIAL_COMPLETE)->values;
        int j = 0, k = 0;

        while (j < 5 && fabs(log(v[0]) - log(1e-3) * (4 - j) / 4) > 1e-9)
            j++;
        while (k < 5 && v[1] != want[k][1])
            k++;
        assert_true(j < 5 && k < 5);
        seen[(int)v[2]][j] |= 1 << k;
    }
    for (int i = 0; i < 10; i++)
        assert_int_equal(seen[i / 5][i % 5], 31);
    done("all 50 cells of the grid are done");
    /* One point is the middle. */
    assert_int_equal(open_grid(s, "points=1 shuffle=false", 1, &err), 0);
    next(HPO_TRIAL_COMPLETE);
    assert_true(fabs(past.trials[0]->values[0] - sqrt(1e-3)) < 1e-12);
    assert_true(past.trials[0]->values[1] == 0.1);
}

static void test_too_large(void **state)
{
    struct hpo_param p[] = {int_param("a", 1, 1001, 1, false), int_param("b", 1, 1000, 1, false),
                            real_param("x", 0, 1, 0, false), real_param("y", 0, 1, 0, false),
                            real_param("z", 0, 1, 1e-15, false)};
    struct hpo_err err;

    assert_int_equal(open_grid(make_space(&arena, p, 2), "", 1, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "the grid has 1001000 cells, at most 1000000 are allowed"));
    assert_int_equal(open_grid(make_space(&arena, p, 5), "points=1000", 1, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "far more than 1000000 cells"));
    assert_int_equal(open_grid(make_space(&arena, p + 1, 1), "", 1, &err), 0);
}

/* Trials that others put into the study: one inside the grid is done, one outside is not counted.
 */
static void test_foreign(void **state)
{
    struct hpo_space *s = small();
    double inside[] = {1, 2}, outside[] = {1, 2.5}, missing[] = {NAN, 1};

    open_grid(s, "", 1, NULL);
    past_add(&past, s, outside, HPO_TRIAL_COMPLETE);
    past_add(&past, s, inside, HPO_TRIAL_COMPLETE);
    past_add(&past, s, missing, HPO_TRIAL_COMPLETE);
    for (int i = 0; i < 5; i++)
        assert_false(hpo_values_equal(s, next(HPO_TRIAL_COMPLETE)->values, inside));
    done("all 6 cells of the grid are done");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_file_order, reset),
        cmocka_unit_test_teardown(test_shuffle, reset),
        cmocka_unit_test_teardown(test_conditional, reset),
        cmocka_unit_test_teardown(test_retries, reset),
        cmocka_unit_test_teardown(test_running, reset),
        cmocka_unit_test_teardown(test_points, reset),
        cmocka_unit_test_teardown(test_too_large, reset),
        cmocka_unit_test_teardown(test_foreign, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
