#include "samplers/math/gp_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "samplers/math/sort.h"

#define OUTLIER 5.0

int gp_results(const struct hpo_history *h)
{
    return hpo_history_count(h, HPO_TRIAL_COMPLETE) + hpo_history_count(h, HPO_TRIAL_PRUNED);
}

/* What is finite among n values. */
struct range {
    int n;
    double low, high, median;
};

static struct range range_of(const double *values, int n)
{
    struct arena a = {0};
    double *v = ARENA_ARRAY(&a, double, n);
    int32_t *order = ARENA_ARRAY(&a, int32_t, n);
    struct range r = {0};

    for (int i = 0; i < n; i++)
        if (isfinite(values[i]))
            v[r.n++] = values[i];
    if (r.n) {
        sort_order(v, r.n, order);
        r.low = v[order[0]];
        r.high = v[order[r.n - 1]];
        r.median = v[order[(r.n - 1) / 2]] / 2 + v[order[r.n / 2]] / 2;
    }
    arena_release(&a);
    return r;
}

static double clip(double v, double low, double high)
{
    return isnan(v) ? high : fmin(fmax(v, low), high);
}

/* Every observation and every pending trial, before any is left out. ret_states: of the
 * observations, whose y is still as it was told. */
static void collect(struct gp_trials *ret, const struct gp_space *space,
                    const struct hpo_history *h, enum hpo_trial_state *ret_states)
{
    size_t d = (size_t)space->d;

    for (int i = 0; i < h->n; i++) {
        const struct hpo_trial *t = h->trials[i];
        bool ended = hpo_trial_finished(t);
        double *row =
            ended ? ret->coords + (size_t)ret->n * d : ret->pending + (size_t)ret->n_pending * d;

        if (!gp_space_read(space, t->values, row))
            continue;
        if (ended) {
            ret_states[ret->n] = t->state;
            ret->y[ret->n++] = t->state == HPO_TRIAL_FAIL ? NAN : t->value;
        } else {
            ret->n_pending++;
        }
    }
}

/* What the values count as. */
static void judge(struct gp_trials *t, const enum hpo_trial_state *states, struct arena *a)
{
    double *values[2] = {ARENA_ARRAY(a, double, t->n), ARENA_ARRAY(a, double, t->n)};
    int n[2] = {0, 0};
    struct range complete, pruned;

    for (int i = 0; i < t->n; i++) {
        bool is_pruned = states[i] == HPO_TRIAL_PRUNED;

        if (is_pruned || states[i] == HPO_TRIAL_COMPLETE)
            values[is_pruned][n[is_pruned]++] = t->y[i];
    }
    complete = range_of(values[0], n[0]);
    pruned = range_of(values[1], n[1]);
    if (!complete.n)
        complete = (struct range){.low = pruned.low, .median = pruned.low, .high = pruned.high};
    for (int i = 0; i < t->n; i++)
        t->y[i] = clip(t->y[i], states[i] == HPO_TRIAL_PRUNED ? complete.median : complete.low,
                       complete.high);
}

/* Rows to keep, in their order: the best half of max, and the last of the others. */
static void shrink(struct gp_trials *t, int d, int max, struct arena *a)
{
    int32_t *order = ARENA_ARRAY(a, int32_t, t->n);
    bool *keep = ARENA_ARRAY(a, bool, t->n);
    int kept = max / 2, n = 0;

    sort_order(t->y, t->n, order);
    for (int i = 0; i < kept; i++)
        keep[order[i]] = true;
    for (int i = t->n - 1; i >= 0 && kept < max; i--)
        if (!keep[i]) {
            keep[i] = true;
            kept++;
        }
    for (int i = 0; i < t->n; i++)
        if (keep[i]) {
            memmove(t->coords + n * d, t->coords + i * d, sizeof(double) * (size_t)d);
            t->y[n++] = t->y[i];
        }
    t->n = n;
}

/* One training that went wild must not squeeze all others into one value: what is farther above
 * the median than OUTLIER times the way from there down to the best is drawn in, to twice that at
 * most. */
static void tame(struct gp_trials *t, struct arena *a)
{
    int32_t *order = ARENA_ARRAY(a, int32_t, t->n);
    double median, reach;

    if (t->n < 2)
        return;
    sort_order(t->y, t->n, order);
    median = t->y[order[(t->n - 1) / 2]] / 2 + t->y[order[t->n / 2]] / 2;
    reach = OUTLIER * (median - t->y[order[0]]);
    for (int i = 0; reach > 0 && i < t->n; i++) {
        double far = (t->y[i] - median) / reach;

        if (far > 1 && isfinite(far))
            t->y[i] = median + reach * (2 - 1 / far);
    }
}

/* Scaled by the largest first: the squares of huge values would overflow. */
static void standardise(struct gp_trials *t)
{
    double largest = 0, mean = 0, squares = 0, scale;

    for (int i = 0; i < t->n; i++)
        largest = fmax(largest, fabs(t->y[i]));
    if (!(largest > 0))
        largest = 1;
    for (int i = 0; i < t->n; i++)
        mean += t->y[i] / largest / t->n;
    for (int i = 0; i < t->n; i++)
        squares += pow(t->y[i] / largest - mean, 2) / t->n;
    scale = sqrt(squares);
    /* What is left of equal values is rounding. */
    scale = scale > 1e-10 ? 1 / scale : 0;
    for (int i = 0; i < t->n; i++)
        t->y[i] = (t->y[i] / largest - mean) * scale;
    t->best = t->n ? t->y[0] : 0;
    for (int i = 1; i < t->n; i++)
        t->best = fmin(t->best, t->y[i]);
}

void gp_trials_read(struct gp_trials *ret, const struct gp_space *space,
                    const struct hpo_history *h, int max, struct arena *a)
{
    size_t rows = (size_t)h->n, d = (size_t)space->d;
    enum hpo_trial_state *states = ARENA_ARRAY(a, enum hpo_trial_state, rows);
    struct gp_trials t = {
        .coords = ARENA_ARRAY(a, double, rows *d),
        .y = ARENA_ARRAY(a, double, rows),
        .pending = ARENA_ARRAY(a, double, rows *d),
    };

    collect(&t, space, h, states);
    judge(&t, states, a);
    if (t.n > max)
        shrink(&t, space->d, max, a);
    if (t.n_pending > max / 2) {
        t.pending += (size_t)(t.n_pending - max / 2) * (size_t)space->d;
        t.n_pending = max / 2;
    }
    tame(&t, a);
    standardise(&t);
    *ret = t;
}
