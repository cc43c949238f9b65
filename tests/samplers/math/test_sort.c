#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "base/rng.h"
#include "samplers/math/sort.h"

#define MOST 5000

static void check(const double *x, int n)
{
    static int32_t order[MOST];
    static int seen[MOST];

    sort_order(x, n, order);
    for (int i = 0; i < n; i++)
        seen[i] = 0;
    for (int i = 0; i < n; i++)
        seen[order[i]]++;
    for (int i = 0; i < n; i++) {
        assert_int_equal(seen[i], 1);
        if (i)
            assert_true(x[order[i - 1]] < x[order[i]] ||
                        (x[order[i - 1]] == x[order[i]] && order[i - 1] < order[i]));
    }
}

static void test_sort(void **state)
{
    static const int sizes[] = {0, 1, 2, 64, 65, 3999, MOST};
    struct hpo_rng rng = hpo_rng_for(1, -1, -1, "test", 0);
    double x[MOST];

    for (int k = 0; k < 7; k++) {
        for (int i = 0; i < sizes[k]; i++)
            x[i] = hpo_rng_normal(&rng) * pow(10, (double)hpo_rng_below(&rng, 40) - 20);
        check(x, sizes[k]);
        for (int i = 0; i < sizes[k]; i++)
            x[i] = (double)hpo_rng_below(&rng, 5) - 2;
        check(x, sizes[k]);
        for (int i = 0; i < sizes[k]; i++)
            x[i] = i % 3 ? 0.0 : -0.0;
        check(x, sizes[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sort)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
