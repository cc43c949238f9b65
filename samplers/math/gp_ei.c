#include "samplers/math/gp_ei.h"

#include <float.h>
#include <math.h>

#include "samplers/math/truncnorm.h"

#define HALF_LOG_2PI 0.91893853320467274178

static double log_density(double z)
{
    return -z * z / 2 - HALF_LOG_2PI;
}

double gp_log_h(double z)
{
    double sum = 1, term = 1;

    if (z > -8)
        return log(z * 0.5 * erfc(-z * M_SQRT1_2) + exp(log_density(z)));
    /* The two would cancel: density * (1/z^2 - 3/z^4 + 15/z^6 ...). */
    for (int k = 1; fabs(term) > DBL_EPSILON / 4 && k < 32; k++) {
        term *= -(2 * k + 1) / (z * z);
        sum += term;
    }
    return log_density(z) - 2 * log(-z) + log(sum);
}

double gp_log_ei(double mean, double var, double best, double *ret_dmean, double *ret_dvar)
{
    double sigma = sqrt(var), z = (best - mean) / sigma, log_h = gp_log_h(z);

    if (ret_dmean)
        *ret_dmean = -exp(norm_log_cdf(z) - log_h) / sigma;
    if (ret_dvar)
        *ret_dvar = exp(log_density(z) - log_h) / (2 * var);
    return log_h + log(sigma);
}
