#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "spaces.h"

static struct arena arena;

static void open_named(struct sampler *ret, const char *name, const struct hpo_space *space,
                       uint64_t seed, const char *option, const char *value)
{
    const struct sampler_ops *ops = hpo_registry_find((const void *const *)sampler_registry, name);
    void *priv = NULL;

    assert_non_null(ops);
    if (option) {
        priv = arena_alloc(&arena, ops->plugin.priv_size);
        hpo_opt_defaults(ops->plugin.opts, priv, &arena);
        assert_int_equal(
            hpo_opt_set(hpo_opt_find(ops->plugin.opts, option), priv, value, &arena, NULL), 0);
    }
    assert_int_equal(sampler_open(ret, ops, priv,
                                  &(struct sampler_study){.space = space, .seed = seed}, &arena,
                                  NULL),
                     0);
}

/* The best value of a study of n trials. */
static double best_of(const char *name, const char *option, const char *value,
                      const struct hpo_space *space, double (*f)(const double *), uint64_t seed,
                      int n)
{
    struct past past = {.h.space = space};
    struct sampler s;
    double best = INFINITY, v[8];

    open_named(&s, name, space, seed, option, value);
    for (int i = 0; i < n; i++) {
        struct hpo_trial *t;

        assert_int_equal(sampler_next(&s, &past.h, &past.h, v, NULL), 0);
        assert_true(hpo_space_contains(space, v));
        t = past_add(&past, space, v, HPO_TRIAL_COMPLETE);
        t->value = f(v);
        best = fmin(best, t->value);
    }
    sampler_close(&s);
    past_release(&past);
    return best;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_of(const char *name, const char *option, const char *value,
                        const struct hpo_space *space, double (*f)(const double *))
{
    double best[11];

    for (int seed = 0; seed < 11; seed++)
        best[seed] = best_of(name, option, value, space, f, (uint64_t)seed, 80);
    qsort(best, 11, sizeof(double), rising);
    return best[5];
}

static double bowl(const double *v)
{
    return pow(v[0] - 1, 2) + pow(v[1] + 2, 2);
}

/* The narrow valley needs both parameters to move together. */
static double rosenbrock(const double *v)
{
    return 100 * pow(v[1] - v[0] * v[0], 2) + pow(1 - v[0], 2);
}

static double training(const double *v)
{
    return pow(log10(v[0]) + 2.5, 2) + pow((v[1] - 24) / 16, 2) + (v[2] != 1) +
           10 * fabs(v[3] - .3);
}

static void test_beats_random(void **state)
{
    struct hpo_param plane[] = {real_param("x", -10, 10, 0, false),
                                real_param("y", -10, 10, 0, false)};
    struct hpo_param square[] = {real_param("x", -2, 2, 0, false),
                                 real_param("y", -2, 2, 0, false)};
    struct hpo_param mixed[] = {real_param("lr", 1e-5, 1, 0, true),
                                int_param("width", 8, 64, 1, true), choice_param("optimizer", 4),
                                real_param("dropout", 0, .5, .1, false)};
    const struct {
        struct hpo_space *space;
        double (*f)(const double *);
    } rows[] = {{make_space(&arena, plane, 2), bowl},
                {make_space(&arena, square, 2), rosenbrock},
                {make_space(&arena, mixed, 4), training}};

    for (int i = 0; i < 3; i++) {
        double random = median_of("random", NULL, NULL, rows[i].space, rows[i].f);
        double joint = median_of("tpe", NULL, NULL, rows[i].space, rows[i].f);
        double single = median_of("tpe", "multivariate", "false", rows[i].space, rows[i].f);

        print_message("random %g, tpe %g, one by one %g\n", random, joint, single);
        assert_true(joint < random * 0.7);
        assert_true(single < random * 0.7);
    }
}

/* The good branch is found, and the parameter that lives only there too. */
static double branches(const double *v)
{
    return v[0] == 1 ? pow(v[1] - 0.7, 2) : 1 + v[2];
}

static void test_conditional(void **state)
{
    struct hpo_param p[] = {choice_param("kind", 2), real_param("x", 0, 1, 0, false),
                            real_param("y", 0, 1, 0, false)};
    const double zero = 0, one = 1;
    struct hpo_space *space;

    add_when(&arena, &p[1], 0, &one, 1);
    add_when(&arena, &p[2], 0, &zero, 1);
    space = make_space(&arena, p, 3);
    assert_true(best_of("tpe", NULL, NULL, space, branches, 1, 80) < 1e-4);
}

/* As the random sampler while it has nothing to go by, and not after. */
static void test_startup(void **state)
{
    struct hpo_param p[] = {real_param("x", 0, 1, 0, false), choice_param("c", 3)};
    struct hpo_space *space = make_space(&arena, p, 2);
    struct past past = {.h.space = space};
    struct sampler tpe, random;
    double a[2], b[2];

    open_named(&tpe, "tpe", space, 7, "startup_trials", "5");
    open_named(&random, "random", space, 7, NULL, NULL);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(sampler_next(&tpe, &past.h, &past.h, a, NULL), 0);
        assert_int_equal(sampler_next(&random, &past.h, &past.h, b, NULL), 0);
        assert_int_equal(!memcmp(a, b, sizeof(a)), i < 8);
        /* Neither what failed nor what runs is something to go by. */
        past_add(&past, space, a,
                 i == 2       ? HPO_TRIAL_FAIL
                 : i == 3     ? HPO_TRIAL_RUNNING
                 : i == 4     ? HPO_TRIAL_WAITING
                 : i % 2 == 0 ? HPO_TRIAL_PRUNED
                              : HPO_TRIAL_COMPLETE);
    }
    sampler_close(&tpe);
    sampler_close(&random);
    past_release(&past);
}

