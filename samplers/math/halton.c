#include "samplers/math/halton.h"

#include <math.h>
#include <stdbool.h>

#include "samplers/math/owen.h"

void halton_primes(int n, uint32_t *ret)
{
    int found = 0;

    for (uint32_t p = 2; found < n; p++) {
        bool prime = true;

        for (int k = 0; prime && k < found && ret[k] * ret[k] <= p; k++)
            prime = p % ret[k] != 0;
        if (prime)
            ret[found++] = p;
    }
}

static double mirrored(uint32_t i, uint32_t base)
{
    double x = 0, unit = 1;

    for (; i; i /= base) {
        unit /= base;
        x += unit * (i % base);
    }
    return x;
}

/* The zeros in front of i are scrambled too, as far as a double can tell. */
static double scrambled(uint32_t i, uint32_t base, uint64_t node)
{
    double x = 0, unit = 1;

    for (; unit > 0x1p-53; i /= base) {
        unit /= base;
        x += unit * owen_digit(&node, base, i % base);
    }
    return fmin(x, 1 - 0x1p-53);
}

void halton_point(uint32_t i, int d, const uint32_t *primes, const uint64_t *keys, double *ret)
{
    for (int j = 0; j < d; j++)
        ret[j] = keys ? scrambled(i, primes[j], keys[j]) : mirrored(i, primes[j]);
}
