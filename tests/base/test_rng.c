#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/rng.h"

/* The demo program of the PCG library, pcg64 seeded with (42, 54), prints these. */
static void test_published_vector(void **state)
{
    static const uint64_t want[] = {0x86b1da1d72062b68, 0x1304aa46c9853d39, 0xa3670e9e0dd50358,
                                    0xf9090e529a7dae00, 0xc85b9fd837996f2c, 0x606121f8e3919196};
    struct hpo_rng r;

    hpo_rng_seed(&r, 42, 54);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_int_equal(hpo_rng_next(&r), want[i]);
}

static void test_advance(void **state)
{
    static const int deltas[] = {0, 1, 2, 3, 63, 64, 1000};
    struct hpo_rng a, b;

    for (size_t k = 0; k < sizeof(deltas) / sizeof(deltas[0]); k++) {
        hpo_rng_seed(&a, 7, 11);
        b = a;
        for (int i = 0; i < deltas[k]; i++)
            hpo_rng_next(&a);
        hpo_rng_advance(&b, (hpo_u128)deltas[k]);
        assert_true(a.state == b.state);
    }
    /* Backwards is forwards by the rest of the period, 2^128. */
    hpo_rng_seed(&a, 7, 11);
    b = a;
    for (int i = 0; i < 1000; i++)
        hpo_rng_next(&b);
    hpo_rng_advance(&b, -(hpo_u128)1000);
    assert_true(a.state == b.state);
}

static void test_uniform(void **state)
{
    struct hpo_rng r = hpo_rng_for(1, 2, 3, "test", 4);
    double sum = 0, square = 0, lowest = 1, highest = 0;
    int n = 200000;

    for (int i = 0; i < n; i++) {
        double u = hpo_rng_uniform(&r);

        assert_true(u >= 0 && u < 1);
        sum += u;
        square += u * u;
        lowest = fmin(lowest, u);
        highest = fmax(highest, u);
    }
    assert_true(fabs(sum / n - 0.5) < 0.004);
    assert_true(fabs(square / n - 1.0 / 3) < 0.004);
    assert_true(lowest < 1e-4 && highest > 1 - 1e-4);
}

static double chi_square(const int *count, int cells, int total)
{
    double want = (double)total / cells, sum = 0;

    for (int i = 0; i < cells; i++)
        sum += (count[i] - want) * (count[i] - want) / want;
    return sum;
}

static void test_below(void **state)
{
    struct hpo_rng r = hpo_rng_for(5, -1, -1, "below", 0);
    /* Two thirds of 2^64: a plain modulus would give the lower half twice as often. */
    uint64_t n = UINT64_MAX / 3 * 2;
    int count[10] = {0}, low = 0;

    for (int i = 0; i < 100000; i++)
        count[hpo_rng_below(&r, 10)]++;
    assert_true(chi_square(count, 10, 100000) < 27.9); /* 9 degrees of freedom, p = 0.001 */
    for (int i = 0; i < 30000; i++) {
        uint64_t x = hpo_rng_below(&r, n);

        assert_true(x < n);
        low += x < n / 2;
    }
    assert_true(abs(low - 15000) < 300);
    for (int i = 0; i < 100; i++)
        assert_int_equal(hpo_rng_below(&r, 1), 0);
}

static void test_normal_moments(void **state)
{
    struct hpo_rng r = hpo_rng_for(6, -1, -1, "normal", 0);
    double m[5] = {0};
    int n = 400000, within = 0;

    for (int i = 0; i < n; i++) {
        double z = hpo_rng_normal(&r), p = 1;

        assert_true(isfinite(z));
        within += fabs(z) < 1.959963985;
        for (int k = 1; k <= 4; k++)
            m[k] += (p *= z) / n;
    }
    assert_true(fabs(m[1]) < 0.008);
    assert_true(fabs(m[2] - 1) < 0.012);
    assert_true(fabs(m[3]) < 0.03);
    assert_true(fabs(m[4] - 3) < 0.08);
    assert_true(fabs((double)within / n - 0.95) < 0.002);
}

static void test_shuffle(void **state)
{
    struct hpo_rng r = hpo_rng_for(8, -1, -1, "shuffle", 0);
    int count[24] = {0}, where[5][5] = {{0}};

    /* All 24 orders of four alike. */
    for (int i = 0; i < 48000; i++) {
        int32_t a[4] = {0, 1, 2, 3};
        int code = 0, seen = 0;

        hpo_rng_shuffle(&r, a, 4);
        for (int j = 0; j < 4; j++) {
            int rank = 0;

            seen |= 1 << a[j];
            for (int k = j + 1; k < 4; k++)
                rank += a[k] < a[j];
            code = code * (4 - j) + rank;
        }
        assert_int_equal(seen, 15);
        count[code]++;
    }
    assert_true(chi_square(count, 24, 48000) < 49.7); /* 23 degrees of freedom, p = 0.001 */
    for (int i = 0; i < 50000; i++) {
        int32_t a[5] = {0, 1, 2, 3, 4};

        hpo_rng_shuffle(&r, a, 5);
        for (int j = 0; j < 5; j++)
            where[j][a[j]]++;
    }
    for (int j = 0; j < 5; j++)
        assert_true(chi_square(where[j], 5, 50000) < 18.5);
    hpo_rng_shuffle(&r, NULL, 0);
}

