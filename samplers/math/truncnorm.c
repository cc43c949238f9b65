#include "samplers/math/truncnorm.h"

#include <float.h>
#include <math.h>

#define HALF_LOG_2PI 0.91893853320467274178

double norm_log_cdf(double x)
{
    double sum = 1, term = 1;

    if (x > 6) /* near 0, where log(1 - small) would lose what is small */
        return -0.5 * erfc(x * M_SQRT1_2);
    if (x > -20)
        return log(0.5 * erfc(-x * M_SQRT1_2));
    if (x == -INFINITY)
        return -INFINITY;
    /* erfc is about to underflow: the asymptotic series 1 - 1/x^2 + 3/x^4 - 15/x^6 ... */
    for (int k = 1; fabs(term) > DBL_EPSILON && k < 100; k++) {
        term *= -(2 * k - 1) / (x * x);
        sum += term;
    }
    return -x * x / 2 - log(-x) - HALF_LOG_2PI + log(sum);
}

/* log(exp(a) - exp(b)), a >= b */
static double log_diff(double a, double b)
{
    return b == -INFINITY ? a : a + log(-expm1(b - a));
}

static double log_add(double a, double b)
{
    double high = fmax(a, b), low = fmin(a, b);

    return low == -INFINITY ? high : high + log1p(exp(low - high));
}

double truncnorm_log_mass(double a, double b)
{
    double width = b - a, middle = a + width / 2;

    if (a < -8.3 && b > 8.3) /* what is cut off is below the rounding error of 1 */
        return 0;
    /* The difference of two nearly equal masses would be noise: the density times the width, with
     * the next term of its series. */
    if (width < 1e-4 && fabs(middle) * width < 1e-3)
        return log(width) - middle * middle / 2 - HALF_LOG_2PI +
               log1p((middle * middle - 1) * width * width / 24);
    if (b <= 0)
        return log_diff(norm_log_cdf(b), norm_log_cdf(a));
    if (a > 0)
        return log_diff(norm_log_cdf(-a), norm_log_cdf(-b));
    return log1p(-0.5 * erfc(-a * M_SQRT1_2) - 0.5 * erfc(b * M_SQRT1_2));
}

double norm_log_quantile(double y)
{
    double x;

    if (y >= 0)
        return INFINITY;
    if (y == -INFINITY)
        return -INFINITY;
    if (y > -0.01) /* the right tail is flat in log cdf; the left one is not */
        return -norm_log_quantile(log(-expm1(y)));
    x = y < -5 ? -sqrt(-2 * (y + HALF_LOG_2PI)) : -(sqrt(3) / M_PI) * log(expm1(-y));
    /* Newton. log cdf is concave: after the first step it closes in from one side. */
    for (int i = 0; i < 100; i++) {
        double f = norm_log_cdf(x);
        double step = (f - y) * exp(f + x * x / 2 + HALF_LOG_2PI);

        x -= step;
        if (fabs(step) <= 1e-12 * fabs(x) + 1e-300)
            break;
    }
    return x;
}

double truncnorm_quantile(double q, double a, double b)
{
    double mass, x;

    if (!(q > 0))
        return a;
    if (q >= 1)
        return b;
    mass = truncnorm_log_mass(a, b);
    if (a < 0)
        x = norm_log_quantile(log_add(norm_log_cdf(a), log(q) + mass));
    else
        x = -norm_log_quantile(log_add(norm_log_cdf(-b), log1p(-q) + mass));
    return fmin(fmax(x, a), b);
}
