#include "samplers/math/gp_search.h"

#include <math.h>
#include <string.h>

#include "samplers/math/gp_ei.h"
#include "samplers/math/lbfgs.h"
#include "samplers/math/lhs.h"
#include "samplers/math/sort.h"

#define SPREAD 1024    /* points spread over the space */
#define LOCAL 512      /* points around the best observations */
#define LOCAL_BEST 5   /* so many of them */
#define BLOCK 64       /* points whose variance is computed together */
#define EXACT 512      /* points whose variance is computed at most */
#define NEGLIGIBLE 7.0 /* a promise e^-7 of the best one is not looked at */
#define STARTS 10
#define ROUNDS 20
#define ENUMERATED 16 /* values of an axis that are all tried, rather than searched */
#define GAIN 1e-4     /* of log EI, below which a move is none */

/* One place, and room to work. */
struct walk {
    const struct gp_search *z;
    double *coords, *features, *work, value;
    bool *active;
    int *free; /* axes that are continuous and active */
    int n_free;
    double *low, *high, *at, *dmean, *dvar;
};

static void locate(struct walk *w)
{
    const struct gp_space *s = w->z->space;

    gp_space_active(s, w->coords, w->active);
    gp_space_features(s, w->coords, w->active, w->features);
    w->n_free = 0;
    for (int j = 0; j < s->d; j++)
        if (w->active[j] && s->axes[j].kind == GP_REAL)
            w->free[w->n_free++] = j;
}

/* Log EI at w->coords; -INFINITY when it is certain not to exceed floor. */
static double look(struct walk *w, double floor)
{
    const struct gp *g = w->z->gp;
    double mean, var;
    bool same;

    locate(w);
    gp_covariances(g, w->features, 1, w->work, &same);
    if (same && !w->n_free && !w->z->repeat)
        return -INFINITY;
    mean = gp_mean(g, w->work);
    if (gp_log_ei(mean, gp_variance_bound(g, w->work), w->z->best, NULL, NULL) <= floor)
        return -INFINITY;
    gp_variances(g, w->work, 1, &var);
    return gp_log_ei(mean, var, w->z->best, NULL, NULL);
}

static double scale_of(const struct walk *w, int axis)
{
    return sqrt(w->z->gp->weight[w->z->space->axes[axis].numeric]);
}

/* In units of the length-scales, in which the axes are alike. */
static double downhill(void *arg, const double *at, double *ret_grad)
{
    struct walk *w = arg;
    const struct gp *g = w->z->gp;
    double mean, var, dmean, dvar, value;

    for (int k = 0; k < w->n_free; k++) {
        const struct gp_axis *axis = &w->z->space->axes[w->free[k]];

        w->features[axis->numeric] = fmin(at[k] / scale_of(w, w->free[k]), 1);
    }
    gp_predict(g, w->features, w->work, &mean, &var, w->dmean, w->dvar);
    value = gp_log_ei(mean, var, w->z->best, &dmean, &dvar);
    for (int k = 0; k < w->n_free; k++) {
        int f = w->z->space->axes[w->free[k]].numeric;

        ret_grad[k] = -(dmean * w->dmean[f] + dvar * w->dvar[f]) / scale_of(w, w->free[k]);
    }
    return -value;
}

static bool climb_continuous(struct walk *w, struct arena *a)
{
    const struct lbfgs lbfgs = {downhill, w, w->n_free, w->low, w->high, 60, 1e-2, 1e-6};
    double value;

    locate(w);
    if (!w->n_free)
        return false;
    for (int k = 0; k < w->n_free; k++) {
        w->high[k] = scale_of(w, w->free[k]);
        w->at[k] = w->coords[w->free[k]] * w->high[k];
    }
    value = -lbfgs_minimize(&lbfgs, w->at, a);
    if (!(value > w->value))
        return false;
    for (int k = 0; k < w->n_free; k++)
        w->coords[w->free[k]] = fmin(w->at[k] / w->high[k], 1);
    value -= w->value;
    w->value += value;
    return value > GAIN;
}

/* Move along an axis to the value with this number if that is better. */
static bool try_index(struct walk *w, int axis, int64_t index)
{
    double before = w->coords[axis], value;

    w->coords[axis] = gp_axis_at(&w->z->space->axes[axis], index);
    value = look(w, w->value + GAIN);
    if (value > w->value + GAIN) {
        w->value = value;
        return true;
    }
    w->coords[axis] = before;
    return false;
}

