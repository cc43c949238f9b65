/* The densities of Optuna 4.9 and 5.0 (a joint one: 5.0), computed with them once. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "base/compiler.h"
#include "samplers/math/parzen.h"
#include "spaces.h"

static struct arena arena;

static double density(const struct hpo_param *p, const double *obs, int n, double x)
{
    double ret;

    parzen_log_pdf(parzen_new(&arena, &p, 1, obs, n), &x, 1, &ret);
    return ret;
}

static void near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not %.17g", a, b);
}

static void test_golden(void **state)
{
    const struct {
        struct hpo_param p;
        double obs[4];
        int n;
        double x[3], log_pdf[3];
    } rows[] = {
        {real_param("x", 0, 1, 0, false),
         {.9, .1, .45, .4},
         4,
         {.05, .42, .95},
         {-0.0270165428, 0.153833422, -0.3644800159}},
        {real_param("x", 1e-5, 1e-1, 0, true),
         {1e-4, 1e-3, 2e-2},
         3,
         {1e-5, 5e-4, 0.1},
         {-2.6621117466, -2.0563529707, -2.5455725233}},
        {int_param("x", 1, 9, 2, false),
         {1, 5, 5},
         3,
         {1, 5, 9},
         {-1.682775197, -1.335280596, -2.1753239305}},
        {int_param("x", 16, 256, 1, true),
         {16, 64, 200},
         3,
         {16, 64, 256},
         {-3.9542895614, -5.127788428, -6.7026588843}},
        {real_param("x", 0, .5, .1, false),
         {.1, .4},
         2,
         {0, .2, .5},
         {-1.902828921, -1.7084804878, -1.902828921}},
        {choice_param("x", 3),
         {0, 2, 2},
         3,
         {0, 1, 2},
         {-1.0986122887, -1.6582280766, -0.7419373447}},
        {real_param("x", 0, 1, 0, false),
         {0},
         0,
         {.05, .5, .5},
         {-0.0602721995, 0.0409778005, 0.0409778005}},
        {real_param("x", 0, 1, 0, false),
         {.25},
         1,
         {.05, .5, .5},
         {0.0145540152, 0.0526406007, 0.0526406007}},
    };

    for (size_t i = 0; i < HPO_LEN(rows); i++)
        for (int k = 0; k < 3; k++)
            near(density(&rows[i].p, rows[i].obs, rows[i].n, rows[i].x[k]), rows[i].log_pdf[k],
                 1e-9);
}

static void test_golden_joint(void **state)
{
    struct hpo_param x = real_param("x", 0, 1, 0, false), c = choice_param("c", 3);
    const struct hpo_param *p[] = {&x, &c};
    const double obs[] = {.9, .1, 0, 2}, at[] = {.2, 1, .8, 2};
    double ret[2];

    parzen_log_pdf(parzen_new(&arena, p, 2, obs, 2), at, 2, ret);
    near(ret[0], -1.5084911434, 1e-9);
    near(ret[1], -1.0317845184, 1e-9);
}

static void test_weights(void **state)
{
    double w[30];

    parzen_weights(24, w);
    near(w[0], 1, 0);
    parzen_weights(26, w);
    near(w[0], 1 / 26.0, 1e-15);
    near(w[1], 1, 0);
    parzen_weights(30, w);
    near(w[0], 1 / 30.0, 1e-15);
    near(w[1], 0.275, 1e-12);
    near(w[3], 0.75833333333333333, 1e-12);
    near(w[4], 1, 1e-15);
    near(w[29], 1, 0);
}

/* More trials than a block of kernels holds, many of them equal: a density sums to 1. */
static void test_sums_to_one(void **state)
{
    struct hpo_param cells = int_param("n", 1, 40, 1, true), c = choice_param("c", 4);
    struct hpo_param x = real_param("x", -3, 5, 0, false);
    const struct hpo_param *p[] = {&cells, &c};
    struct hpo_rng rng = hpo_rng_for(1, -1, -1, "test", 0);
    double obs[2 * 300], reals[300], sum = 0;
    struct parzen *z;

    for (int i = 0; i < 300; i++) {
        obs[i] = hpo_param_decode(&cells, hpo_rng_uniform(&rng));
        obs[300 + i] = hpo_param_decode(&c, hpo_rng_uniform(&rng));
        reals[i] = hpo_param_decode(&x, hpo_rng_uniform(&rng));
    }
    z = parzen_new(&arena, p, 2, obs, 300);
    for (int i = 1; i <= 40; i++)
        for (int k = 0; k < 4; k++) {
            double at[] = {i, k}, ret;

            parzen_log_pdf(z, at, 1, &ret);
            sum += exp(ret);
        }
    near(sum, 1, 1e-9);
    sum = 0;
    for (int i = 0; i < 8000; i++)
        sum += exp(density(&x, reals, 300, -3 + (i + 0.5) / 1000)) / 1000;
    near(sum, 1, 1e-5);
}

