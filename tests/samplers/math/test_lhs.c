#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"
#include "samplers/math/lhs.h"

static void assert_cube(const double *x, int n, int d)
{
    for (int j = 0; j < d; j++) {
        bool seen[64] = {0};

        for (int i = 0; i < n; i++) {
            int stratum = (int)(x[i * d + j] * n);

            assert_true(x[i * d + j] >= 0 && x[i * d + j] < 1);
            assert_false(seen[stratum]);
            seen[stratum] = true;
        }
    }
}

static void test_strata(void **state)
{
    static const int sizes[][2] = {{1, 1}, {1, 7}, {10, 3}, {64, 12}};
    double x[64 * 12];

    for (size_t k = 0; k < HPO_LEN(sizes); k++) {
        int n = sizes[k][0], d = sizes[k][1];
        struct hpo_rng rng = hpo_rng_for(1, (int64_t)k, -1, "test", 0);

        lhs_draw(&rng, n, d, x);
        assert_cube(x, n, d);
        for (int block = 0; block < 3; block++) {
            for (int i = 0; i < n; i++)
                lhs_point(9, block * n + i, n, d, x + i * d);
            assert_cube(x, n, d);
        }
    }
}

/* A point is a function of its name. */
static void test_names(void **state)
{
    double a[3], b[3];

    for (int i = 0; i < 30; i++) {
        lhs_point(4, i, 10, 3, a);
        lhs_point(4, 29 - i, 10, 3, b);
        lhs_point(4, i, 10, 3, b);
        assert_memory_equal(a, b, sizeof(a));
        lhs_point(5, i, 10, 3, b);
        assert_true(memcmp(a, b, sizeof(a)) != 0);
        lhs_point(4, i + 10, 10, 3, b);
        assert_true(memcmp(a, b, sizeof(a)) != 0);
    }
}

/* On average the points of the design are farther apart than those of any hypercube. */
static void test_spread(void **state)
{
    double x[10 * 4], sum[2] = {0};

    for (int seed = 0; seed < 50; seed++)
        for (int design = 0; design < 2; design++) {
            struct hpo_rng rng = hpo_rng_for((uint64_t)seed, -1, -1, "test", 0);
            double closest = INFINITY;

            lhs_draw(&rng, 10, 4, x);
            for (int i = 0; design && i < 10; i++)
                lhs_point((uint64_t)seed, i, 10, 4, x + 4 * i);
            for (int i = 0; i < 10; i++)
                for (int k = 0; k < i; k++) {
                    double d = 0;

                    for (int j = 0; j < 4; j++)
                        d += pow(x[4 * i + j] - x[4 * k + j], 2);
                    closest = fmin(closest, sqrt(d));
                }
            sum[design] += closest;
        }
    assert_true(sum[1] > 1.3 * sum[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strata),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_spread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