/* All of a few values; of many those at 1, 2, 4, 8 ... cells from here, until none is better. */
static bool climb_discrete(struct walk *w, int axis)
{
    const struct gp_axis *ax = &w->z->space->axes[axis];
    bool changed = false, again = true;

    if (ax->kind == GP_CHOICE || ax->count <= ENUMERATED) {
        int64_t here = gp_axis_index(ax, w->coords[axis]);

        for (int64_t i = 0; i < ax->count; i++)
            if (i != here)
                changed |= try_index(w, axis, i);
        return changed;
    }
    for (int round = 0; again && round < ROUNDS; round++) {
        int64_t here = gp_axis_index(ax, w->coords[axis]);

        again = false;
        for (int64_t step = 1; step < ax->count; step *= 2) {
            if (here - step >= 0)
                again |= try_index(w, axis, here - step);
            if (here + step < ax->count)
                again |= try_index(w, axis, here + step);
        }
        changed |= again;
    }
    return changed;
}

static void climb(struct walk *w, struct arena *a)
{
    const struct gp_space *s = w->z->space;

    for (int round = 0; round < ROUNDS; round++) {
        bool changed = false;

        climb_continuous(w, a);
        for (int j = 0; j < s->d; j++) {
            locate(w);
            if (w->active[j] && s->axes[j].kind != GP_REAL)
                changed |= climb_discrete(w, j);
        }
        if (!changed)
            break;
    }
}

/* A neighbour of a good point: some of its coordinates moved, a little or a lot. */
static void mutate(const struct gp_space *s, struct hpo_rng *rng, const double *from, double *ret)
{
    double width = pow(10, -0.5 - 2 * hpo_rng_uniform(rng));
    double share = fmax(hpo_rng_uniform(rng), 1.0 / s->d);

    for (int j = 0; j < s->d; j++) {
        const struct gp_axis *axis = &s->axes[j];

        ret[j] = from[j];
        if (hpo_rng_uniform(rng) >= share)
            continue;
        if (axis->kind == GP_CHOICE) {
            ret[j] = gp_axis_draw(axis, hpo_rng_uniform(rng));
        } else {
            double u = from[j] + width * hpo_rng_normal(rng);

            ret[j] = gp_axis_draw(axis, fmin(fmax(u, 0), 1));
        }
    }
}

static int draw_points(const struct gp_search *z, struct hpo_rng *rng, double *ret)
{
    struct arena a = {0};
    const struct gp_space *s = z->space;
    size_t d = (size_t)s->d;
    int best = z->n_observed < LOCAL_BEST ? z->n_observed : LOCAL_BEST;
    int32_t *order = ARENA_ARRAY(&a, int32_t, z->n_observed);

    lhs_draw(rng, SPREAD, s->d, ret);
    for (size_t i = 0; i < SPREAD; i++)
        for (size_t j = 0; j < d; j++)
            ret[i * d + j] = gp_axis_draw(&s->axes[j], ret[i * d + j]);
    sort_order(z->y, z->n_observed, order);
    for (size_t i = 0; i < LOCAL; i++)
        mutate(s, rng, z->coords + (size_t)order[i % (size_t)best] * d, ret + (SPREAD + i) * d);
    arena_release(&a);
    return SPREAD + LOCAL;
}

/* Points that were looked up: their log EI, or a bound that it does not exceed. */
struct looked {
    int n;
    double *coords, *k, *mean, *value;
};

static struct looked look_up(struct walk *w, struct hpo_rng *rng, struct arena *a)
{
    const struct gp_search *z = w->z;
    size_t d = (size_t)z->space->d, rows = (size_t)z->gp->n;
    struct looked l = {.coords = ARENA_ARRAY(a, double, (SPREAD + LOCAL) * d)};

    l.n = draw_points(z, rng, l.coords);
    l.k = ARENA_ARRAY(a, double, (size_t)l.n *rows);
    l.mean = ARENA_ARRAY(a, double, l.n);
    l.value = ARENA_ARRAY(a, double, l.n);
    for (size_t i = 0; i < (size_t)l.n; i++) {
        double *k = l.k + i * rows;
        bool same;

        memcpy(w->coords, l.coords + i * d, sizeof(double) * d);
        locate(w);
        gp_covariances(z->gp, w->features, 1, k, &same);
        l.mean[i] = gp_mean(z->gp, k);
        l.value[i] = same && !w->n_free && !z->repeat
                         ? -INFINITY
                         : gp_log_ei(l.mean[i], gp_variance_bound(z->gp, k), z->best, NULL, NULL);
    }
    return l;
}

/* Replaces the bounds by values, the highest first, for as long as it matters. Returns how many
 * points at the front of ret_order have a value. */
