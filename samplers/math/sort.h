/* samplers/math/sort.h - the rising order of numbers. */
#ifndef SAMPLERS_MATH_SORT_H
#define SAMPLERS_MATH_SORT_H

#include <stdint.h>

/* A permutation that puts x in rising order; equal numbers keep theirs. No NaN; -0 equals 0. */
void sort_order(const double *x, int n, int32_t *ret_order);

#endif
