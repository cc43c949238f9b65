#include "samplers/math/cma_replay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "samplers/math/truncnorm.h"

/* With restarts, a search has ended when all is narrower than TOL_X of the range: that is finer
 * than a hyperparameter matters. Otherwise it goes on as far as a double can tell points apart. */
#define TOL_X 1e-6
#define TOL_X_LAST 1e-10
#define TOL_F 1e-12 /* of the best value, as of 1 when that is larger */
#define STAGNATION 120
#define RESTARTS_MAX 10
#define POPULATION_MAX 100000
#define SAVE_EVERY 16 /* generations */

enum rank { RANK_COMPLETE, RANK_PRUNED, RANK_FAIL };

struct told {
    enum rank rank;
    int64_t step; /* PRUNED: of the last report */
    double value;
};

/* What changes from generation to generation. */
struct run {
    struct cma *dist;
    int restart;
    int used;                 /* trials it has learnt from, or passed by */
    int generation, improved; /* in this restart: now, and when the best value came */
    double best;
    double *recent; /* the best values of the last generations */
};

struct cma_replay {
    struct cma_replay_opts opts;
    const struct hpo_param **params;
    int *index;
    int d, n_recent;
    struct arena arena;
    const struct cma_rates *rates[RESTARTS_MAX + 1];

    uint64_t seed;
    struct told *told;
    double *values, *coords; /* n x d: in user units, and encoded */
    int n, cap;
    struct run now, *saved; /* saved: used rising, the first is the start */
    int n_saved, cap_saved;
};

static void run_init(const struct cma_replay *r, struct run *run)
{
    run->dist = cma_new(r->d);
    run->recent = xcalloc((size_t)r->n_recent, sizeof(double));
}

static void run_release(struct run *run)
{
    cma_free(run->dist);
    free(run->recent);
}

static void run_copy(const struct cma_replay *r, struct run *to, const struct run *from)
{
    struct run copy = *from;

    copy.dist = to->dist;
    copy.recent = to->recent;
    cma_copy(copy.dist, from->dist);
    memcpy(copy.recent, from->recent, sizeof(double) * (size_t)r->n_recent);
    *to = copy;
}

static void save(struct cma_replay *r)
{
    if (r->n_saved == r->cap_saved) {
        r->cap_saved = r->cap_saved ? r->cap_saved * 2 : 8;
        r->saved = xrealloc(r->saved, sizeof(*r->saved) * (size_t)r->cap_saved);
    }
    run_init(r, &r->saved[r->n_saved]);
    run_copy(r, &r->saved[r->n_saved++], &r->now);
}

static void begin(struct cma_replay *r, int restart)
{
    struct hpo_rng rng = hpo_rng_for(r->seed, -1, -1, "cmaes", (uint64_t)restart);
    double *mean = xmalloc(sizeof(double) * (size_t)r->d);

    for (int i = 0; i < r->d; i++)
        mean[i] = restart ? hpo_rng_uniform(&rng) : 0.5;
    cma_start(r->now.dist, mean, r->opts.sigma0);
    r->now.restart = restart;
    r->now.generation = r->now.improved = 0;
    r->now.best = INFINITY;
    free(mean);
}

static void reset(struct cma_replay *r, uint64_t seed)
{
    while (r->n_saved)
        run_release(&r->saved[--r->n_saved]);
    r->n = 0;
    r->seed = seed;
    r->now.used = 0;
    begin(r, 0);
    save(r);
}

/* Forget the trials from number n on. */
static void truncate_to(struct cma_replay *r, int n)
{
    r->n = n;
    if (r->now.used <= n)
        return;
    while (r->saved[r->n_saved - 1].used > n)
        run_release(&r->saved[--r->n_saved]);
    run_copy(r, &r->now, &r->saved[r->n_saved - 1]);
}