/* Draws follow the density: a chi-square test over all cells. */
static void test_sample(void **state)
{
    struct hpo_param s = real_param("s", 0, .5, .1, false), c = choice_param("c", 3);
    const struct hpo_param *p[] = {&s, &c};
    const double obs[] = {.1, .4, .4, 0, 2, 1};
    struct parzen *z = parzen_new(&arena, p, 2, obs, 3);
    struct hpo_rng rng = hpo_rng_for(2, -1, -1, "test", 0);
    int count[18] = {0};
    double chi = 0;

    for (int i = 0; i < 20000; i++) {
        double v[2];

        parzen_sample(z, &rng, v);
        assert_true(hpo_param_index(&s, v[0]) >= 0);
        count[hpo_param_index(&s, v[0]) * 3 + (int)v[1]]++;
    }
    for (int i = 0; i < 18; i++) {
        double at[] = {hpo_param_at(&s, i / 3), i % 3}, ret;

        parzen_log_pdf(z, at, 1, &ret);
        chi += pow(count[i] - 20000 * exp(ret), 2) / (20000 * exp(ret));
    }
    assert_true(chi < 40.8); /* 17 degrees of freedom, p = 0.001 */
}

/* The distribution function of the draws of a continuous parameter, against its density. */
static void test_sample_continuous(void **state)
{
    struct hpo_param x = real_param("x", 1e-3, 1, 0, true);
    const struct hpo_param *p = &x;
    const double obs[] = {1e-3, .2, .25};
    struct parzen *z = parzen_new(&arena, &p, 1, obs, 3);
    struct hpo_rng rng = hpo_rng_for(3, -1, -1, "test", 0);
    double chi = 0, width = log(1e3) / 20;
    int count[20] = {0};

    for (int i = 0; i < 20000; i++) {
        double v, k;

        parzen_sample(z, &rng, &v);
        assert_true(v >= x.low && v <= x.high);
        k = (log(v) - log(1e-3)) / width;
        count[k < 19 ? (int)k : 19]++;
    }
    for (int i = 0; i < 20; i++) {
        double mass = 0;

        for (int k = 0; k < 100; k++)
            mass += exp(density(p, obs, 3, exp(log(1e-3) + (i + (k + .5) / 100) * width))) * width;
        mass *= 200;
        chi += pow(count[i] - mass, 2) / mass;
    }
    assert_true(chi < 43.8); /* 19 degrees of freedom, p = 0.001 */
}

/* Many points at once are what they are one by one. */
static void test_many_points(void **state)
{
    struct hpo_param x = real_param("x", 0, 1, 0, false), n = int_param("n", 1, 9, 2, false);
    const struct hpo_param *p[] = {&x, &n};
    const double obs[] = {.2, .3, .9, 1, 5, 5};
    struct parzen *z = parzen_new(&arena, p, 2, obs, 3);
    double at[2 * 150], many[150], one;

    for (int i = 0; i < 150; i++) {
        at[2 * i] = i / 150.0;
        at[2 * i + 1] = 1 + 2 * (i % 5);
    }
    parzen_log_pdf(z, at, 150, many);
    for (int i = 0; i < 150; i++) {
        parzen_log_pdf(z, at + (size_t)(2 * i), 1, &one);
        near(many[i], one, 0);
    }
}

/* Grids so fine that a cell's mass is all rounding error still give finite densities. */
static void test_huge_grid(void **state)
{
    struct hpo_param p = int_param("n", 0, 1e15, 1, false);
    const double obs[] = {3, 5e14};

    assert_true(isfinite(density(&p, obs, 2, 1e15)));
    assert_true(isfinite(density(&p, obs, 2, 4)));
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),    cmocka_unit_test(test_golden_joint),
        cmocka_unit_test(test_weights),   cmocka_unit_test(test_sums_to_one),
        cmocka_unit_test(test_sample),    cmocka_unit_test(test_sample_continuous),
        cmocka_unit_test(test_huge_grid), cmocka_unit_test(test_many_points),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
