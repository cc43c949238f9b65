/* The densities of Optuna 4.9 and 5.0 (a joint one: 5.0), computed with them once. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "samplers/math/parzen.h"
#include "spaces.h"

static struct parzen *around(const struct hpo_param *const *p, int d, const double *obs, int n)
{
    struct parzen *z = parzen_new(p, d);

    parzen_fill(z, obs, n);
    return z;
}

static double density(const struct hpo_param *p, const double *obs, int n, double x)
{
    struct parzen *z = around(&p, 1, obs, n);
    double ret;

    parzen_log_pdf(z, &x, 1, &ret);
    parzen_free(z);
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
    struct parzen *z = around(p, 2, obs, 2);
    double ret[2];

    parzen_log_pdf(z, at, 2, ret);
    parzen_free(z);
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
    z = around(p, 2, obs, 300);
    for (int i = 1; i <= 40; i++)
        for (int k = 0; k < 4; k++) {
            double at[] = {i, k}, ret;

            parzen_log_pdf(z, at, 1, &ret);
            sum += exp(ret);
        }
    near(sum, 1, 1e-9);
    parzen_free(z);
    parzen_free(NULL);
    z = around((const struct hpo_param *const[]){&x}, 1, reals, 300);
    sum = 0;
    for (int i = 0; i < 8000; i++) {
        double at = -3 + (i + 0.5) / 1000, ret;

        parzen_log_pdf(z, &at, 1, &ret);
        sum += exp(ret) / 1000;
    }
    near(sum, 1, 1e-5);
    parzen_free(z);
}

/* Draws follow the density: a chi-square test over all cells. */
static void test_sample(void **state)
{
    struct hpo_param s = real_param("s", 0, .5, .1, false), c = choice_param("c", 3);
    const struct hpo_param *p[] = {&s, &c};
    const double obs[] = {.1, .4, .4, 0, 2, 1};
    struct parzen *z = around(p, 2, obs, 3);
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
    parzen_free(z);
    assert_true(chi < 40.8); /* 17 degrees of freedom, p = 0.001 */
}

/* The distribution function of the draws of a continuous parameter, against its density. */
static void test_sample_continuous(void **state)
{
    struct hpo_param x = real_param("x", 1e-3, 1, 0, true);
    const struct hpo_param *p = &x;
    const double obs[] = {1e-3, .2, .25};
    struct parzen *z = around(&p, 1, obs, 3);
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
    parzen_free(z);
    assert_true(chi < 43.8); /* 19 degrees of freedom, p = 0.001 */
}

/* Many points at once are what they are one by one. */
static void test_many_points(void **state)
{
    struct hpo_param x = real_param("x", 0, 1, 0, false), n = int_param("n", 1, 9, 2, false);
    const struct hpo_param *p[] = {&x, &n};
    const double obs[] = {.2, .3, .9, 1, 5, 5};
    struct parzen *z = around(p, 2, obs, 3);
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
    parzen_free(z);
}

/* A parameter of each kind; the grids: with a table for each cell, for the low end, for none. */
#define KINDS 8
static struct hpo_param kind(int i)
{
    const struct hpo_param p[KINDS] = {
        real_param("float", -5, 20, 0, false),
        real_param("log", 1e-5, 1, 0, true),
        real_param("step", 0, .5, .1, false),
        int_param("int", 1, 60, 3, false),
        int_param("wide", 0, 5000, 1, false),
        int_param("int log", 1, 512, 1, true),
        choice_param("choice", 5),
        int_param("huge log", 1, 1e9, 1, true),
    };

    return p[i];
}

struct joint {
    struct hpo_param p[12];
    const struct hpo_param *params[12];
    int d;
    struct hpo_rng rng;
};

static struct joint joint(int seed, int kinds)
{
    struct joint s = {.rng = hpo_rng_for((uint64_t)seed, -1, -1, "test", 0)};

    s.d = 1 + (int)hpo_rng_below(&s.rng, 12);
    for (int j = 0; j < s.d; j++)
        s.p[j] = kind((int)hpo_rng_below(&s.rng, (uint64_t)kinds));
    return s;
}

/* Crowded, as a search that has found something. */
static void draw(struct joint *s, double *ret)
{
    double spread = hpo_rng_below(&s->rng, 2) ? 1 : 1e-3;

    for (int j = 0; j < s->d; j++) {
        s->params[j] = &s->p[j];
        ret[j] = hpo_param_decode(&s->p[j], 0.3 * (1 - spread) + spread * hpo_rng_uniform(&s->rng));
    }
}

