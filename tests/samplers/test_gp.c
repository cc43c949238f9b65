#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
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
static double best_of(const char *name, const struct hpo_space *space, double (*f)(const double *),
                      uint64_t seed, int n)
{
    struct past past = {.h.space = space};
    struct sampler s;
    double best = INFINITY, v[8];

    open_named(&s, name, space, seed, NULL, NULL);
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

static double median_of(const char *name, const struct hpo_space *space,
                        double (*f)(const double *), int n)
{
    double best[9];

    for (int seed = 0; seed < 9; seed++)
        best[seed] = best_of(name, space, f, (uint64_t)seed, n);
    qsort(best, 9, sizeof(double), rising);
    return best[4];
}

/* Three minima of 0.397887. */
static double branin(const double *v)
{
    double x = v[0], y = v[1];

    return pow(y - 5.1 / (4 * M_PI * M_PI) * x * x + 5 / M_PI * x - 6, 2) +
           10 * (1 - 1 / (8 * M_PI)) * cos(x) + 10;
}

static double training(const double *v)
{
    return pow(log10(v[0]) + 2.5, 2) + pow((v[1] - 24) / 16, 2) + (v[2] != 1) +
           10 * fabs(v[3] - .3);
}

/* The good branch, and in it the parameters that live only there. */
static double branches(const double *v)
{
    return v[0] == 1 ? pow(v[1] - 0.7, 2) + 0.2 * (v[3] != 2) : 1 + v[2];
}

static void test_quality(void **state)
{
    struct hpo_param plane[] = {real_param("x", -5, 10, 0, false),
                                real_param("y", 0, 15, 0, false)};
    struct hpo_param mixed[] = {real_param("lr", 1e-5, 1, 0, true),
                                int_param("width", 8, 64, 1, true), choice_param("optimizer", 4),
                                real_param("dropout", 0, .5, .1, false)};
    struct hpo_param branch[] = {choice_param("kind", 2), real_param("x", 0, 1, 0, false),
                                 real_param("y", 0, 1, 0, false), choice_param("c", 3)};
    const double zero = 0, one = 1;
    double gp, random;

    add_when(&arena, &branch[1], 0, &one, 1);
    add_when(&arena, &branch[2], 0, &zero, 1);
    add_when(&arena, &branch[3], 0, &one, 1);
    gp = median_of("gp", make_space(&arena, plane, 2), branin, 30);
    random = median_of("random", make_space(&arena, plane, 2), branin, 30);
    print_message("branin: random %g, gp %g\n", random, gp);
    assert_true(gp < 0.45 && gp < random);
    gp = median_of("gp", make_space(&arena, mixed, 4), training, 40);
    random = median_of("random", make_space(&arena, mixed, 4), training, 40);
    print_message("mixed: random %g, gp %g\n", random, gp);
    assert_true(gp < 0.01 && gp < random / 10);
    assert_true(median_of("gp", make_space(&arena, branch, 4), branches, 40) < 1e-4);
}

static double ackley(const double *v)
{
    double squares = 0, waves = 0;

    for (int i = 0; i < 5; i++) {
        squares += v[i] * v[i] / 5;
        waves += cos(2 * M_PI * v[i]) / 5;
    }
    return -20 * exp(-0.2 * sqrt(squares)) - exp(waves) + 20 + M_E;
}

/* Full of hollows: a model that trusts itself stays in one (and reaches 4, as Optuna's does). */
static void test_no_rut(void **state)
{
    struct hpo_param p[5];
    double gp;

    for (int i = 0; i < 5; i++)
        p[i] = real_param("x", -15, 30, 0, false);
    gp = median_of("gp", make_space(&arena, p, 5), ackley, 100);
    print_message("ackley: %g\n", gp);
    assert_true(gp < 3.4);
}

/* A Latin hypercube of the first trials, whatever becomes of them; then the model. */
static void test_startup(void **state)
{
    struct hpo_param p[] = {real_param("x", 0, 1, 0, false), choice_param("c", 5)};
    struct hpo_space *space = make_space(&arena, p, 2);
    struct past past = {.h.space = space};
    bool strata[8] = {0};
    int choices[5] = {0};
    struct sampler s;
    double v[2];

    open_named(&s, "gp", space, 7, "startup_trials", "8");
    for (int i = 0; i < 8; i++) {
        assert_int_equal(sampler_next(&s, &past.h, &past.h, v, NULL), 0);
        assert_false(strata[(int)(v[0] * 8)]);
        strata[(int)(v[0] * 8)] = true;
        choices[(int)v[1]]++;
        past_add(&past, space, v, i % 2 ? HPO_TRIAL_FAIL : HPO_TRIAL_COMPLETE);
    }
    for (int c = 0; c < 5; c++)
        assert_true(choices[c] == 1 || choices[c] == 2);
    sampler_close(&s);
    past_release(&past);
    /* No first trials at all: the first one is drawn all the same. */
    open_named(&s, "gp", space, 7, "startup_trials", "0");
    past.h.space = space;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(sampler_next(&s, &past.h, &past.h, v, NULL), 0);
        past_add(&past, space, v, HPO_TRIAL_COMPLETE);
    }
    sampler_close(&s);
    past_release(&past);
}

