#include "hpo/report/importance.h"

#include <math.h>
#include <stdlib.h>

#define GRID_MAX 50            /* points of a numeric parameter */
#define TARGET 0.1             /* what part of the trials is good */
#define REGIME_MIN 2           /* trials that have a parameter, else it is not judged */
#define PRIOR_WEIGHT 1.0       /* of the prior's kernel, in trials */
#define SIGMA_MIN (0.5 / 1.64) /* 90% of a kernel within its own grid point */
#define FLOOR 1e-12            /* under both densities */

/* ---------------------------------------------------------------- the grid */

static bool single(const struct hpo_param *p)
{
    if (p->kind == HPO_PARAM_CATEGORICAL)
        return p->n_choices <= 1;
    return p->high <= p->low || (p->step > 0 && p->high - p->low < p->step);
}

static int grid_size(const struct hpo_param *p)
{
    double n = GRID_MAX;

    if (p->kind == HPO_PARAM_CATEGORICAL)
        return p->n_choices;
    if (p->kind == HPO_PARAM_INT && p->log)
        n = ceil(log(p->high - p->low + 1) / log(2)) + 1;
    else if (p->step > 0)
        n = nearbyint((p->high - p->low) / p->step) + 1;
    return n < GRID_MAX ? (int)n : GRID_MAX;
}

/* Half-way between two points is the lower one's. */
static int grid_index(const struct hpo_param *p, int n, double v)
{
    double low = p->log ? log(p->low) : p->low, high = p->log ? log(p->high) : p->high;
    double i;

    if (p->kind == HPO_PARAM_CATEGORICAL)
        return (int)v;
    i = ceil(((p->log ? log(v) : v) - low) / ((high - low) / (n - 1)) - 0.5);
    return i < 0 ? 0 : i > n - 1 ? n - 1 : (int)i;
}

/* ---------------------------------------------------------------- densities on it */

/* Of the standard normal distribution between a and b, from the tail that is not near 1. */
static double normal_mass(double a, double b)
{
    if (a > 0)
        return 0.5 * (erfc(a * M_SQRT1_2) - erfc(b * M_SQRT1_2));
    return 0.5 * (erfc(-b * M_SQRT1_2) - erfc(-a * M_SQRT1_2));
}

/* Scott's rule on weighted grid points, with the smaller of the deviation and the quartiles'
 * distance. `at` are the points that have any. */
static double bandwidth(const double *counts, const int *at, int n_at, double total)
{
    double mean = 0, variance = 0, cumulated = 0, sigma;
    int q1 = -1, q3 = -1;

    for (int i = 0; i < n_at; i++) {
        mean += counts[at[i]] * at[i] / total;
        cumulated += counts[at[i]];
        if (q1 < 0 && cumulated >= floor(total / 4))
            q1 = at[i];
        if (q3 < 0 && cumulated > floor(total * 3 / 4))
            q3 = at[i];
    }
    q3 = q3 < 0 ? at[n_at - 1] : q3;
    for (int i = 0; i < n_at; i++)
        variance += counts[at[i]] * (at[i] - mean) * (at[i] - mean);
    sigma = sqrt(variance / fmax(1, total - 1));
    sigma = 1.059 * fmin((q3 - q1) / 1.34, sigma) * pow(total, -0.2);
    return fmax(sigma, SIGMA_MIN);
}

/* Add a normal kernel, cut off at the ends of the grid. */
static void add_kernel(double *density, int n, double mu, double sigma, double weight)
{
    double whole = normal_mass((-0.5 - mu) / sigma, (n - 0.5 - mu) / sigma);

    for (int g = 0; g < n; g++)
        density[g] += weight * normal_mass((g - 0.5 - mu) / sigma, (g + 0.5 - mu) / sigma) / whole;
}

/* Add a kernel on choice k; k < 0: the prior's, the same everywhere. */
static void add_choice_kernel(double *density, int n, int k, int n_kernels, double weight)
{
    double each = PRIOR_WEIGHT / n_kernels;
    double sum = n * each + (k >= 0);

    for (int g = 0; g < n; g++)
        density[g] += weight * (each + (g == k)) / sum;
}

/* counts of trials at each of the n points -> a density over them. */
static void estimate(const struct hpo_param *p, const double *counts, int n, int *at,
                     double *density)
{
    double total = 0, sigma = 0, prior;
    int n_at = 0;

    for (int g = 0; g < n; g++) {
        total += counts[g];
        density[g] = 0;
        if (counts[g] > 0)
            at[n_at++] = g;
    }
    prior = PRIOR_WEIGHT / (total + PRIOR_WEIGHT);
    if (p->kind != HPO_PARAM_CATEGORICAL)
        sigma = bandwidth(counts, at, n_at, total);
    for (int i = 0; i < n_at; i++) {
        double weight = counts[at[i]] / (total + PRIOR_WEIGHT);

        if (p->kind == HPO_PARAM_CATEGORICAL)
            add_choice_kernel(density, n, at[i], n_at + 1, weight);
        else
            add_kernel(density, n, at[i], sigma, weight);
    }
    if (p->kind == HPO_PARAM_CATEGORICAL)
        add_choice_kernel(density, n, -1, n_at + 1, prior);
    else
        add_kernel(density, n, (n - 1) / 2.0, n, prior);
}