/* How many of 60 proposals lie left of the middle, when the last five of 15 trials lie there in
 * this state and the others are spread evenly. */
static int proposals_left(enum hpo_trial_state state, const char *liar)
{
    struct hpo_param p = real_param("x", 0, 1, 0, false);
    struct hpo_space *space = make_space(&arena, &p, 1);
    int left = 0;

    for (int seed = 0; seed < 60; seed++) {
        struct past past = {.h.space = space};
        struct sampler s;
        double v;

        for (int i = 0; i < 10; i++) {
            v = (i + .5) / 10;
            past_add(&past, space, &v, HPO_TRIAL_COMPLETE)->value = fabs(v - .5);
        }
        for (int i = 0; i < 20; i++) {
            v = .3 + .01 * i;
            past_add(&past, space, &v, state);
        }
        open_named(&s, "tpe", space, (uint64_t)seed, "constant_liar", liar);
        assert_int_equal(sampler_next(&s, &past.h, &past.h, &v, NULL), 0);
        left += v > .25 && v < .5;
        sampler_close(&s);
        past_release(&past);
    }
    return left;
}

static void test_pending_and_failed(void **state)
{
    int free_of_lies = proposals_left(HPO_TRIAL_RUNNING, "false");

    assert_true(proposals_left(HPO_TRIAL_RUNNING, "true") < free_of_lies / 2);
    assert_true(proposals_left(HPO_TRIAL_FAIL, "true") < free_of_lies / 2);
    assert_true(proposals_left(HPO_TRIAL_FAIL, "false") < free_of_lies / 2);
}

/* Values that someone wrote by hand, outside the space, are passed over. */
static void test_foreign_values(void **state)
{
    struct hpo_param p[] = {real_param("x", 1e-3, 1, 0, true), choice_param("c", 3)};
    struct hpo_space *space = make_space(&arena, p, 2);
    const double foreign[][2] = {{-1, 0}, {0.1, 7}, {NAN, 1}, {INFINITY, 0}, {0.1, -3}};
    struct past past = {.h.space = space};
    struct sampler s;
    double v[2];

    for (int i = 0; i < 30; i++)
        past_add(&past, space, foreign[i % 5], HPO_TRIAL_COMPLETE);
    open_named(&s, "tpe", space, 1, NULL, NULL);
    assert_int_equal(sampler_next(&s, &past.h, &past.h, v, NULL), 0);
    assert_true(hpo_space_contains(space, v));
    sampler_close(&s);
    past_release(&past);
}

