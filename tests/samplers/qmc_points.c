/* Prints points of the low-discrepancy sequences, for parity_qmc.py.
 *
 * qmc_points sobol|halton D N SEED     N lines of D numbers; SEED 0: not scrambled */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "samplers/math/halton.h"
#include "samplers/math/sobol.h"

int main(int argc, char **argv)
{
    struct arena a = {0};
    int d = argc == 5 ? atoi(argv[2]) : 0, n = argc == 5 ? atoi(argv[3]) : 0;
    uint64_t seed = argc == 5 ? strtoull(argv[4], NULL, 10) : 0, *keys;
    struct hpo_rng rng = hpo_rng_for(seed, -1, -1, "test", 0);
    uint32_t *primes;
    double *x;

    if (d < 1 || n < 1 || (strcmp(argv[1], "sobol") == 0 && d > SOBOL_MAX))
        return 2;
    keys = ARENA_ARRAY(&a, uint64_t, d);
    primes = ARENA_ARRAY(&a, uint32_t, d);
    x = ARENA_ARRAY(&a, double, d);
    halton_primes(d, primes);
    for (int j = 0; j < d; j++)
        keys[j] = hpo_rng_next(&rng);
    for (int i = 0; i < n; i++) {
        if (strcmp(argv[1], "sobol") == 0)
            sobol_point((uint32_t)i, d, seed ? keys : NULL, x);
        else
            halton_point((uint32_t)i, d, primes, seed ? keys : NULL, x);
        for (int j = 0; j < d; j++)
            printf("%.17g%c", x[j], j + 1 < d ? ' ' : '\n');
    }
    arena_release(&a);
    return 0;
}