/* Six trials of a bowl around 0.5, then n in this state at x: how close to x is the next? */
static double distance_to(enum hpo_trial_state state, double value, double x, int n)
{
    struct hpo_param p = real_param("x", 0, 1, 0, false);
    struct hpo_space *space = make_space(&arena, &p, 1);
    struct past past = {.h.space = space};
    struct sampler s;
    double v;

    for (int i = 0; i < 6; i++) {
        v = (i + .5) / 6;
        past_add(&past, space, &v, HPO_TRIAL_COMPLETE)->value = pow(v - .5, 2) + 0.1 * sin(40 * v);
    }
    for (int i = 0; i < n; i++) {
        v = x + 1e-4 * i;
        past_add(&past, space, &v, state)->value = value;
    }
    open_named(&s, "gp", space, 1, "startup_trials", "6");
    assert_int_equal(sampler_next(&s, &past.h, &past.h, &v, NULL), 0);
    sampler_close(&s);
    past_release(&past);
    return n ? fabs(v - x) : v;
}

/* Where the next trial would be, one that runs, failed or was pruned keeps it away. */
static void test_bad_and_pending(void **state)
{
    double next = distance_to(HPO_TRIAL_COMPLETE, 0, 0, 0);

    assert_true(distance_to(HPO_TRIAL_RUNNING, NAN, next, 1) > 0.01);
    assert_true(distance_to(HPO_TRIAL_RUNNING, NAN, next, 3) > 0.01);
    assert_true(distance_to(HPO_TRIAL_WAITING, NAN, next, 1) > 0.01);
    assert_true(distance_to(HPO_TRIAL_FAIL, NAN, next, 1) > 0.02);
    /* A report that looks splendid is of a training that was cut off. */
    assert_true(distance_to(HPO_TRIAL_PRUNED, -5, next, 1) > 0.01);
    assert_true(distance_to(HPO_TRIAL_COMPLETE, -5, next, 1) < 0.2);
}

/* Several at a time are several different things. */
static void test_parallel(void **state)
{
    struct hpo_param p[] = {real_param("x", -5, 10, 0, false), real_param("y", 0, 15, 0, false)};
    struct hpo_space *space = make_space(&arena, p, 2);
    struct past past = {.h.space = space};
    struct sampler s;
    double v[2];

    open_named(&s, "gp", space, 3, NULL, NULL);
    for (int i = 0; i < 28; i++) {
        struct hpo_trial *t;

        assert_int_equal(sampler_next(&s, &past.h, &past.h, v, NULL), 0);
        for (int j = 20; j < i; j++)
            assert_true(hypot(v[0] - past.trials[j]->values[0], v[1] - past.trials[j]->values[1]) >
                        0.05);
        t = past_add(&past, space, v, i < 20 ? HPO_TRIAL_COMPLETE : HPO_TRIAL_RUNNING);
        t->value = i < 20 ? branin(v) : NAN;
    }
    sampler_close(&s);
    past_release(&past);
}

/* Values that no model is made for, and spaces of hardly anything. */
static void test_hard_values(void **state)
{
    struct hpo_param p[] = {real_param("x", 1e-3, 1, 0, true), int_param("n", 0, 1e15, 1, false),
                            int_param("one", 3, 3, 1, false)};
    struct hpo_space *space = make_space(&arena, p, 3);
    static const double sets[][3] = {{INFINITY, INFINITY, INFINITY},
                                     {1, 1, 1},
                                     {-INFINITY, 0, INFINITY},
                                     {1e308, -1e308, 0},
                                     {NAN, NAN, 1},
                                     {5e-324, 0, 1e-320}};

    for (size_t k = 0; k < HPO_LEN(sets); k++)
        for (int same = 0; same < 2; same++) {
            struct past past = {.h.space = space};
            struct sampler s;
            double v[3] = {0.1, 7, 3};

            for (int i = 0; i < 30; i++) {
                v[0] = same ? 0.1 : pow(10, -0.1 * i);
                past_add(&past, space, v, HPO_TRIAL_COMPLETE)->value = sets[k][i % 3];
            }
            open_named(&s, "gp", space, k, NULL, NULL);
            for (int i = 0; i < 5; i++) {
                assert_int_equal(sampler_next(&s, &past.h, &past.h, v, NULL), 0);
                assert_true(hpo_space_contains(space, v));
                past_add(&past, space, v, HPO_TRIAL_COMPLETE)->value = sets[k][i % 3];
            }
            sampler_close(&s);
            past_release(&past);
        }
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
    open_named(&s, "gp", space, 1, NULL, NULL);
    assert_int_equal(sampler_next(&s, &past.h, &past.h, v, NULL), 0);
    assert_true(hpo_space_contains(space, v));
    sampler_close(&s);
    past_release(&past);
}

