#include "samplers/math/lhs.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"

#define CUBES 16

void lhs_draw(struct hpo_rng *rng, int n, int d, double *ret)
{
    struct arena a = {0};
    int32_t *stratum = ARENA_ARRAY(&a, int32_t, n);

    for (int j = 0; j < d; j++) {
        for (int i = 0; i < n; i++)
            stratum[i] = i;
        hpo_rng_shuffle(rng, stratum, n);
        for (int i = 0; i < n; i++)
            ret[(size_t)i * (size_t)d + (size_t)j] = (stratum[i] + hpo_rng_uniform(rng)) / n;
    }
    arena_release(&a);
}

static double closest_pair(const double *x, int n, int d)
{
    double closest = INFINITY;

    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++) {
            double sum = 0;

            for (int j = 0; j < d; j++)
                sum += pow(x[i * d + j] - x[k * d + j], 2);
            closest = fmin(closest, sum);
        }
    return closest;
}

void lhs_point(uint64_t seed, int number, int n, int d, double *ret)
{
    struct arena a = {0};
    struct hpo_rng rng = hpo_rng_for(seed, number / n, -1, "design", 0);
    double *x = ARENA_ARRAY(&a, double, (size_t)n *(size_t)d), widest = -1;

    for (int k = 0; k < CUBES; k++) {
        double closest;

        lhs_draw(&rng, n, d, x);
        closest = closest_pair(x, n, d);
        if (closest > widest) {
            widest = closest;
            memcpy(ret, x + (size_t)(number % n) * (size_t)d, sizeof(double) * (size_t)d);
        }
    }
    arena_release(&a);
}
