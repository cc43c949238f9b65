/* samplers/math/truncnorm.h - the standard normal distribution, whole and cut off to [a, b].
 *
 * Masses are logarithms, so that an interval 40 deviations out still has one. Source:
 * scipy.stats.truncnorm, and Optuna's _truncnorm.py, which follows it. */
#ifndef SAMPLERS_MATH_TRUNCNORM_H
#define SAMPLERS_MATH_TRUNCNORM_H

/* log of the probability below x; -inf gives -inf. */
double norm_log_cdf(double x);
/* Where the probability below is p in [0, 1], to 1e-15: 0 gives -inf, 1 inf. Wichura, "Algorithm
 * AS 241: The Percentage Points of the Normal Distribution", Applied Statistics 37, 1988. */
double norm_quantile(double p);

/* log of the probability between a and b, a <= b. -inf when they are equal. */
double truncnorm_log_mass(double a, double b);
/* The quantile q in [0, 1] of the distribution that has lost these masses on the left and on the
 * right. Precise where they are at most a half: the mean is inside. */
double truncnorm_quantile(double q, double left, double right);

#endif
