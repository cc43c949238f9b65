/* Every configuration of a finite space once, in a fixed order.
 *
 * As Optuna's GridSampler, but a cell belongs to its values, not to an id kept beside them: what
 * is done follows from the history alone, so a killed study goes on where it stopped. Mended: a
 * failed cell is not done, and the order does not depend on the process (optuna#3256, #5489). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hpo/core/cells.h"
#include "hpo/core/sampler.h"

struct priv {
    /* options */
    int points, retries;
    bool shuffle;

    struct hpo_space grid; /* the space, with a continuous float as the number of its point */
    struct hpo_cells cells;
    int32_t *order; /* the i-th cell to try */
    int32_t *fails; /* per cell, of the history at hand; TAKEN: done or running */
    double *scratch;

    /* A cache: the cells of the trials with these values. */
    double *values;
    int32_t *cell;
    int n, cap;
};

#define TAKEN INT32_MAX

static bool is_pointed(const struct hpo_param *p)
{
    return hpo_param_count(p) < 0 && p->kind == HPO_PARAM_FLOAT && p->step <= 0;
}

/* Point i of n on a continuous parameter, both ends included; one point is the middle. */
static double point_at(const struct hpo_param *p, int n, int i)
{
    double u = n > 1 ? (double)i / (n - 1) : 0.5, v;
    char buf[HPO_DOUBLE_TEXT];

    if (n > 1 && (i == 0 || i == n - 1))
        return i ? p->high : p->low;
    if (p->log)
        v = exp(log(p->low) * (1 - u) + log(p->high) * u);
    else
        v = p->low * (1 - u) + p->high * u;
    /* 15 digits: 0.01 and not 0.010000000000000002, still within a rounding error of the point. */
    snprintf(buf, sizeof(buf), "%.15g", v);
    return fmin(fmax(strtod(buf, NULL), p->low), p->high);
}

static void to_grid(const struct sampler *s, const double *values, double *ret)
{
    const struct priv *g = s->priv;

    for (int i = 0; i < s->space->n; i++) {
        const struct hpo_param *p = &s->space->params[i];
        double k;

        ret[i] = values[i];
        if (!is_pointed(p) || isnan(values[i]))
            continue;
        k = floor(hpo_param_encode(p, values[i]) * (g->points - 1) + 0.5);
        ret[i] = point_at(p, g->points, (int)k) == values[i] ? k : -1;
    }
}

static void from_grid(const struct sampler *s, double *values)
{
    const struct priv *g = s->priv;

    for (int i = 0; i < s->space->n; i++)
        if (is_pointed(&s->space->params[i]) && !isnan(values[i]))
            values[i] = point_at(&s->space->params[i], g->points, (int)values[i]);
}

static int make_grid(struct sampler *s, struct hpo_err *err)
{
    struct hpo_param *params =
        arena_dup(s->arena, s->space->params, sizeof(*params) * (size_t)s->space->n);
    struct priv *g = s->priv;
    int64_t count;

    for (int i = 0; i < s->space->n; i++) {
        struct hpo_param *p = &params[i];

        if (!is_pointed(p))
            continue;
        if (g->points == 0)
            return hpo_fail(err, HPO_ECONFIG,
                            "a grid needs a finite space and '%s' is continuous: give it a step, "
                            "or set sampler.points to try that many points of it",
                            p->name);
        p->kind = HPO_PARAM_INT;
        p->low = 0;
        p->high = g->points - 1;
        p->step = 1;
        p->log = false;
    }
    g->grid = (struct hpo_space){params, s->space->n, s->space->order};
    count = hpo_space_count(&g->grid);
    if (hpo_cells_init(&g->cells, &g->grid))
        return 0;
    if (count < 0)
        return hpo_fail(err, HPO_ECONFIG,
                        "the grid has far more than %d cells, the most allowed: "
                        "search fewer values, or use another sampler",
                        HPO_CELLS_MAX);
    return hpo_fail(err, HPO_ECONFIG,
                    "the grid has %lld cells, at most %d are allowed: search "
                    "fewer values, or use another sampler",
                    (long long)count, HPO_CELLS_MAX);
}