static void test_options(void **state)
{
    struct hpo_param p[] = {real_param("x", 0, 1, 0, false), int_param("n", 1, 1000, 1, true)};
    struct hpo_space *space = make_space(&arena, p, 2);
    struct hpo_err err = {0};
    const struct sampler_ops *ops = hpo_registry_find((const void *const *)sampler_registry, "tpe");
    const struct hpo_opt *candidates = hpo_opt_find(ops->plugin.opts, "ei_candidates");
    void *priv = arena_alloc(&arena, ops->plugin.priv_size);

    assert_int_equal(hpo_opt_set(candidates, priv, "0", &arena, &err), HPO_ECONFIG);
    assert_true(isfinite(best_of("tpe", "ei_candidates", "1", space, bowl, 1, 20)));
    assert_true(isfinite(best_of("tpe", "startup_trials", "0", space, bowl, 1, 20)));
}

static void test_group(void **state)
{
    struct hpo_param square[] = {real_param("x", -2, 2, 0, false),
                                 real_param("y", -2, 2, 0, false)};
    struct hpo_space *space = make_space(&arena, square, 2), *branch;
    struct hpo_param p[] = {choice_param("kind", 2), real_param("x", -2, 2, 0, false),
                            real_param("y", -2, 2, 0, false), real_param("z", 0, 1, 0, false)};
    const struct sampler_ops *ops = hpo_registry_find((const void *const *)sampler_registry, "tpe");
    const double zero = 0, one = 1;
    void *priv = arena_alloc(&arena, ops->plugin.priv_size);
    struct hpo_err err = {0};
    struct sampler s = {0};

    /* Without conditions every trial has all parameters: the same searches. */
    assert_true(best_of("tpe", "group", "true", space, rosenbrock, 1, 80) ==
                best_of("tpe", NULL, NULL, space, rosenbrock, 1, 80));
    add_when(&arena, &p[1], 0, &one, 1);
    add_when(&arena, &p[2], 0, &one, 1);
    add_when(&arena, &p[3], 0, &zero, 1);
    branch = make_space(&arena, p, 4);
    assert_true(best_of("tpe", "group", "true", branch, branches, 1, 80) < 1e-2);
    hpo_opt_defaults(ops->plugin.opts, priv, &arena);
    hpo_opt_set(hpo_opt_find(ops->plugin.opts, "group"), priv, "true", &arena, NULL);
    hpo_opt_set(hpo_opt_find(ops->plugin.opts, "multivariate"), priv, "false", &arena, NULL);
    assert_int_equal(
        sampler_open(&s, ops, priv, &(struct sampler_study){.space = space}, &arena, &err),
        HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "multivariate"));
}

/* Parameters of one condition are searched jointly, which takes fewer trials than one by one. */
static double two_bowls(const double *v)
{
    if (v[0] == 1)
        return pow(v[1] - .7, 2) + pow(v[2] - .2, 2) + pow(v[3] - .5, 2) + pow(v[4] - .9, 2);
    return .2 + pow(v[5] - .3, 2);
}

static void test_joint_branch(void **state)
{
    const double zero = 0, one = 1;
    struct hpo_param p[6] = {choice_param("kind", 2)};
    struct hpo_space *space;
    int better = 0;

    for (int i = 1; i < 6; i++) {
        p[i] = real_param("x", 0, 1, 0, false);
        add_when(&arena, &p[i], 0, i < 5 ? &one : &zero, 1);
    }
    space = make_space(&arena, p, 6);
    for (int seed = 0; seed < 60; seed++) {
        uint64_t name = (uint64_t)seed;
        double joint = best_of("tpe", NULL, NULL, space, two_bowls, name, 150);
        double single = best_of("tpe", "multivariate", "false", space, two_bowls, name, 150);

        better += joint < single;
    }
    print_message("joint better in %d of 60\n", better);
    assert_true(better > 33);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beats_random),   cmocka_unit_test(test_conditional),
        cmocka_unit_test(test_startup),        cmocka_unit_test(test_pending_and_failed),
        cmocka_unit_test(test_foreign_values), cmocka_unit_test(test_options),
        cmocka_unit_test(test_group),          cmocka_unit_test(test_joint_branch),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
