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

/* c[0] + c[1] x + ... + c[7] x^7 over the same of d. */
static double ratio(const double *c, const double *d, double x)
{
    /* Pairs, then pairs of pairs: half as long a chain as Horner's. */
    double xx = x * x, x4 = xx * xx;
    double above = ((c[0] + c[1] * x) + (c[2] + c[3] * x) * xx) +
                   ((c[4] + c[5] * x) + (c[6] + c[7] * x) * xx) * x4;
    double below = ((d[0] + d[1] * x) + (d[2] + d[3] * x) * xx) +
                   ((d[4] + d[5] * x) + (d[6] + d[7] * x) * xx) * x4;

    return above / below;
}

double norm_quantile(double p)
{
    static const double middle[2][8] = {
        {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
         1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
         3.3430575583588128105e4, 2.5090809287301226727e3},
        {1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
         2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
         5.2264952788528545610e3}};
    static const double near[2][8] = {
        {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
         3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
         2.27238449892691845833e-2, 7.74545014278341407640e-4},
        {1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
         1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
         1.05075007164441684324e-9}};
    static const double far[2][8] = {
        {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
         2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
         2.71155556874348757815e-5, 2.01033439929228813265e-7},
        {1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
         7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
         2.04426310338993978564e-15}};
    double q = p - 0.5, r;

    if (fabs(q) <= 0.425)
        return q * ratio(middle[0], middle[1], 0.180625 - q * q);
    r = q < 0 ? p : 1 - p;
    if (!(r > 0))
        return q < 0 ? -INFINITY : INFINITY;
    r = sqrt(-log(r));
    r = r <= 5 ? ratio(near[0], near[1], r - 1.6) : ratio(far[0], far[1], r - 5);
    return q < 0 ? -r : r;
}

double truncnorm_quantile(double q, double left, double right)
{
    double mass = 1 - left - right, below = left + q * mass, above = right + (1 - q) * mass;

    /* From the nearer end, since 1 - p would lose what is small; without a branch, since nobody can
     * tell which it will be. */
    return copysign(norm_quantile(below < above ? below : above), below - above);
}
