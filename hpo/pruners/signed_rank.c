#include "hpo/pruners/signed_rank.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define EXACT_MAX 50      /* scipy's limits: 2^50 is exact in a double, too, ... */
#define EXACT_TIES_MAX 13 /* ... and 2^13 is how many signs it tries one by one */

/* Ranks are doubled where they are added, so that those of ties are whole numbers. */
struct ranked {
    double size;
    int sign, rank; /* rank: twice the rank */
};

static int by_size(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->size, y = ((const struct ranked *)b)->size;

    return (x > y) - (x < y);
}

/* Of all signs that the differences other than zero could have, the share whose positive ranks
 * add up to `above` or more. */
static double exact(const struct ranked *r, int n, int above)
{
    double ways[EXACT_MAX * (EXACT_MAX + 1) + 1] = {1}, all = 1, ret = 0;
    int most = 0;

    for (int i = 0; i < n; i++) {
        if (!r[i].sign)
            continue;
        most += r[i].rank;
        all *= 2;
        for (int sum = most; sum >= r[i].rank; sum--)
            ways[sum] += ways[sum - r[i].rank];
    }
    for (int sum = above; sum <= most; sum++)
        ret += ways[sum];
    return ret / all;
}

/* ties: the sum of t^3 - t over groups of t equal sizes. */
static double approximate(double n, double above, double ties)
{
    double mean = n * (n + 1) / 4, variance = (n * (n + 1) * (2 * n + 1) - ties / 2) / 24;

    return erfc((above - mean) / sqrt(2 * variance)) / 2;
}

double signed_rank_p(const double *d, int n)
{
    struct ranked *r = xmalloc(sizeof(*r) * (size_t)(n ? n : 1));
    double above = 0, zeros = 0, ties = 0, ret;
    bool uneven = false;

    for (int i = 0; i < n; i++)
        r[i] = (struct ranked){fabs(d[i]), (d[i] > 0) - (d[i] < 0), 0};
    qsort(r, (size_t)n, sizeof(*r), by_size);
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && r[end].size == r[i].size; end++)
            ;
        uneven |= end - i > 1 || !r[i].sign;
        ties += pow(end - i, 3) - (end - i);
        for (int k = i; k < end; k++) {
            r[k].rank = i + 1 + end;
            above += r[k].sign > 0 ? r[k].rank : 0;
            zeros += r[k].sign ? 0 : r[k].rank;
        }
    }
    /* Whatever the signs, the zeros' half is there: the exact test need not count it. */
    ret = n > EXACT_MAX || (uneven && n > EXACT_TIES_MAX)
              ? approximate(n, above / 2 + zeros / 4, ties)
              : exact(r, n, (int)above);
    free(r);
    return ret;
}
