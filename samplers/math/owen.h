/* samplers/math/owen.h - nested uniform scrambling of the digits of a point.
 *
 * Owen, "Randomly permuted (t,m,s)-nets and (t,s)-sequences", 1995: each digit of a coordinate is
 * permuted, by a permutation of its own for every string of digits before it. The scrambled points
 * are uniform and keep their net: each elementary interval has as many points as before.
 *
 * No table is kept. The permutations hang on a hash of the digits so far, and are d -> a d + b
 * (modulo a prime base) with a and b drawn: two digits go to any two digits with equal probability,
 * which is all that the variance of Owen's scrambling asks for (Owen, "Variance with alternative
 * scramblings of digital nets", 2003). */
#ifndef SAMPLERS_MATH_OWEN_H
#define SAMPLERS_MATH_OWEN_H

#include <stdint.h>

/* The finalizer of splitmix64 (Steele, Lea and Flood, 2014). */
static inline uint64_t owen_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* The scrambled digit; *node stands for the digits before it, and moves on. It starts with the key
 * of the coordinate. base: a prime. */
static inline uint32_t owen_digit(uint64_t *node, uint32_t base, uint32_t digit)
{
    uint64_t h = owen_mix(*node);
    uint64_t a = 1 + (((h & UINT32_MAX) * (base - 1)) >> 32), b = ((h >> 32) * base) >> 32;

    *node = owen_mix(*node + (digit + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15));
    return (uint32_t)((a * digit + b) % base);
}

#endif