/* ---------------------------------------------------------------- a parameter */

/* The trials that count. */
struct sample {
    const struct hpo_trial **trials;
    const bool *top;
    int n, n_top;
};

/* Where the parameter is inactive, it can tell nothing; where it is active, by how much more (or
 * less) often it is so among the best counts too. */
static double judge(const struct hpo_param *p, int index, const struct sample *s, struct arena *a)
{
    int n = grid_size(p), active = 0, active_top = 0;
    double *all, *top, *density, *density_top, sum = 0, alpha, beta;
    int *at;

    if (single(p))
        return 0;
    all = ARENA_ARRAY(a, double, n);
    top = ARENA_ARRAY(a, double, n);
    density = ARENA_ARRAY(a, double, n);
    density_top = ARENA_ARRAY(a, double, n);
    at = ARENA_ARRAY(a, int, n);
    for (int i = 0; i < s->n; i++) {
        double v = s->trials[i]->values[index];
        int g;

        if (isnan(v))
            continue;
        g = grid_index(p, n, v);
        active++;
        active_top += s->top[i];
        all[g]++;
        top[g] += s->top[i];
    }
    if (active < REGIME_MIN || !active_top)
        return 0;
    estimate(p, all, n, at, density);
    estimate(p, top, n, at, density_top);
    for (int g = 0; g < n; g++) {
        double ratio = (density_top[g] + FLOOR) / (density[g] + FLOOR) - 1;

        sum += (density[g] + FLOOR) * ratio * ratio;
    }
    alpha = (double)active_top / s->n_top;
    beta = (double)active / s->n;
    return alpha * alpha / beta * sum;
}

/* ---------------------------------------------------------------- all of them */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void pick_sample(const struct hpo_history *h, struct arena *a, struct sample *ret)
{
    const struct hpo_trial **trials = ARENA_ARRAY(a, const struct hpo_trial *, h->n + 1);
    double *values = ARENA_ARRAY(a, double, h->n + 1), cut;
    bool *top = ARENA_ARRAY(a, bool, h->n + 1);

    *ret = (struct sample){.trials = trials, .top = top};
    for (int i = 0; i < h->n; i++) {
        const struct hpo_trial *t = h->trials[i];

        if (t->rung == 0 && t->state == HPO_TRIAL_COMPLETE && isfinite(t->value) && t->values) {
            values[ret->n] = t->value;
            trials[ret->n++] = t;
        }
    }
    if (!ret->n)
        return;
    qsort(values, (size_t)ret->n, sizeof(*values), compare);
    cut = values[(int)ceil(TARGET * ret->n) - 1];
    for (int i = 0; i < ret->n; i++) {
        top[i] = trials[i]->value <= cut;
        ret->n_top += top[i];
    }
}

static bool ever_active(const struct hpo_history *h, int param)
{
    for (int i = 0; i < h->n; i++) {
        const struct hpo_trial *t = h->trials[i];

        if (t->rung == 0 && t->state == HPO_TRIAL_COMPLETE && t->values && !isnan(t->values[param]))
            return true;
    }
    return false;
}

/* Largest share first; of equal ones, the first in the study file. */
static void put_in_order(struct importance *r, int param)
{
    int k = r->n_known++;

    for (; k > 0 && r->share[param] > r->share[r->order[k - 1]]; k--)
        r->order[k] = r->order[k - 1];
    r->order[k] = param;
}

bool importance_of(const struct hpo_history *h, struct arena *a, struct importance *ret)
{
    const struct hpo_space *space = h->space;
    struct sample s = {0};
    double sum = 0;

    *ret = (struct importance){0};
    if (!space || !space->n)
        return false;
    pick_sample(h, a, &s);
    ret->n = s.n;
    ret->n_top = s.n_top;
    if (s.n < IMPORTANCE_MIN)
        return false;
    ret->share = ARENA_ARRAY(a, double, space->n);
    ret->order = ARENA_ARRAY(a, int, space->n);
    for (int i = 0; i < space->n; i++) {
        ret->share[i] = ever_active(h, i) ? judge(&space->params[i], i, &s, a) : NAN;
        if (!isnan(ret->share[i])) {
            put_in_order(ret, i);
            sum += ret->share[i];
        }
    }
    ret->equal = !(sum > 0);
    for (int i = 0; i < ret->n_known; i++) {
        double *share = &ret->share[ret->order[i]];

        *share = ret->equal ? 1.0 / ret->n_known : *share / sum;
    }
    return ret->n_known > 0;
}