struct cma_replay *cma_replay_new(const struct hpo_param *const *params, const int *index, int d,
                                  const struct cma_replay_opts *opts)
{
    struct cma_replay *r = xcalloc(1, sizeof(*r));
    int lambda = opts->population ? opts->population : cma_population(d);

    r->opts = *opts;
    r->d = d;
    r->n_recent = 10 + (int)ceil(30.0 * d / lambda);
    r->params = arena_dup(&r->arena, params, sizeof(*params) * (size_t)d);
    r->index = arena_dup(&r->arena, index, sizeof(*index) * (size_t)d);
    for (int k = 0; k <= RESTARTS_MAX; k++) {
        r->rates[k] = k && (!opts->restart || 2 * lambda > POPULATION_MAX)
                          ? r->rates[k - 1]
                          : cma_rates_new(&r->arena, d, lambda *= k ? 2 : 1);
    }
    run_init(r, &r->now);
    reset(r, 0);
    return r;
}

void cma_replay_free(struct cma_replay *r)
{
    if (!r)
        return;
    while (r->n_saved)
        run_release(&r->saved[--r->n_saved]);
    run_release(&r->now);
    arena_release(&r->arena);
    free(r->told);
    free(r->values);
    free(r->coords);
    free(r->saved);
    free(r);
}

static bool tells(const struct cma_replay *r, const struct hpo_trial *t, struct told *ret)
{
    *ret = (struct told){RANK_COMPLETE, 0, t->value};
    if (t->state == HPO_TRIAL_FAIL || (t->state == HPO_TRIAL_COMPLETE && isnan(t->value)))
        *ret = (struct told){RANK_FAIL, 0, 0};
    else if (t->state == HPO_TRIAL_PRUNED && r->opts.pruned)
        *ret = (struct told){RANK_PRUNED, t->n_points ? t->points[t->n_points - 1].step : -1,
                             isnan(t->value) ? INFINITY : t->value};
    else if (t->state != HPO_TRIAL_COMPLETE)
        return false;
    for (int i = 0; i < r->d; i++) {
        double v = t->values[r->index[i]];

        if (!(v >= r->params[i]->low && v <= r->params[i]->high))
            return false;
    }
    return true;
}

static bool is_known(const struct cma_replay *r, int k, const struct told *told,
                     const struct hpo_trial *t)
{
    const double *v;

    if (k >= r->n || r->told[k].rank != told->rank || r->told[k].step != told->step ||
        r->told[k].value != told->value)
        return false;
    v = r->values + (size_t)k * (size_t)r->d;
    for (int i = 0; i < r->d; i++)
        if (v[i] != t->values[r->index[i]])
            return false;
    return true;
}

static void add(struct cma_replay *r, const struct told *told, const struct hpo_trial *t)
{
    size_t d = (size_t)r->d;

    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 64;
        r->told = xrealloc(r->told, sizeof(*r->told) * (size_t)r->cap);
        r->values = xrealloc(r->values, sizeof(double) * d * (size_t)r->cap);
        r->coords = xrealloc(r->coords, sizeof(double) * d * (size_t)r->cap);
    }
    r->told[r->n] = *told;
    for (size_t i = 0; i < d; i++) {
        double v = t->values[r->index[i]];

        r->values[(size_t)r->n * d + i] = v;
        r->coords[(size_t)r->n * d + i] = hpo_param_encode(r->params[i], v);
    }
    r->n++;
}

struct row {
    const struct told *told;
    int k; /* of the chunk */
};

static int better_first(const void *a, const void *b)
{
    const struct row *ra = a, *rb = b;
    const struct told *x = ra->told, *y = rb->told;

    if (x->rank != y->rank)
        return (x->rank > y->rank) - (x->rank < y->rank);
    if (x->step != y->step)
        return (x->step < y->step) - (x->step > y->step);
    if (x->value != y->value)
        return (x->value > y->value) - (x->value < y->value);
    return (ra->k > rb->k) - (ra->k < rb->k);
}

/* The least deviation of a coordinate. A discrete one whose distribution shrank into one cell would
 * be lost for the search: the probability to leave the cell that the mean is in stays at least
 * 1 / (d lambda), the margin of Hamano et al., "CMA-ES with Margin", GECCO 2022. */
