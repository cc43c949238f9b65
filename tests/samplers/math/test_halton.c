#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "samplers/math/halton.h"

/* The first 64 points of scipy.stats.qmc.Halton(10, scramble=False) in some coordinates, as
 * numerators. */
static const int columns[] = {0, 1, 2, 9}, denominators[] = {64, 81, 125, 841};
static const uint16_t halton[][64] = {
    {0,  32, 16, 48, 8,  40, 24, 56, 4,  36, 20, 52, 12, 44, 28, 60, 2,  34, 18, 50, 10, 42,
     26, 58, 6,  38, 22, 54, 14, 46, 30, 62, 1,  33, 17, 49, 9,  41, 25, 57, 5,  37, 21, 53,
     13, 45, 29, 61, 3,  35, 19, 51, 11, 43, 27, 59, 7,  39, 23, 55, 15, 47, 31, 63},
    {0,  27, 54, 9,  36, 63, 18, 45, 72, 3,  30, 57, 12, 39, 66, 21, 48, 75, 6,  33, 60, 15,
     42, 69, 24, 51, 78, 1,  28, 55, 10, 37, 64, 19, 46, 73, 4,  31, 58, 13, 40, 67, 22, 49,
     76, 7,  34, 61, 16, 43, 70, 25, 52, 79, 2,  29, 56, 11, 38, 65, 20, 47, 74, 5},
    {0,  25,  50,  75,  100, 5,  30,  55,  80,  105, 10, 35,  60,  85,  110, 15,
     40, 65,  90,  115, 20,  45, 70,  95,  120, 1,   26, 51,  76,  101, 6,   31,
     56, 81,  106, 11,  36,  61, 86,  111, 16,  41,  66, 91,  116, 21,  46,  71,
     96, 121, 2,   27,  52,  77, 102, 7,   32,  57,  82, 107, 12,  37,  62,  87},
    {0,   29,  58,  87,  116, 145, 174, 203, 232, 261, 290, 319, 348, 377, 406, 435,
     464, 493, 522, 551, 580, 609, 638, 667, 696, 725, 754, 783, 812, 1,   30,  59,
     88,  117, 146, 175, 204, 233, 262, 291, 320, 349, 378, 407, 436, 465, 494, 523,
     552, 581, 610, 639, 668, 697, 726, 755, 784, 813, 2,   31,  60,  89,  118, 147},
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
    uint32_t primes[10];
    double x[10];

    halton_primes(10, primes);
    for (uint32_t i = 0; i < 64; i++) {
        halton_point(i, 10, primes, NULL, x);
        for (int k = 0; k < 4; k++)
            assert_float_equal(x[columns[k]], (double)halton[k][i] / denominators[k], 1e-14);
    }
}

static void test_primes(void **state)
{
    uint32_t primes[1000];

    halton_primes(1000, primes);
    assert_int_equal(primes[0], 2);
    assert_int_equal(primes[99], 541);
    assert_int_equal(primes[999], 7919);
}

/* Of the first b^m points one lies in each interval of length b^-m. */
static void test_stratified(void **state)
{
    static const int shares[] = {256, 243, 125, 343, 121, 169};
    struct hpo_rng rng = hpo_rng_for(1, -1, -1, "test", 0);
    uint32_t primes[6];
    uint64_t keys[6];

    halton_primes(6, primes);
    for (int round = 0; round < 5; round++) {
        for (int j = 0; j < 6; j++)
            keys[j] = hpo_rng_next(&rng);
        for (int j = 0; j < 6; j++) {
            uint8_t seen[343] = {0};

            for (int i = 0; i < shares[j]; i++) {
                double x[6];

                halton_point((uint32_t)i, 6, primes, round ? keys : NULL, x);
                assert_true(x[j] >= 0 && x[j] < 1);
                /* An interval's own end may come out a rounding error below it. */
                assert_int_equal(seen[(int)(x[j] * shares[j] + 1e-9)]++, 0);
            }
        }
    }
}

/* Two points whose first digits differ: the pair of first digits goes everywhere alike. */
static void test_pairs(void **state)
{
    const uint32_t base = 5;
    struct hpo_rng rng = hpo_rng_for(2, -1, -1, "test", 0);
    int seen[25] = {0};
    double chi = 0;

    for (int k = 0; k < 20000; k++) {
        uint64_t key = hpo_rng_next(&rng);
        double a, b;

        halton_point(1, 1, &base, &key, &a);
        halton_point(3, 1, &base, &key, &b);
        seen[(int)(a * 5) * 5 + (int)(b * 5)]++;
    }
    for (int k = 0; k < 25; k++) {
        if (k % 6 == 0)
            assert_int_equal(seen[k], 0);
        else
            chi += pow(seen[k] - 1000, 2) / 1000;
    }
    assert_true(chi < 43.8); /* 19 degrees of freedom, 0.999 */
}

/* In late coordinates, where the plain sequence is worse than random. */
static void test_even(void **state)
{
    enum { N = 128, D = 20 };
    struct hpo_rng rng = hpo_rng_for(4, -1, -1, "test", 0);
    double x[N * D], plain[N * D], first = 0, late = 0, random = 0, striped = 0;
    uint32_t primes[D];
    uint64_t keys[D];

    halton_primes(D, primes);
    for (int round = 0; round < 10; round++) {
        for (int j = 0; j < D; j++)
            keys[j] = hpo_rng_next(&rng);
        for (int i = 0; i < N; i++) {
            halton_point((uint32_t)i, D, primes, keys, x + i * D);
            halton_point((uint32_t)i, D, primes, NULL, plain + i * D);
        }
        first += discrepancy(x, N, D, 0, 1);
        late += discrepancy(x, N, D, D - 2, D - 1);
        striped += discrepancy(plain, N, D, D - 2, D - 1);
        for (int i = 0; i < N * D; i++)
            x[i] = hpo_rng_uniform(&rng);
        random += discrepancy(x, N, D, 0, 1);
    }
    assert_true(first < random / 4);
    assert_true(late < random);
    assert_true(late < striped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scipy),      cmocka_unit_test(test_primes),
        cmocka_unit_test(test_stratified), cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_even),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
