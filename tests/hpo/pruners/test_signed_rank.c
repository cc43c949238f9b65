#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "hpo/pruners/signed_rank.h"

#define P(...)                                   \
    signed_rank_p((const double[]){__VA_ARGS__}, \
                  (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)))

/* scipy.stats.wilcoxon(d, alternative="greater", zero_method="zsplit") of scipy 1.17. */
static void test_exact(void **state)
{
    assert_true(P(1, 2) == 0.25);
    assert_true(P(1, 2, 3) == 0.125);
    assert_true(P(1, 2, 3, 4) == 0.0625);
    assert_true(P(1, 2, 3, 4, 5) == 0.03125);
    assert_true(P(.1, .2, .3, .4, -.5) == 0.3125);
    assert_true(P(5, 3, -1, 2, 4) == 0.0625); /* in any order */
    assert_true(P(-1, -2, -3, -4) == 1);
    assert_true(P(3) == 0.5);
    assert_true(signed_rank_p(NULL, 0) == 1);
}

static void test_ties_and_zeros(void **state)
{
    double d[13];

    assert_true(P(.1, .1, .1) == 0.125);
    assert_true(P(0, 0) == 1);
    assert_true(P(0, 1, 2) == 0.25);
    assert_true(P(0, -1, 2, 2, 3) == 0.125);
    assert_true(P(1, 1, 1, -1, 2, 0, 3) == 0.078125);
    assert_true(P(1, INFINITY, INFINITY) == 0.125);
    for (int i = 0; i < 13; i++)
        d[i] = i % 3 == 0 ? -(i / 2) : i / 2;
    assert_true(signed_rank_p(d, 13) == 0.24658203125);
}

static void test_many(void **state)
{
    double d[51], tied[20], zeros[20] = {0};

    for (int i = 0; i < 51; i++)
        d[i] = i % 3 == 0 ? -(i + 1) : i + 1;
    for (int i = 0; i < 20; i++)
        tied[i] = i % 3 == 0 ? -(i / 2) : i / 2;
    assert_true(fabs(signed_rank_p(d, 20) - 0.10122489929199219) < 1e-15);
    assert_true(fabs(signed_rank_p(d, 50) - 0.01998417326421187) < 1e-15);
    assert_true(fabs(signed_rank_p(d, 51) - 0.01284436999683209) < 1e-14); /* approximate */
    assert_true(fabs(signed_rank_p(tied, 20) - 0.09868157450435322) < 1e-14);
    assert_true(signed_rank_p(zeros, 20) == 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_ties_and_zeros),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
