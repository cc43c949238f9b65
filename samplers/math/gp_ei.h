/* samplers/math/gp_ei.h - how much better than the best a point promises to be.
 *
 * Ament et al., "Unexpected Improvements to Expected Improvement for Bayesian Optimization",
 * NeurIPS 2023: the logarithm keeps a slope where the improvement itself is 0 to all digits. */
#ifndef SAMPLERS_MATH_GP_EI_H
#define SAMPLERS_MATH_GP_EI_H

/* log E max(0, z + standard normal). */
double gp_log_h(double z);

/* log E max(0, best - f) for f normal; smaller is better. var > 0. The derivatives by mean and
 * var go to ret_dmean and ret_dvar unless they are NULL. */
double gp_log_ei(double mean, double var, double best, double *ret_dmean, double *ret_dvar);

#endif