static int settle(const struct gp_search *z, struct looked *l, int32_t *ret_order, struct arena *a)
{
    size_t rows = (size_t)z->gp->n;
    double *k = ARENA_ARRAY(a, double, BLOCK *rows), *sign = ARENA_ARRAY(a, double, l->n);
    double var[BLOCK], top = -INFINITY;
    int done = 0;

    for (int i = 0; i < l->n; i++)
        sign[i] = -l->value[i];
    sort_order(sign, l->n, ret_order);
    while (done < l->n && done < EXACT && l->value[ret_order[done]] > top - NEGLIGIBLE) {
        int m = l->n - done < BLOCK ? l->n - done : BLOCK;

        for (int i = 0; i < m; i++)
            memcpy(k + (size_t)i * rows, l->k + (size_t)ret_order[done + i] * rows,
                   sizeof(double) * rows);
        gp_variances(z->gp, k, m, var);
        for (int i = 0; i < m; i++) {
            int at = ret_order[done + i];

            if (l->value[at] > -INFINITY)
                l->value[at] = gp_log_ei(l->mean[at], var[i], z->best, NULL, NULL);
            top = fmax(top, l->value[at]);
        }
        done += m;
    }
    return top > -INFINITY ? done : 0;
}

/* At most max of the points: the most promising one, unless all is left to chance, then others,
 * drawn without replacement in proportion to what they promise (the Gumbel trick). */
static int pick(const struct gp_search *z, const struct looked *l, const int32_t *order, int n,
                struct hpo_rng *rng, int max, int *ret, struct arena *a)
{
    double *key = ARENA_ARRAY(a, double, n);
    int32_t *by_key = ARENA_ARRAY(a, int32_t, n);
    int best = 0, picked = 0;

    for (int i = 1; i < n; i++)
        if (l->value[order[i]] > l->value[order[best]])
            best = i;
    for (int i = 0; i < n; i++)
        key[i] = log(-log(1 - hpo_rng_uniform(rng))) - l->value[order[i]];
    if (z->climb)
        key[best] = -INFINITY;
    sort_order(key, n, by_key);
    for (int i = 0; i < n && picked < max; i++)
        if (l->value[order[by_key[i]]] > -INFINITY)
            ret[picked++] = order[by_key[i]];
    return picked;
}

static struct walk walk_new(const struct gp_search *z, struct arena *a)
{
    size_t d = (size_t)z->space->d;

    return (struct walk){
        .z = z,
        .coords = ARENA_ARRAY(a, double, d),
        .features = ARENA_ARRAY(a, double, gp_width(&z->space->shape)),
        .work = ARENA_ARRAY(a, double, 2 * (size_t)z->gp->n),
        .active = ARENA_ARRAY(a, bool, d),
        .free = ARENA_ARRAY(a, int, d),
        .low = ARENA_ARRAY(a, double, d),
        .high = ARENA_ARRAY(a, double, d),
        .at = ARENA_ARRAY(a, double, d),
        .dmean = ARENA_ARRAY(a, double, d),
        .dvar = ARENA_ARRAY(a, double, d),
    };
}

int gp_search(const struct gp_search *z, struct hpo_rng *rng, double **ret_coords, struct arena *a)
{
    struct arena tmp = {0};
    size_t d = (size_t)z->space->d;
    struct walk w = walk_new(z, &tmp);
    struct looked l = look_up(&w, rng, &tmp);
    int32_t *order = ARENA_ARRAY(&tmp, int32_t, l.n), by_value[STARTS + 1];
    int n = settle(z, &l, order, &tmp), starts[STARTS + 1], best = 0;
    double *found = ARENA_ARRAY(&tmp, double, (STARTS + 1) * d), value[STARTS + 1];
    double *sorted = ARENA_ARRAY(a, double, (STARTS + 1) * d);

    n = pick(z, &l, order, n, rng, STARTS - z->climb, starts, &tmp);
    for (int i = 0; i < n; i++) {
        memcpy(found + (size_t)i * d, l.coords + (size_t)starts[i] * d, sizeof(double) * d);
        value[i] = z->climb ? -l.value[starts[i]] : i;
    }
    if (z->climb) { /* and from the best observation */
        for (int i = 1; i < z->n_observed; i++)
            if (z->y[i] < z->y[best])
                best = i;
        memcpy(found + (size_t)n * d, z->coords + (size_t)best * d, sizeof(double) * d);
        value[n++] = INFINITY;
    }
    for (int i = 0; z->climb && i < n; i++) {
        struct arena one = {0};

        memcpy(w.coords, found + (size_t)i * d, sizeof(double) * d);
        w.value = -value[i];
        if (w.value == -INFINITY)
            w.value = look(&w, -INFINITY);
        climb(&w, &one);
        value[i] = -w.value;
        memcpy(found + (size_t)i * d, w.coords, sizeof(double) * d);
        arena_release(&one);
    }
    sort_order(value, n, by_value);
    while (n && value[by_value[n - 1]] == INFINITY)
        n--;
    for (int i = 0; i < n; i++)
        memcpy(sorted + (size_t)i * d, found + (size_t)by_value[i] * d, sizeof(double) * d);
    *ret_coords = sorted;
    arena_release(&tmp);
    return n;
}
