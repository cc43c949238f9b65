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

/* options: "name=value name=value" */
static void open_named(struct sampler *ret, const char *name, const struct hpo_space *space,
                       uint64_t seed, const char *options)
{
    const struct sampler_ops *ops = hpo_registry_find((const void *const *)sampler_registry, name);
    void *priv = arena_alloc(&arena, ops->plugin.priv_size);
    char *text = arena_strdup(&arena, options), *at = NULL;

    hpo_opt_defaults(ops->plugin.opts, priv, &arena);
    for (char *word = strtok_r(text, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
        char *value = strchr(word, '=');

        *value++ = '\0';
        assert_int_equal(
            hpo_opt_set(hpo_opt_find(ops->plugin.opts, word), priv, value, &arena, NULL), 0);
    }
    assert_int_equal(sampler_open(ret, ops, priv,
                                  &(struct sampler_study){.space = space, .seed = seed}, &arena,
                                  NULL),
                     0);
}

static struct hpo_space *box(int d, double low, double high)
{
    struct hpo_param p[10];

    for (int i = 0; i < d; i++)
        p[i] = real_param("x", low, high, 0, false);
    return make_space(&arena, p, d);
}

struct outcome {
    double best;
    int trials; /* until best was below the target */
};

/* At most n trials. */
static struct outcome study(const char *name, const char *options, const struct hpo_space *space,
                            double (*f)(const double *), uint64_t seed, int n, double target)
{
    struct past past = {.h.space = space};
    struct outcome out = {INFINITY, 0};
    struct sampler s;
    double v[10];

    open_named(&s, name, space, seed, options);
    for (; out.trials < n && out.best > target; out.trials++) {
        struct hpo_trial *t;

        assert_int_equal(sampler_next(&s, &past.h, &past.h, v, NULL), 0);
        t = past_add(&past, space, v, HPO_TRIAL_COMPLETE);
        t->value = f(v);
        out.best = fmin(out.best, t->value);
    }
    sampler_close(&s);
    past_release(&past);
    return out;
}

static double sphere(const double *x)
{
    double sum = 0;

    for (int i = 0; i < 5; i++)
        sum += (x[i] - .7) * (x[i] - .7);
    return sum;
}

static double ellipsoid(const double *x)
{
    double sum = 0;

    for (int i = 0; i < 5; i++)
        sum += pow(10, i) * (x[i] - .7) * (x[i] - .7);
    return sum;
}

static double rosenbrock(const double *x)
{
    double sum = 0;

    for (int i = 0; i < 4; i++)
        sum += 100 * pow(x[i + 1] - x[i] * x[i], 2) + pow(1 - x[i], 2);
    return sum;
}

static double rastrigin(const double *x)
{
    double sum = 0;

    for (int i = 0; i < 3; i++)
        sum += 10 + (x[i] - 1) * (x[i] - 1) - 10 * cos(2 * M_PI * (x[i] - 1));
    return sum;
}

/* To 1e-8, in five dimensions, from every seed but for one valley that has a second end. */
static void test_converges(void **state)
{
    static const struct {
        const char *name;
        double (*f)(const double *);
        int trials;
    } rows[] = {
        {"sphere", sphere, 800}, {"ellipsoid", ellipsoid, 1600}, {"rosenbrock", rosenbrock, 3000}};
    const struct hpo_space *space = box(5, -5, 5);

    for (int k = 0; k < 3; k++) {
        int reached = 0, slowest = 0;

        for (uint64_t seed = 0; seed < 10; seed++) {
            struct outcome out = study("cmaes", "", space, rows[k].f, seed, rows[k].trials, 1e-8);

            reached += out.best <= 1e-8;
            slowest = out.trials > slowest ? out.trials : slowest;
        }
        print_message("%s: %d of 10 seeds reached 1e-8, in at most %d trials\n", rows[k].name,
                      reached, slowest);
        assert_true(reached >= (k == 2 ? 8 : 10));
    }
}

/* Many local minima: twice the population, again and again, finds the global one. */
static void test_restart(void **state)
{
    const struct hpo_space *space = box(3, -5, 5);
    int once = 0, again = 0;

    for (uint64_t seed = 0; seed < 8; seed++) {
        once += study("cmaes", "", space, rastrigin, seed, 6000, 1e-6).best <= 1e-6;
        again += study("cmaes", "restart=ipop", space, rastrigin, seed, 6000, 1e-6).best <= 1e-6;
    }
    print_message("rastrigin found %d of 8 times, with restarts %d\n", once, again);
    assert_true(again >= once + 4);
}

static double training(const double *v)
{
    double sum = pow(log10(v[0]) + 2.5, 2) + pow((v[1] - 37) / 16, 2) + 2 * (v[2] != 1) +
                 10 * fabs(v[3] - .3);

    return sum + (v[2] == 1 ? pow(v[4] - .9, 2) : v[4] != 0);
}

/* Choices and what hangs on them are found by the other sampler; integers do not freeze. */
static void test_mixed(void **state)
{
    struct hpo_param p[] = {real_param("lr", 1e-5, 1, 0, true), int_param("width", 8, 64, 1, true),
                            choice_param("optimizer", 4), real_param("dropout", 0, .5, .1, false),
                            real_param("momentum", 0, 1, 0, false)};
    const double one = 1;
    struct hpo_space *space;
    int better = 0, found = 0;
    struct sampler s;

    add_when(&arena, &p[4], 2, &one, 1);
    space = make_space(&arena, p, 5);
    open_named(&s, "cmaes", space, 1, "");
    assert_non_null(strstr(s.ops->describe(&s), "2 of 5 parameters"));
    assert_non_null(strstr(s.ops->describe(&s), "left to tpe"));
    sampler_close(&s);
    for (uint64_t seed = 0; seed < 10; seed++) {
        double tpe = study("cmaes", "", space, training, seed, 200, -1).best;
        double random = study("cmaes", "independent=random", space, training, seed, 200, -1).best;

        better += tpe < random;
        found += tpe < .01;
    }
    print_message("below 0.01: %d of 10; better than with random choices: %d\n", found, better);
    assert_true(found >= 8 && better >= 8);
}

static double stairs(const double *v)
{
    return fabs(v[0] - 77) + fabs(v[1] - 3) + fabs(v[2] - 900) / 100 + pow(v[3] - .2, 2) * 1e4;
}

static void test_integers(void **state)
{
    struct hpo_param p[] = {int_param("a", 0, 100, 1, false), int_param("b", 0, 4, 1, false),
                            int_param("c", 1, 1000, 1, true), real_param("x", 0, 1, 0, false)};
    const struct hpo_space *space = make_space(&arena, p, 4);
    int found = 0;

    for (uint64_t seed = 0; seed < 10; seed++) {
        struct outcome out = study("cmaes", "", space, stairs, seed, 1000, .02);

        found += out.best < .02;
    }
    print_message("integers found %d of 10 times\n", found);
    assert_true(found >= 8);
}

/* As the random sampler while it has nothing to go by, and not after. */
static void test_startup(void **state)
{
    const struct hpo_space *space = box(2, 0, 1);
    struct past past = {.h.space = space};
    struct sampler cmaes, random;
    double a[2], b[2];

    open_named(&cmaes, "cmaes", space, 7, "startup_trials=3");
    open_named(&random, "random", space, 7, "");
    for (int i = 0; i < 8; i++) {
        assert_int_equal(sampler_next(&cmaes, &past.h, &past.h, a, NULL), 0);
        assert_int_equal(sampler_next(&random, &past.h, &past.h, b, NULL), 0);
        assert_int_equal(!memcmp(a, b, sizeof(a)), i < 6);
        past_add(&past, space, a,
                 i == 1   ? HPO_TRIAL_FAIL
                 : i == 2 ? HPO_TRIAL_RUNNING
                 : i == 3 ? HPO_TRIAL_PRUNED
                 : i == 4 ? HPO_TRIAL_WAITING
                          : HPO_TRIAL_COMPLETE);
    }
    sampler_close(&cmaes);
    sampler_close(&random);
    past_release(&past);
}

/* The mean of many proposals after a history whose right half ended like this. */
static double lean(enum hpo_trial_state state, const char *options)
{
    const struct hpo_space *space = box(1, 0, 1);
    struct past past = {.h.space = space};
    double mean = 0, v;
    struct sampler s;

    for (int i = 0; i < 40; i++) {
        struct hpo_trial *t;

        v = (i * 7 % 40 + .5) / 40;
        t = past_add(&past, space, &v, v > .5 ? state : HPO_TRIAL_COMPLETE);
        t->value = v > .5 && state != HPO_TRIAL_PRUNED ? NAN : 1;
    }
    open_named(&s, "cmaes", space, 1, options);
    for (int i = 0; i < 200; i++) {
        past.h.next = 40 + i;
        assert_int_equal(sampler_next(&s, &past.h, &past.h, &v, NULL), 0);
        mean += v / 200;
    }
    sampler_close(&s);
    past_release(&past);
    return mean;
}

/* What failed or was pruned is a place to leave, whatever value it had; what runs says nothing. */
static void test_bad_trials(void **state)
{
    double failed = lean(HPO_TRIAL_FAIL, ""), pruned = lean(HPO_TRIAL_PRUNED, "");
    double running = lean(HPO_TRIAL_RUNNING, "");

    print_message("failed %g, pruned %g, running %g\n", failed, pruned, running);
    assert_true(failed < running - .04 && pruned < running - .04);
    assert_float_equal(lean(HPO_TRIAL_PRUNED, "consider_pruned_trials=false"), running, 0);
}

/* Values that someone wrote by hand, outside the space, are passed over; infinite results and
 * trials of an earlier study are not. */
static void test_foreign(void **state)
{
    struct hpo_param p[] = {real_param("x", 1e-3, 1, 0, true), int_param("n", 1, 9, 1, false)};
    const struct hpo_space *space = make_space(&arena, p, 2);
    const double foreign[][2] = {{-1, 2}, {0.1, 70}, {NAN, 1}, {INFINITY, 5}, {0.1, -3}};
    struct past past = {.h.space = space}, clean = {.h.space = space};
    struct sampler s, t;
    double a[2], b[2];

    for (int i = 0; i < 60; i++) {
        double v[2] = {pow(10, -3.0 * (i * 11 % 60) / 60), 1 + i % 9};
        struct hpo_trial *x = past_add(&past, space, v, HPO_TRIAL_COMPLETE);
        struct hpo_trial *y = past_add(&clean, space, v, HPO_TRIAL_COMPLETE);

        past_add(&past, space, foreign[i % 5], HPO_TRIAL_COMPLETE);
        x->value = y->value = i % 10 == 0 ? INFINITY : i % 10 == 1 ? -INFINITY : i % 7;
        x->number -= 200;
    }
    open_named(&s, "cmaes", space, 1, "");
    open_named(&t, "cmaes", space, 1, "");
    clean.h.next = past.h.next;
    assert_int_equal(sampler_next(&s, &past.h, &past.h, a, NULL), 0);
    assert_int_equal(sampler_next(&t, &clean.h, &clean.h, b, NULL), 0);
    assert_memory_equal(a, b, sizeof(a));
    sampler_close(&s);
    sampler_close(&t);
    past_release(&past);
    past_release(&clean);
}

/* Eight workers: what a trial is told depends on which have ended. The warm instance, whose history
 * changes in its past, says what a fresh one says; with restarts too. */
static void test_parallel(void **state)
{
    struct hpo_param p[] = {real_param("x", -1, 1, 0, false), int_param("n", 0, 50, 1, false)};
    const struct hpo_space *space = make_space(&arena, p, 2);
    struct hpo_rng rng = hpo_rng_for(3, -1, -1, "test", 0);
    struct past past = {.h.space = space};
    struct hpo_trial *running[8] = {0};
    struct sampler warm, fresh;

    open_named(&warm, "cmaes", space, 5, "restart=ipop population=4");
    for (int i = 0; i < 700; i++) {
        struct hpo_trial **slot = &running[hpo_rng_below(&rng, 8)];
        double a[2], b[2];

        if (*slot) {
            uint64_t fate = hpo_rng_below(&rng, 10);

            (*slot)->state = fate == 0   ? HPO_TRIAL_FAIL
                             : fate == 1 ? HPO_TRIAL_PRUNED
                                         : HPO_TRIAL_COMPLETE;
            (*slot)->value = fate ? pow((*slot)->values[0], 2) : NAN;
        }
        assert_int_equal(sampler_next(&warm, &past.h, &past.h, a, NULL), 0);
        if (i % 5 == 0) {
            open_named(&fresh, "cmaes", space, 5, "restart=ipop population=4");
            assert_int_equal(sampler_next(&fresh, &past.h, &past.h, b, NULL), 0);
            assert_memory_equal(a, b, sizeof(a));
            sampler_close(&fresh);
        }
        *slot = past_add(&past, space, a, HPO_TRIAL_RUNNING);
    }
    sampler_close(&warm);
    past_release(&past);
}

/* A flat objective, and one that always fails: the search neither ends nor breaks. */
static double flat(const double *v)
{
    return 0;
}

static double hopeless(const double *v)
{
    return INFINITY;
}

static void test_nothing_to_learn(void **state)
{
    struct hpo_param p[] = {int_param("n", 0, 1000000000, 1, false),
                            real_param("x", 0, 1, 0, false)};
    const struct hpo_space *space = make_space(&arena, p, 2);

    for (int k = 0; k < 2; k++) {
        const char *options = k ? "restart=ipop" : "";

        assert_true(study("cmaes", options, space, flat, 1, 1500, -1).best == 0);
        assert_true(isinf(study("cmaes", options, space, hopeless, 1, 1500, -1).best));
        /* Long after convergence it still finds new points. */
        assert_true(study("cmaes", options, box(5, -5, 5), sphere, 1, 3000, -1).best < 1e-10);
    }
}

static void test_options(void **state)
{
    const struct sampler_ops *ops =
        hpo_registry_find((const void *const *)sampler_registry, "cmaes");
    void *priv = arena_alloc(&arena, ops->plugin.priv_size);
    const struct hpo_space *space = box(5, -5, 5);
    struct hpo_err err = {0};

    assert_int_equal(
        hpo_opt_set(hpo_opt_find(ops->plugin.opts, "population"), priv, "3", &arena, &err),
        HPO_ECONFIG);
    assert_int_equal(hpo_opt_set(hpo_opt_find(ops->plugin.opts, "sigma0"), priv, "0", &arena, &err),
                     HPO_ECONFIG);
    assert_true(
        study("cmaes", "population=20 sigma0=0.3 startup_trials=0", space, sphere, 1, 2000, 1e-8)
            .best <= 1e-8);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_converges),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_startup),
        cmocka_unit_test(test_bad_trials),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_parallel),
        cmocka_unit_test(test_nothing_to_learn),
        cmocka_unit_test(test_options),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