static double least_std(const struct cma_replay *r, int i, int lambda)
{
    const struct hpo_param *p = r->params[i];
    double u = fmin(fmax(r->now.dist->mean[i], 0), 1 - 0x1p-53), v, cell;
    int64_t count = hpo_param_count(p);

    if (count < 0)
        return TOL_X_LAST;
    v = hpo_param_decode(p, u);
    cell = p->log ? log((v + 0.5) / (v - 0.5)) / log((p->high + 0.5) / (p->low - 0.5))
                  : 1.0 / (double)count;
    return fmax(cell / 2 / -norm_quantile(0.5 / (r->d * (double)lambda)), TOL_X_LAST);
}

static bool has_ended(const struct cma_replay *r, int lambda)
{
    const struct run *run = &r->now;
    int window = 10 + (int)ceil(30.0 * r->d / lambda);
    double low = INFINITY, high = -INFINITY, widest = 0;

    for (int i = 0; i < r->d; i++)
        if (hpo_param_count(r->params[i]) < 0)
            widest = fmax(widest, cma_std(run->dist, i));
    if (widest > 0 && widest < TOL_X)
        return true;
    if (run->generation - run->improved > STAGNATION + window)
        return true;
    if (run->generation < window)
        return false;
    for (int g = run->generation - window; g < run->generation; g++) {
        low = fmin(low, run->recent[g % r->n_recent]);
        high = fmax(high, run->recent[g % r->n_recent]);
    }
    return !(high - low > TOL_F * fmax(1, fabs(low)));
}

/* Learn from the next population. false: the distribution degenerated. */
static bool step(struct cma_replay *r)
{
    const struct cma_rates *rates = r->rates[r->now.restart];
    size_t d = (size_t)r->d, lambda = (size_t)rates->lambda, first = (size_t)r->now.used;
    struct row *rows = xmalloc(sizeof(*rows) * lambda);
    double *points = xmalloc(sizeof(double) * lambda * d), best;

    for (size_t k = 0; k < lambda; k++)
        rows[k] = (struct row){&r->told[first + k], (int)k};
    qsort(rows, lambda, sizeof(*rows), better_first);
    for (size_t k = 0; k < lambda; k++)
        memcpy(points + k * d, r->coords + (first + (size_t)rows[k].k) * d, sizeof(double) * d);
    cma_update(r->now.dist, rates, points);
    for (int i = 0; i < r->d; i++)
        cma_widen(r->now.dist, i, least_std(r, i, rates->lambda));
    best = rows[0].told->rank == RANK_COMPLETE ? rows[0].told->value : INFINITY;
    r->now.recent[r->now.generation++ % r->n_recent] = best;
    if (best < r->now.best) {
        r->now.best = best;
        r->now.improved = r->now.generation;
    }
    r->now.used += rates->lambda;
    free(points);
    free(rows);
    return !cma_factor(r->now.dist, NULL);
}

/* Whole populations only: the rest waits for those that still run. */
static void advance(struct cma_replay *r)
{
    while (r->n - r->now.used >= r->rates[r->now.restart]->lambda) {
        bool sound = step(r);

        if (!sound || (r->opts.restart && has_ended(r, r->rates[r->now.restart]->lambda))) {
            begin(r, r->now.restart < RESTARTS_MAX ? r->now.restart + 1 : RESTARTS_MAX);
            r->now.used += r->opts.parallel - 1;
        }
        if (r->now.generation % SAVE_EVERY == 0)
            save(r);
    }
}

const struct cma *cma_replay_sync(struct cma_replay *r, const struct hpo_history *h, uint64_t seed,
                                  int *ret_results)
{
    int k = 0, results = 0;

    if (seed != r->seed)
        reset(r, seed);
    for (int i = 0; i < h->n; i++) {
        struct told told;

        if (!tells(r, h->trials[i], &told))
            continue;
        results += told.rank != RANK_FAIL;
        if (!is_known(r, k, &told, h->trials[i])) {
            if (k < r->n)
                truncate_to(r, k);
            add(r, &told, h->trials[i]);
        }
        k++;
    }
    if (k < r->n)
        truncate_to(r, k);
    advance(r);
    *ret_results = results;
    return r->now.dist;
}
