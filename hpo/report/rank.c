#include "hpo/report/rank.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/arena.h"

#define Z_95 1.959963984540054

struct entry {
    double v;
    int at;
};

static int compare(const void *a, const void *b)
{
    double x = ((const struct entry *)a)->v, y = ((const struct entry *)b)->v;

    return (x > y) - (x < y);
}

/* Ranks from 1; those of equal values are their mean. */
static void rank(const double *v, int n, double *ret)
{
    struct entry *e = xmalloc(sizeof(*e) * (size_t)(n + 1));

    for (int i = 0; i < n; i++)
        e[i] = (struct entry){v[i], i};
    qsort(e, (size_t)n, sizeof(*e), compare);
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && e[end].v == e[i].v; end++)
            ;
        for (int k = i; k < end; k++)
            ret[e[k].at] = (i + 1 + end) / 2.0;
    }
    free(e);
}

double rank_spearman(const double *x, const double *y, int n)
{
    double *rx = xmalloc(sizeof(*rx) * (size_t)(n + 1)),
           *ry = xmalloc(sizeof(*ry) * (size_t)(n + 1));
    double mean = (n + 1) / 2.0, xy = 0, xx = 0, yy = 0, r;

    rank(x, n, rx);
    rank(y, n, ry);
    for (int i = 0; i < n; i++) { /* sums of quarters: exact */
        xy += (rx[i] - mean) * (ry[i] - mean);
        xx += (rx[i] - mean) * (rx[i] - mean);
        yy += (ry[i] - mean) * (ry[i] - mean);
    }
    free(rx);
    free(ry);
    if (!(xx > 0 && yy > 0))
        return NAN;
    r = xy / sqrt(xx * yy);
    return r > 1 ? 1 : r < -1 ? -1 : r;
}

static int sign(double d)
{
    return (d > 0) - (d < 0);
}

/* Quadratic: the pairs are trials that were promoted, hundreds at most. */
double rank_kendall(const double *x, const double *y, int n)
{
    double sum = 0, nx = 0, ny = 0, r;

    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++) {
            int dx = sign(x[i] - x[k]), dy = sign(y[i] - y[k]);

            sum += dx * dy;
            nx += dx != 0;
            ny += dy != 0;
        }
    }
    if (!(nx > 0 && ny > 0))
        return NAN;
    r = sum / sqrt(nx * ny);
    return r > 1 ? 1 : r < -1 ? -1 : r;
}

/* step: how far from 1 the next value that is possible lies. */
static struct rank_interval interval(double r, double step, double variance_at_r, double variance)
{
    bool end = fabs(r) >= 1 - 1e-12;
    double at = end ? copysign(1 - step, r) : r, z = atanh(at);
    double half = Z_95 * sqrt(end ? variance : variance_at_r);
    struct rank_interval ret = {tanh(z - half), tanh(z + half)};

    if (end && r > 0)
        ret.high = 1;
    else if (end)
        ret.low = -1;
    return ret;
}

struct rank_interval rank_spearman_interval(double rho, int n)
{
    double step = 12 / ((double)n * n * n - n), near = 1 - step;

    if (isnan(rho) || n < RANK_MIN)
        return (struct rank_interval){NAN, NAN};
    return interval(rho, step, (1 + rho * rho / 2) / (n - 3), (1 + near * near / 2) / (n - 3));
}

struct rank_interval rank_kendall_interval(double tau, int n)
{
    if (isnan(tau) || n < RANK_MIN + 1)
        return (struct rank_interval){NAN, NAN};
    return interval(tau, 4 / ((double)n * (n - 1)), 0.437 / (n - 4), 0.437 / (n - 4));
}
