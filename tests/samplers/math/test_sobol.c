#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "samplers/math/sobol.h"

/* The first 64 points of scipy.stats.qmc.Sobol(128, scramble=False) in some coordinates, times 64.
 */
static const int columns[] = {0, 1, 2, 9, 49, 127};
static const uint8_t sobol[][64] = {
    {0,  32, 48, 16, 24, 56, 40, 8,  12, 44, 60, 28, 20, 52, 36, 4,  6,  38, 54, 22, 30, 62,
     46, 14, 10, 42, 58, 26, 18, 50, 34, 2,  3,  35, 51, 19, 27, 59, 43, 11, 15, 47, 63, 31,
     23, 55, 39, 7,  5,  37, 53, 21, 29, 61, 45, 13, 9,  41, 57, 25, 17, 49, 33, 1},
    {0,  32, 16, 48, 24, 56, 8,  40, 20, 52, 4,  36, 12, 44, 28, 60, 30, 62, 14, 46, 6,  38,
     22, 54, 10, 42, 26, 58, 18, 50, 2,  34, 17, 49, 1,  33, 9,  41, 25, 57, 5,  37, 21, 53,
     29, 61, 13, 45, 15, 47, 31, 63, 23, 55, 7,  39, 27, 59, 11, 43, 3,  35, 19, 51},
    {0,  32, 16, 48, 40, 8,  56, 24, 60, 28, 44, 12, 20, 52, 4,  36, 30, 62, 14, 46, 54, 22,
     38, 6,  34, 2,  50, 18, 10, 42, 26, 58, 45, 13, 61, 29, 5,  37, 21, 53, 17, 49, 1,  33,
     57, 25, 41, 9,  51, 19, 35, 3,  27, 59, 11, 43, 15, 47, 31, 63, 39, 7,  55, 23},
    {0,  32, 48, 16, 40, 8,  24, 56, 20, 52, 36, 4,  60, 28, 12, 44, 10, 42, 58, 26, 34, 2,
     18, 50, 30, 62, 46, 14, 54, 22, 6,  38, 3,  35, 51, 19, 43, 11, 27, 59, 23, 55, 39, 7,
     63, 31, 15, 47, 9,  41, 57, 25, 33, 1,  17, 49, 29, 61, 45, 13, 53, 21, 5,  37},
    {0,  32, 48, 16, 24, 56, 40, 8,  4,  36, 52, 20, 28, 60, 44, 12, 34, 2,  18, 50, 58, 26,
     10, 42, 38, 6,  22, 54, 62, 30, 14, 46, 5,  37, 53, 21, 29, 61, 45, 13, 1,  33, 49, 17,
     25, 57, 41, 9,  39, 7,  23, 55, 63, 31, 15, 47, 35, 3,  19, 51, 59, 27, 11, 43},
    {0,  32, 16, 48, 40, 8,  56, 24, 4,  36, 20, 52, 44, 12, 60, 28, 22, 54, 6,  38, 62, 30,
     46, 14, 18, 50, 2,  34, 58, 26, 42, 10, 35, 3,  51, 19, 11, 43, 27, 59, 39, 7,  55, 23,
     15, 47, 31, 63, 53, 21, 37, 5,  29, 61, 13, 45, 49, 17, 33, 1,  25, 57, 9,  41},
};

/* The squared L2-star discrepancy (Warnock, 1972) of n points in two of their d coordinates. */
static double discrepancy(const double *x, int n, int d, int a, int b)
{
    double sum = 1.0 / 9;

    for (int i = 0; i < n; i++) {
        double ia = x[i * d + a], ib = x[i * d + b];

        sum -= (1 - ia * ia) * (1 - ib * ib) / (2 * n);
        for (int j = 0; j < n; j++)
            sum += (1 - fmax(ia, x[j * d + a])) * (1 - fmax(ib, x[j * d + b])) / n / n;
    }
    return sum;
}