/* More trials than the model takes: the cost stays bounded, the answer stays good. */
static void test_cap(void **state)
{
    struct hpo_param p[] = {real_param("x", -5, 10, 0, false), real_param("y", 0, 15, 0, false)};
    struct hpo_space *space = make_space(&arena, p, 2);
    struct past past = {.h.space = space};
    struct hpo_rng rng = hpo_rng_for(2, -1, -1, "test", 0);
    struct sampler s;
    double v[2], best = INFINITY;

    for (int i = 0; i < 600; i++) {
        for (int j = 0; j < 2; j++)
            v[j] = hpo_param_decode(&p[j], hpo_rng_uniform(&rng));
        past_add(&past, space, v, HPO_TRIAL_COMPLETE)->value = branin(v);
    }
    open_named(&s, "gp", space, 1, "max_observations", "60");
    for (int i = 0; i < 10; i++) {
        assert_int_equal(sampler_next(&s, &past.h, &past.h, v, NULL), 0);
        past_add(&past, space, v, HPO_TRIAL_COMPLETE)->value = branin(v);
        best = fmin(best, branin(v));
    }
    assert_true(best < 0.405);
    sampler_close(&s);
    past_release(&past);
    /* And with more than the parameters are fitted to. */
    past.h.space = space;
    for (int i = 0; i < 250; i++) {
        for (int j = 0; j < 2; j++)
            v[j] = hpo_param_decode(&p[j], hpo_rng_uniform(&rng));
        past_add(&past, space, v, HPO_TRIAL_COMPLETE)->value = branin(v);
    }
    open_named(&s, "gp", space, 1, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sampler_next(&s, &past.h, &past.h, v, NULL), 0);
        past_add(&past, space, v, HPO_TRIAL_COMPLETE)->value = branin(v);
    }
    assert_true(branin(v) < 0.45);
    sampler_close(&s);
    past_release(&past);
}

/* Where repetition is allowed and the value varies, the best is tried again. */
static void test_duplicates(void **state)
{
    struct hpo_param p[] = {choice_param("c", 6)};
    struct hpo_space *space = make_space(&arena, p, 1);
    struct past past = {.h.space = space};
    struct hpo_rng rng = hpo_rng_for(2, -1, -1, "test", 0);
    struct sampler s;
    int best = 0;

    assert_int_equal(
        sampler_open(&s, hpo_registry_find((const void *const *)sampler_registry, "gp"), NULL,
                     &(struct sampler_study){.space = space, .seed = 1, .duplicates = true}, &arena,
                     NULL),
        0);
    for (int i = 0; i < 40; i++) {
        double v;

        assert_int_equal(sampler_next(&s, &past.h, &past.h, &v, NULL), 0);
        past_add(&past, space, &v, HPO_TRIAL_COMPLETE)->value =
            fabs(v - 2) + 0.3 * hpo_rng_normal(&rng);
        best += v == 2;
    }
    assert_true(best > 10);
    sampler_close(&s);
    past_release(&past);
}

static void test_options(void **state)
{
    const struct sampler_ops *ops = hpo_registry_find((const void *const *)sampler_registry, "gp");
    void *priv = arena_alloc(&arena, ops->plugin.priv_size);
    struct hpo_param p[] = {real_param("x", 0, 1, 0, false)};
    struct hpo_space *space = make_space(&arena, p, 1);
    struct past past = {.h.space = space};
    struct hpo_err err = {0};
    struct sampler noisy, exact;
    double a, b;

    assert_int_equal(
        hpo_opt_set(hpo_opt_find(ops->plugin.opts, "max_observations"), priv, "5", &arena, &err),
        HPO_ECONFIG);
    for (int i = 0; i < 20; i++) {
        struct hpo_rng rng = hpo_rng_for(2, i, -1, "test", 0);

        a = i / 20.0;
        past_add(&past, space, &a, HPO_TRIAL_COMPLETE)->value =
            4 * pow(a - .5, 2) + 0.1 * hpo_rng_normal(&rng);
    }
    open_named(&noisy, "gp", space, 1, NULL, NULL);
    open_named(&exact, "gp", space, 1, "deterministic_objective", "true");
    assert_int_equal(sampler_next(&noisy, &past.h, &past.h, &a, NULL), 0);
    assert_int_equal(sampler_next(&exact, &past.h, &past.h, &b, NULL), 0);
    assert_true(a != b);
    sampler_close(&noisy);
    sampler_close(&exact);
    past_release(&past);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quality),        cmocka_unit_test(test_no_rut),
        cmocka_unit_test(test_startup),        cmocka_unit_test(test_bad_and_pending),
        cmocka_unit_test(test_parallel),       cmocka_unit_test(test_hard_values),
        cmocka_unit_test(test_foreign_values), cmocka_unit_test(test_cap),
        cmocka_unit_test(test_duplicates),     cmocka_unit_test(test_options),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
