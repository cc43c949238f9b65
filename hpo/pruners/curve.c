#include "hpo/pruners/curve.h"

#include <math.h>
#include <stdlib.h>

bool curve_due(const struct curve_gate *g, const struct hpo_trial *t)
{
    int64_t step, begin, before;

    if (t->n_points == 0)
        return false;
    step = t->points[t->n_points - 1].step;
    if (step < g->warmup_steps)
        return false;
    begin = step - (step - g->warmup_steps) % g->interval_steps;
    before = t->n_points > 1 ? t->points[t->n_points - 2].step : -1;
    return before < begin;
}

double curve_best_of(const struct hpo_point *points, int n)
{
    double best = NAN;

    for (int i = 0; i < n; i++)
        best = fmin(best, points[i].value); /* of a NaN and a number, the number */
    return best;
}

double curve_best(const struct hpo_trial *t)
{
    return curve_best_of(t->points, t->n_points);
}

int curve_first_from(const struct hpo_trial *t, int64_t step)
{
    int low = 0, high = t->n_points;

    while (low < high) {
        int middle = low + (high - low) / 2;

        if (t->points[middle].step < step)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool curve_at(const struct hpo_trial *t, int64_t step, double *ret)
{
    int i = curve_first_from(t, step);

    if (i == t->n_points || t->points[i].step != step)
        return false;
    *ret = t->points[i].value;
    return true;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double curve_percentile(double *v, int n, double percentile)
{
    double at, below, part, step;
    int k = 0;

    for (int i = 0; i < n; i++)
        if (!isnan(v[i]))
            v[k++] = v[i];
    if (k == 0)
        return NAN;
    qsort(v, (size_t)k, sizeof(*v), by_value);
    at = (k - 1) * (percentile / 100);
    below = floor(at);
    part = at - below;
    /* numpy takes the last value with itself there: infinity minus infinity. */
    if (below >= k - 1)
        return v[k - 1] + (v[k - 1] - v[k - 1]);
    step = v[(int)below + 1] - v[(int)below];
    /* From the nearer end, as numpy does, so that the answer never leaves the pair. */
    return part < 0.5 ? v[(int)below] + step * part : v[(int)below + 1] - step * (1 - part);
}

bool curve_outranked(const struct curve_rank *r, double percentile, const struct hpo_history *h,
                     const struct hpo_trial *t)
{
    int complete = hpo_history_count(h, HPO_TRIAL_COMPLETE), n = 0;
    double best, limit, *v;
    int64_t step;

    if (complete == 0 || complete < r->startup_trials || !curve_due(&r->gate, t))
        return false;
    best = curve_best(t);
    if (isnan(best))
        return true;
    step = t->points[t->n_points - 1].step;
    v = xmalloc(sizeof(*v) * (size_t)complete);
    for (int i = 0; i < h->n; i++)
        if (h->trials[i]->state == HPO_TRIAL_COMPLETE && curve_at(h->trials[i], step, &v[n]))
            n++;
    limit = n < r->min_trials ? NAN : curve_percentile(v, n, percentile);
    free(v);
    return best > limit; /* never of a NaN: nothing to compare with */
}