static void test_scipy(void **state)
{
    double x[SOBOL_MAX];

    for (uint32_t i = 0; i < 64; i++) {
        sobol_point(i, SOBOL_MAX, NULL, x);
        for (int k = 0; k < 6; k++)
            assert_true(x[columns[k]] * 64 == sobol[k][i]);
    }
}

/* Of the first 2^m points, and of any later 2^m in a row, one lies in each interval of length 2^-m,
 * whatever the coordinate and the scrambling. */
static void test_stratified(void **state)
{
    struct hpo_rng rng = hpo_rng_for(1, -1, -1, "test", 0);
    uint64_t keys[SOBOL_MAX];
    double x[SOBOL_MAX];

    for (int round = 0; round < 4; round++) {
        static uint8_t seen[SOBOL_MAX][256];

        memset(seen, 0, sizeof(seen));
        for (int j = 0; j < SOBOL_MAX; j++)
            keys[j] = hpo_rng_next(&rng);
        for (uint32_t i = 0; i < 256; i++) {
            sobol_point(256 * (uint32_t)round + i, SOBOL_MAX, round ? keys : NULL, x);
            for (int j = 0; j < SOBOL_MAX; j++) {
                assert_true(x[j] >= 0 && x[j] < 1);
                assert_int_equal(seen[j][(int)(x[j] * 256)]++, 0);
            }
        }
    }
}

/* The first two coordinates are a (0, m, 2)-net: boxes of every shape have their share, scrambled
 * too. */
static void test_net(void **state)
{
    struct hpo_rng rng = hpo_rng_for(2, -1, -1, "test", 0);

    for (int round = 0; round < 8; round++) {
        uint64_t keys[2] = {hpo_rng_next(&rng), hpo_rng_next(&rng)};

        for (int wide = 0; wide <= 6; wide++) {
            uint8_t seen[64] = {0};
            double x[2];

            for (uint32_t i = 0; i < 64; i++) {
                sobol_point(i, 2, round ? keys : NULL, x);
                seen[((int)(x[0] * (1 << wide)) << (6 - wide)) + (int)(x[1] * (64 >> wide))]++;
            }
            for (int k = 0; k < 64; k++)
                assert_int_equal(seen[k], 1);
        }
    }
}

/* A single scrambled point is uniform, all 53 bits of it. */
static void test_uniform(void **state)
{
    struct hpo_rng rng = hpo_rng_for(3, -1, -1, "test", 0);
    double mean = 0, low = 0;
    int bins[16] = {0};
    double chi = 0;

    for (int k = 0; k < 8000; k++) {
        uint64_t key = hpo_rng_next(&rng);
        double x;

        sobol_point(5, 1, &key, &x);
        bins[(int)(x * 16)]++;
        mean += x / 8000;
        low += fmod(x * 0x1p40, 1) / 8000;
    }
    for (int b = 0; b < 16; b++)
        chi += pow(bins[b] - 500, 2) / 500;
    assert_true(chi < 37.7); /* 15 degrees of freedom, 0.999 */
    assert_float_equal(mean, 0.5, 0.015);
    assert_float_equal(low, 0.5, 0.015);
}

static void test_even(void **state)
{
    enum { N = 128, D = 6 };
    struct hpo_rng rng = hpo_rng_for(4, -1, -1, "test", 0);
    double x[N * D], y[N * D];
    uint64_t keys[D];

    for (int round = 0; round < 5; round++) {
        for (int j = 0; j < D; j++)
            keys[j] = hpo_rng_next(&rng);
        for (int i = 0; i < N; i++)
            sobol_point((uint32_t)i, D, keys, x + i * D);
        for (int i = 0; i < N * D; i++)
            y[i] = hpo_rng_uniform(&rng);
        for (int j = 1; j < D; j++)
            assert_true(discrepancy(x, N, D, 0, j) < discrepancy(y, N, D, 0, j) / 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scipy), cmocka_unit_test(test_stratified),
        cmocka_unit_test(test_net),   cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_even),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