static int init(struct sampler *s, struct hpo_err *err)
{
    struct priv *g = s->priv;
    struct hpo_rng rng = hpo_rng_for(0, -1, -1, "grid", 0);
    int rc = make_grid(s, err);
    size_t n;

    if (rc)
        return rc;
    n = (size_t)g->cells.count;
    g->order = xmalloc(sizeof(int32_t) * n);
    g->fails = xmalloc(sizeof(int32_t) * n);
    g->scratch = xmalloc(sizeof(double) * (size_t)s->space->n);
    for (size_t i = 0; i < n; i++)
        g->order[i] = (int32_t)i;
    if (g->shuffle)
        hpo_rng_shuffle(&rng, g->order, (int)n);
    return 0;
}

static void release(struct sampler *s)
{
    struct priv *g = s->priv;

    hpo_cells_release(&g->cells);
    free(g->order);
    free(g->fails);
    free(g->scratch);
    free(g->values);
    free(g->cell);
}

/* The cell of trial i, or -1 for one that someone made by hand. */
static int32_t cell_of(struct sampler *s, const struct hpo_trial *t, int i)
{
    struct priv *g = s->priv;
    size_t width = (size_t)s->space->n, bytes = sizeof(double) * width;

    if (i < g->n && (!width || !memcmp(g->values + width * (size_t)i, t->values, bytes)))
        return g->cell[i];
    if (i >= g->cap) {
        g->cap = g->cap ? g->cap * 2 : 64;
        g->values = xrealloc(g->values, bytes * (size_t)g->cap);
        g->cell = xrealloc(g->cell, sizeof(int32_t) * (size_t)g->cap);
    }
    if (width)
        memcpy(g->values + width * (size_t)i, t->values, bytes);
    to_grid(s, g->values + width * (size_t)i, g->scratch);
    g->cell[i] = (int32_t)hpo_cells_find(&g->cells, g->scratch);
    g->n = i + 1;
    return g->cell[i];
}

static void count_fails(struct sampler *s, const struct hpo_history *h)
{
    struct priv *g = s->priv;

    memset(g->fails, 0, sizeof(int32_t) * (size_t)g->cells.count);
    for (int i = 0; i < h->n; i++) {
        int32_t cell = cell_of(s, h->trials[i], i);

        if (cell < 0 || g->fails[cell] == TAKEN)
            continue;
        if (h->trials[i]->state == HPO_TRIAL_FAIL)
            g->fails[cell]++;
        else
            g->fails[cell] = TAKEN;
    }
}

static int all_done(const struct priv *g, const struct hpo_history *h, struct hpo_err *err)
{
    int running = hpo_history_count(h, HPO_TRIAL_RUNNING) + hpo_history_count(h, HPO_TRIAL_WAITING);
    char failed[80] = "";
    int n = 0;

    for (int64_t i = 0; i < g->cells.count; i++)
        n += g->fails[i] != TAKEN;
    if (n)
        snprintf(failed, sizeof(failed), ", %d of them failed %d times", n, g->retries + 1);
    return hpo_fail(err, HPO_EDONE, "all %lld cells of the grid are done%s%s",
                    (long long)g->cells.count, running ? " or running" : "", failed);
}

/* Untouched cells in order, then those that failed least often. */
static int suggest(struct sampler *s, const struct hpo_history *h, struct hpo_rng *rng, int attempt,
                   double *ret_values, struct hpo_err *err)
{
    struct priv *g = s->priv;
    int32_t best = -1, least = g->retries + 1;

    count_fails(s, h);
    for (int64_t i = 0; i < g->cells.count && least > 0; i++) {
        int32_t cell = g->order[i];

        if (g->fails[cell] < least) {
            least = g->fails[cell];
            best = cell;
        }
    }
    if (best < 0)
        return all_done(g, h, err);
    hpo_cells_at(&g->cells, best, ret_values);
    from_grid(s, ret_values);
    return 0;
}

static const struct hpo_opt opts[] = {
    HPO_OPT(INT, struct priv, points, "points", "0", 0, 1000, 0,
            "points tried along a continuous float, both ends included, evenly spaced (or evenly "
            "in the logarithm); 0: such a float must have a step"),
    HPO_OPT(BOOL, struct priv, shuffle, "shuffle", "true", 0, 0, 0,
            "try the cells in a fixed mixed order, the same for every study; false: in the order "
            "of the file, the last parameter changing fastest"),
    HPO_OPT(INT, struct priv, retries, "retries", "2", 0, 100, 0,
            "how often a cell whose trial failed is tried again, after all others"),
    {0},
};

const struct sampler_ops sampler_grid = {
    .plugin = {.name = "grid",
               .help = "every configuration of a finite space, once",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .init = init,
    .suggest = suggest,
    .release = release,
    .repeats_on_purpose = true,
};
