/* samplers/math/truncnorm.h - the standard normal distribution cut off to [a, b].
 *
 * Everything works with logarithms, so that an interval 40 deviations out still has a mass. Source:
 * scipy.stats.truncnorm, and Optuna's _truncnorm.py, which follows it. */
#ifndef SAMPLERS_MATH_TRUNCNORM_H
#define SAMPLERS_MATH_TRUNCNORM_H

/* log of the probability below x; -inf gives -inf. */
double norm_log_cdf(double x);
/* Its inverse: y <= 0; 0 gives +inf. */
double norm_log_quantile(double y);

/* log of the probability between a and b, a <= b. -inf when they are equal. */
double truncnorm_log_mass(double a, double b);
/* The quantile q in [0, 1] of the distribution cut off to [a, b]; always inside [a, b]. */
double truncnorm_quantile(double q, double a, double b);

#endif
