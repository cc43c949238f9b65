/* Known values: scipy.special.log_ndtr (erfc above 6) and ndtri_exp, scipy.stats.truncnorm.ppf;
 * masses by Gauss-Legendre quadrature of the density with 200 points. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "base/compiler.h"
#include "samplers/math/truncnorm.h"

static void near(double a, double b, double relative)
{
    if (!(fabs(a - b) <= relative * fmax(fabs(b), 1e-300)))
        fail_msg("%.17g is not %.17g", a, b);
}

static void test_log_cdf(void **state)
{
    const double rows[][2] = {
        {-1000, -500007.8266948122},  {-40, -804.6084420137539},    {-37.6, -711.4266486707764},
        {-20.5, -214.06672896326387}, {-19.5, -194.01696577749752}, {-5, -15.064998393988727},
        {-1, -1.841021645009264},     {0, -0.6931471805599453},     {1, -0.17275377902344985},
        {5, -2.8665161296376305e-07}, {7, -1.2798125438858350e-12}, {9, -1.1285884059538324e-19},
    };

    for (size_t i = 0; i < HPO_LEN(rows); i++)
        near(norm_log_cdf(rows[i][0]), rows[i][1], rows[i][0] > 4 && rows[i][0] < 6 ? 1e-9 : 1e-13);
    assert_true(norm_log_cdf(-INFINITY) == -INFINITY);
    assert_true(norm_log_cdf(INFINITY) == 0);
}

static void test_norm_quantile(void **state)
{
    const double rows[][2] = {
        {exp(-50), -9.674825283612355},   {exp(-4), -2.0898499829712573},
        {exp(-1), -0.33747496376420244},  {exp(-0.5), 0.27028802073873587},
        {exp(-0.02), 2.0578695923363055},
    };

    for (size_t i = 0; i < HPO_LEN(rows); i++)
        near(norm_quantile(rows[i][0]), rows[i][1], 1e-13);
    assert_true(norm_quantile(0.5) == 0);
    assert_true(norm_quantile(0) == -INFINITY);
    assert_true(norm_quantile(1) == INFINITY);
    for (double x = -37.1; x < 5; x += 0.37) /* there and back */
        near(norm_quantile(exp(norm_log_cdf(x))), x, x > 0 ? 1e-10 : 1e-11);
}

static void test_log_mass(void **state)
{
    const double rows[][3] = {
        {-1, 1, -0.38171514630212433},  {-0.5, 3, -0.37090055956203194},
        {2, 3, -3.8443534263342074},    {-3, -2, -3.8443534263342074},
        {30, 31, -454.3212439563433},   {-40, -39.5, -784.7208791066241},
        {0, 1e-6, -14.734449091169113}, {5, 5.00001, -24.93188899812526},
        {0, 0.25, -2.3156062445971504},
    };

    for (size_t i = 0; i < HPO_LEN(rows); i++)
        near(truncnorm_log_mass(rows[i][0], rows[i][1]), rows[i][2], 1e-12);
    assert_true(truncnorm_log_mass(-9, 9) == 0);
    assert_true(truncnorm_log_mass(1, 1) == -INFINITY);
    /* Both ways to compute a narrow mass agree where one takes over from the other. */
    near(truncnorm_log_mass(1.5, 1.5 + 1.00001e-4) - truncnorm_log_mass(1.5, 1.5 + 0.99999e-4),
         log(1.00001 / 0.99999) - 1.5 * 1e-9, 1e-6);
}

/* Of the distribution cut off to [a, b]. */
static double quantile(double q, double a, double b)
{
    return truncnorm_quantile(q, exp(norm_log_cdf(a)), exp(norm_log_cdf(-b)));
}

static void test_quantile(void **state)
{
    const double rows[][4] = {
        {.1, -2, 3, -1.173288186869339},
        {.25, -.5, .1, -0.34150927095613876},
    };

    for (size_t i = 0; i < HPO_LEN(rows); i++)
        near(quantile(rows[i][0], rows[i][1], rows[i][2]), rows[i][3], 1e-9);
    near(quantile(0, -2, 3), -2, 1e-13);
    near(quantile(1, -2, 3), 3, 1e-13);
    near(quantile(1, -2, 9), 9, 1e-13);
    assert_true(truncnorm_quantile(0, 0, 0.5) == -INFINITY);
    assert_true(fabs(quantile(.5, -1, 1)) < 1e-12);
    for (int i = 1; i < 100; i++) {
        double x = quantile(i / 100.0, -1, 2);

        near(exp(truncnorm_log_mass(-1, x) - truncnorm_log_mass(-1, 2)), i / 100.0, 1e-11);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_cdf),
        cmocka_unit_test(test_norm_quantile),
        cmocka_unit_test(test_log_mass),
        cmocka_unit_test(test_quantile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
