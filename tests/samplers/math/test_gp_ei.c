/* Known values: E max(0, z + N(0, 1)) with mpmath, to 400 digits and, below -30, by its asymptotic
 * series to 60. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "base/compiler.h"
#include "samplers/math/gp_ei.h"

static void near(double a, double b, double relative)
{
    if (!(fabs(a - b) <= relative * fmax(fabs(b), 1e-300)))
        fail_msg("%.17g is not %.17g", a, b);
}

static void test_log_h(void **state)
{
    const double rows[][2] = {
        {1e8, 18.420680743952365472},    {10, 2.302585092994045684},
        {3, 1.0987396653277077727},      {1, 0.080026218849306940029},
        {0.5, -0.35982768374506381859},  {0, -0.91893853320467274178},
        {-0.5, -1.6205162643873199193},  {-1, -2.4851210257126413368},
        {-3, -7.8696860596030285171},    {-5, -16.744301162660990143},
        {-7.75, -35.092889056140766864}, {-8.25, -39.212619006712059061},
        {-10, -55.553122036122355927},   {-20, -206.91783850942509785},
        {-25.5, -332.5258844622049783},  {-30, -457.72465376059800405},
        {-100, -5010.1295788002497923},  {-1000, -500014.73445209115845},
        {-1e6, -500000000028.54995965},  {-1e10, -50000000000000000047.0},
    };

    for (size_t i = 0; i < HPO_LEN(rows); i++)
        near(gp_log_h(rows[i][0]), rows[i][1], 2e-13);
    /* The two formulas meet. */
    near(gp_log_h(nextafter(-8, 0)), gp_log_h(-8), 1e-13);
}

/* Never flat, never NaN, and the more uncertain the better. */
static void test_extremes(void **state)
{
    for (double mean = -1e3; mean <= 1e3; mean += 97)
        for (double var = 1e-12; var < 100; var *= 10) {
            double dmean, dvar, value = gp_log_ei(mean, var, 0, &dmean, &dvar);

            assert_true(isfinite(value) && isfinite(dmean) && isfinite(dvar));
            assert_true(dmean < 0);
            assert_true(dvar >= 0 && (mean < 0 || dvar > 0));
            assert_true(gp_log_ei(mean, var * 1.1, 0, NULL, NULL) >= value - 1e-13 * fabs(value));
        }
}

static void test_gradient(void **state)
{
    const double rows[][3] = {
        {0, 1, 0},      {0.3, 0.04, 0.1}, {-1, 0.1, 0}, {2, 0.01, 0},
        {5, 0.01, 0.2}, {-3, 4, -2.5},    {1, 1e-3, 0}, {0.8, 0.01, 0.00001},
    };

    for (size_t i = 0; i < HPO_LEN(rows); i++) {
        double mean = rows[i][0], var = rows[i][1], best = rows[i][2], e = 1e-6, dmean, dvar;
        double h = e * var;

        gp_log_ei(mean, var, best, &dmean, &dvar);
        near((gp_log_ei(mean + e, var, best, NULL, NULL) -
              gp_log_ei(mean - e, var, best, NULL, NULL)) /
                 (2 * e),
             dmean, 1e-6);
        near((gp_log_ei(mean, var + h, best, NULL, NULL) -
              gp_log_ei(mean, var - h, best, NULL, NULL)) /
                 (2 * h),
             dvar, 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_h),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_gradient),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
