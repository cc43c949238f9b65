/* samplers/math/sobol.h - the Sobol sequence.
 *
 * Direction numbers: Joe and Kuo, "Constructing Sobol sequences with better two-dimensional
 * projections", SIAM J. Sci. Comput. 30, 2008 (their file new-joe-kuo-6). The order is that of the
 * Gray code (Antonov and Saleev, 1979), as in scipy.stats.qmc.Sobol. */
#ifndef SAMPLERS_MATH_SOBOL_H
#define SAMPLERS_MATH_SOBOL_H

#include <stdint.h>

#define SOBOL_MAX 128 /* coordinates */

/* Point i: d <= SOBOL_MAX coordinates in [0, 1), multiples of 2^-32. Point 0 is the origin. With
 * keys, d of them, the scrambled point (samplers/math/owen.h), to 53 bits. */
void sobol_point(uint32_t i, int d, const uint64_t *keys, double *ret);

#endif