/* Every part of the name changes the stream, and neighbouring streams look unrelated. */
static void test_streams(void **state)
{
    struct hpo_rng r[7] = {
        hpo_rng_for(1, 2, 3, "word", 4), hpo_rng_for(2, 2, 3, "word", 4),
        hpo_rng_for(1, 3, 3, "word", 4), hpo_rng_for(1, 2, -1, "word", 4),
        hpo_rng_for(1, 2, 3, "work", 4), hpo_rng_for(1, 2, 3, "word", 5),
        hpo_rng_for(1, 3, 2, "word", 4),
    };
    struct hpo_rng again = hpo_rng_for(1, 2, 3, "word", 4);
    double dot[7][7] = {{0}};
    int n = 20000;

    assert_memory_equal(&again, &r[0], sizeof(again));
    for (int i = 0; i < n; i++) {
        double u[7];

        for (int k = 0; k < 7; k++)
            u[k] = hpo_rng_uniform(&r[k]) - 0.5;
        for (int j = 0; j < 7; j++)
            for (int k = 0; k < j; k++)
                dot[j][k] += u[j] * u[k] * 12 / n;
    }
    for (int j = 0; j < 7; j++)
        for (int k = 0; k < j; k++)
            assert_true(fabs(dot[j][k]) < 4.5 / sqrt(n));
}

/* The first draws of consecutive trials are as good as draws of one stream. */
static void test_first_draws(void **state)
{
    int count[100] = {0}, pairs[100] = {0};
    double before = 0;

    for (int i = 0; i < 50000; i++) {
        struct hpo_rng r = hpo_rng_for(42, i, -1, "sample", 0);
        double u = hpo_rng_uniform(&r);

        count[(int)(u * 100)]++;
        pairs[(int)(before * 10) * 10 + (int)(u * 10)]++;
        before = u;
    }
    assert_true(chi_square(count, 100, 50000) < 149); /* 99 degrees of freedom, p = 0.001 */
    assert_true(chi_square(pairs, 100, 50000) < 149);
}

static double cdf_arcsine(double x)
{
    return 2 / 3.14159265358979323846 * asin(sqrt(x));
}

static double cdf_uniform(double x)
{
    return x;
}

static double cdf_2_2(double x)
{
    return x * x * (3 - 2 * x);
}

static double cdf_small(double x) /* Beta(0.2, 1) */
{
    return pow(x, 0.2);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Kolmogorov and Smirnov's distance from distributions with a closed form. */
static void test_beta(void **state)
{
    static const struct {
        double a, b;
        double (*cdf)(double);
    } cases[] = {
        {0.5, 0.5, cdf_arcsine}, {1, 1, cdf_uniform}, {2, 2, cdf_2_2}, {0.2, 1, cdf_small}};
    enum { N = 20000 };
    static double draw[N];

    for (size_t k = 0; k < HPO_LEN(cases); k++) {
        struct hpo_rng r = hpo_rng_for(5, -1, 0, "beta", k);
        double worst = 0;

        for (int i = 0; i < N; i++)
            draw[i] = hpo_rng_beta(&r, cases[k].a, cases[k].b);
        qsort(draw, N, sizeof(*draw), by_value);
        for (int i = 0; i < N; i++) {
            double f = cases[k].cdf(draw[i]);

            worst = fmax(worst, fmax(f - (double)i / N, (i + 1.0) / N - f));
        }
        if (worst * sqrt(N) > 1.95) /* p = 0.001 */
            fail_msg("Beta(%g, %g): distance %.4f", cases[k].a, cases[k].b, worst);
    }
}

/* Shapes whose gamma variates are too small for a double. */
static void test_beta_extremes(void **state)
{
    struct hpo_rng r = hpo_rng_for(5, -1, 0, "beta", 9);
    int high = 0;

    for (int i = 0; i < 2000; i++) {
        double x = hpo_rng_beta(&r, 1e-4, 1e-4);

        assert_true(x >= 0 && x <= 1);
        high += x > 0.5;
        x = hpo_rng_beta(&r, 1e4, 1e4);
        assert_true(fabs(x - 0.5) < 0.03);
    }
    assert_true(abs(high - 1000) < 5 * 23);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vector),
        cmocka_unit_test(test_advance),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_normal_moments),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_first_draws),
        cmocka_unit_test(test_beta),
        cmocka_unit_test(test_beta_extremes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