/* However a density came about, by trials that come and go or at once: the same bits. */
static void test_updates(void **state)
{
    for (int seed = 0; seed < 40; seed++) {
        struct joint s = joint(seed, KINDS);
        double *rows = calloc(1, sizeof(double) * 300 * 12),
               *obs = calloc(300 * 12, sizeof(double));
        double at[4 * 12], ret[4], fresh_ret[4];
        struct parzen *z, *fresh;
        int n = 0;

        for (int i = 0; i < 4; i++)
            draw(&s, at + i * s.d);
        z = parzen_new(s.params, s.d);
        for (int step = 0; step < 300; step++) {
            bool more = n < 3 || hpo_rng_below(&s.rng, 8) > 0;
            int place = (int)hpo_rng_below(&s.rng, (uint64_t)n + more);
            double *row = rows + place * s.d;
            size_t rest = sizeof(double) * (size_t)((n - place - !more) * s.d);

            if (more) {
                memmove(row + s.d, row, rest);
                draw(&s, row);
                parzen_insert(z, place, row);
                n++;
            } else {
                memmove(row, row + s.d, rest);
                parzen_remove(z, place);
                n--;
            }
            if (step % 7 && step > 20)
                continue;
            for (int i = 0; i < n; i++)
                for (int j = 0; j < s.d; j++)
                    obs[j * n + i] = rows[i * s.d + j];
            fresh = around(s.params, s.d, obs, n);
            parzen_log_pdf(z, at, 4, ret);
            parzen_log_pdf(fresh, at, 4, fresh_ret);
            assert_memory_equal(ret, fresh_ret, sizeof(ret));
            parzen_free(fresh);
        }
        free(rows);
        free(obs);
        parzen_free(z);
    }
}

/* What single precision says lies within its bound, and the best of many points is the one that
 * double precision finds. */
static void test_screen(void **state)
{
    double worst = 0;
    int screened = 0;

    for (int seed = 0; seed < 300; seed++) {
        struct joint s = joint(seed, seed % 3 ? KINDS : 2);
        int n = 1 + (int)hpo_rng_below(&s.rng, 800), m = 1 + (int)hpo_rng_below(&s.rng, 30);
        double *obs = calloc((size_t)(n * s.d), sizeof(double)), row[12], x[30 * 12], rough[30];
        double good[30], bad[30], error;
        struct parzen *below, *above;
        int best = 0;

        for (int i = 0; i < n; i++) {
            draw(&s, row);
            for (int j = 0; j < s.d; j++)
                obs[j * n + i] = row[j];
        }
        above = around(s.params, s.d, obs, n);
        below = parzen_new(s.params, s.d);
        for (int i = 0; i < 10; i++) {
            draw(&s, row);
            parzen_insert(below, i, row);
        }
        for (int i = 0; i < m; i++)
            parzen_sample(below, &s.rng, x + i * s.d);
        parzen_log_pdf(below, x, m, good);
        parzen_log_pdf(above, x, m, bad);
        for (int i = 1; i < m; i++)
            if (good[i] - bad[i] > good[best] - bad[best])
                best = i;
        assert_int_equal(parzen_best(below, above, x, m), best);
        if (parzen_screen(above, x, m, rough, &error)) {
            screened++;
            assert_true(error < 0.1);
            for (int i = 0; i < m; i++) {
                near(rough[i], bad[i], error);
                worst = fmax(worst, fabs(rough[i] - bad[i]) / error);
            }
        }
        free(obs);
        parzen_free(below);
        parzen_free(above);
    }
    print_message("%d of 300 screened, at most %.2g of the bound\n", screened, worst);
    assert_true(screened > 250 && worst > 1e-4);
}

/* Grids so fine that a cell's mass is all rounding error still give finite densities. */
static void test_huge_grid(void **state)
{
    struct hpo_param p = int_param("n", 0, 1e15, 1, false);
    const double obs[] = {3, 5e14};

    assert_true(isfinite(density(&p, obs, 2, 1e15)));
    assert_true(isfinite(density(&p, obs, 2, 4)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),    cmocka_unit_test(test_golden_joint),
        cmocka_unit_test(test_weights),   cmocka_unit_test(test_sums_to_one),
        cmocka_unit_test(test_sample),    cmocka_unit_test(test_sample_continuous),
        cmocka_unit_test(test_huge_grid), cmocka_unit_test(test_many_points),
        cmocka_unit_test(test_updates),   cmocka_unit_test(test_screen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
