/* Gaussian process: models the value as a smooth function of the parameters, and tries where it
 * may be better than the best so far by the largest expected amount.
 *
 * Snoek et al., "Practical Bayesian Optimization of Machine Learning Algorithms", NIPS 2012, with
 * the kernel, the priors and the acquisition function of Optuna's GPSampler. What differs: the
 * conditions of a space are part of the model (samplers/math/gp_space.h), failed and pruned trials
 * count (samplers/math/gp_data.h), the first trials are a Latin hypercube, and a trial that still
 * runs is taken to bring what the model expects of it, so that workers side by side spread out (the
 * "kriging believer" of Ginsbourger et al., 2010), and the model is doubted when it leads nowhere.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "samplers/math/gp_data.h"
#include "samplers/math/gp_fit.h"
#include "samplers/math/gp_search.h"
#include "samplers/math/lhs.h"

#define DESIGN_MAX 64 /* points of a Latin hypercube */
#define FIT_MAX 200   /* observations that the parameters are fitted to */
#define GUIDED 4      /* attempts at something new before chance alone decides */
#define PATIENCE 10   /* observations, and one more for every axis, without a better one */
#define GAIN 1e-3     /* of a standard deviation: what is less is not better */

/* The last fit: asked again about the same data, with a duplicate in between, it is the answer. */
struct fit {
    int n, d;
    double *x, *y, *weights;
    double scale, noise;
};

struct priv {
    int startup_trials, max_observations;
    bool deterministic;
    struct fit fit;
};

static void fit_release(struct fit *f)
{
    free(f->x);
    free(f->y);
    free(f->weights);
    *f = (struct fit){0};
}

static void *copy(const void *p, size_t bytes)
{
    return bytes ? memcpy(xmalloc(bytes), p, bytes) : NULL;
}

static struct gp_params fit_params(struct priv *priv, const struct gp_data *data)
{
    struct fit *f = &priv->fit;
    int width = gp_width(data->shape);
    size_t x_bytes = sizeof(double) * (size_t)data->n * (size_t)width;
    size_t y_bytes = sizeof(double) * (size_t)data->n;

    if (f->n != data->n || f->d != width || memcmp(f->x, data->x, x_bytes) ||
        memcmp(f->y, data->y, y_bytes)) {
        struct arena a = {0};
        struct gp_params p;

        gp_fit(data, &p, &a);
        fit_release(f);
        *f = (struct fit){
            .n = data->n,
            .d = width,
            .x = copy(data->x, x_bytes),
            .y = copy(data->y, y_bytes),
            .weights = copy(p.weights, sizeof(double) * (size_t)data->shape->n_weights),
            .scale = p.scale,
            .noise = p.noise,
        };
        arena_release(&a);
    }
    return (struct gp_params){f->weights, f->scale, f->noise};
}

/* The parameters change little with the number of observations, while the cost of fitting them
 * grows with its cube: of many, a part that is spread evenly over time, with the best ones in it.
 */
static struct gp_data fit_data(const struct gp_space *space, const struct gp_trials *t,
                               const double *x, bool exact, struct arena *a)
{
    size_t width = (size_t)gp_width(&space->shape);
    double *part_x = ARENA_ARRAY(a, double, FIT_MAX *width);
    double *part_y = ARENA_ARRAY(a, double, FIT_MAX);
    struct gp_data data = {&space->shape, x, t->y, t->n, exact};

    if (t->n <= FIT_MAX)
        return data;
    for (int k = 0; k < FIT_MAX; k++) {
        int i = (int)((int64_t)k * t->n / FIT_MAX), end = (int)((int64_t)(k + 1) * t->n / FIT_MAX);

        for (int j = i + 1; j < end; j++)
            if (t->y[j] < t->y[i])
                i = j;
        memcpy(part_x + (size_t)k * width, x + (size_t)i * width, sizeof(double) * width);
        part_y[k] = t->y[i];
    }
    return (struct gp_data){&space->shape, part_x, part_y, FIT_MAX, exact};
}

static void features(const struct gp_space *space, const double *coords, int n, double *ret,
                     struct arena *a)
{
    size_t width = (size_t)gp_width(&space->shape);
    bool *active = ARENA_ARRAY(a, bool, space->d);

    for (size_t i = 0; i < (size_t)n; i++) {
        gp_space_active(space, coords + i * (size_t)space->d, active);
        gp_space_features(space, coords + i * (size_t)space->d, active, ret + i * width);
    }
}

/* A model that is sure of too much goes on polishing one optimum: an axis along which nothing has
 * changed yet counts as one that changes nothing, and is never moved along again. When there was no
 * progress for a while, every third trial is found with length-scales cut to 1/2, 1/4, 1/8 and 1/16
 * by turns, with which the unknown begins nearer by (Berkenkamp, Schoellig & Krause, "No-Regret
 * Bayesian Optimization with Unknown Hyperparameters", JMLR 20, 2019). */
static void distrust(const struct gp_trials *t, int d, int next, struct gp_params *p,
                     struct arena *a)
{
    double best = INFINITY, *weights;
    int since = 0;

    for (int i = 0; i < t->n; i++) {
        since = t->y[i] < best - GAIN ? 0 : since + 1;
        best = fmin(best, t->y[i]);
    }
    if (since <= PATIENCE + d || next % 3)
        return;
    weights = ARENA_ARRAY(a, double, d);
    for (int j = 0; j < d; j++)
        weights[j] = ldexp(p->weights[j], 2 * (1 + next / 3 % 4));
    p->weights = weights;
}

/* The process given what ended, and then given too what it expects of the pending trials. Returns
 * what there is to improve on: the best value, also of those that are expected. */
static double model(struct priv *priv, const struct gp_space *space, const struct gp_trials *t,
                    int next, struct gp *ret, struct arena *a)
{
    size_t width = (size_t)gp_width(&space->shape);
    int n = t->n + t->n_pending;
    double *x = ARENA_ARRAY(a, double, (size_t)n *width), *y = ARENA_ARRAY(a, double, n);
    struct gp_params params;
    struct gp_data data;
    double best = t->best;

    features(space, t->coords, t->n, x, a);
    features(space, t->pending, t->n_pending, x + (size_t)t->n * width, a);
    memcpy(y, t->y, sizeof(double) * (size_t)t->n);
    data = fit_data(space, t, x, priv->deterministic, a);
    params = fit_params(priv, &data);
    distrust(t, space->d, next, &params, a);
    gp_condition(ret, &space->shape, &params, x, y, t->n, a);
    if (t->n_pending) {
        double *k = ARENA_ARRAY(a, double, t->n);

        for (int i = t->n; i < n; i++) {
            gp_covariances(ret, x + (size_t)i * width, 1, k, NULL);
            y[i] = gp_mean(ret, k);
            best = fmin(best, y[i]);
        }
        gp_condition(ret, &space->shape, &params, x, y, n, a);
    }
    return best;
}

static bool is_new(const struct hpo_history *h, const double *values)
{
    for (int i = 0; i < h->n; i++)
        if (hpo_values_equal(h->space, h->trials[i]->values, values))
            return false;
    return true;
}

/* false: nothing that was found is new. */
static bool propose(struct sampler *s, const struct gp_space *space, const struct gp_trials *t,
                    const struct hpo_history *h, struct hpo_rng *rng, int attempt,
                    double *ret_values, struct arena *a)
{
    struct gp gp;
    struct gp_search search = {
        .gp = &gp,
        .space = space,
        .coords = t->coords,
        .y = t->y,
        .n_observed = t->n,
        .repeat = s->duplicates,
        .climb = attempt == 0,
    };
    double *coords;
    int n;

    search.best = model(s->priv, space, t, h->next, &gp, a);
    n = gp_search(&search, rng, &coords, a);
    for (int i = 0; i < n; i++) {
        gp_space_values(space, coords + (size_t)i * (size_t)space->d, ret_values);
        if (s->duplicates || is_new(h, ret_values))
            return true;
    }
    return false;
}

/* The Latin hypercube; what is asked again, and what the model has no answer to, is random. */
static void draw(struct sampler *s, const struct gp_space *space, const struct hpo_history *h,
                 bool design, struct hpo_rng *rng, double *ret_values, struct arena *a)
{
    const struct priv *priv = s->priv;
    int n = priv->startup_trials;
    double *u = ARENA_ARRAY(a, double, space->d);

    if (design && space->d)
        lhs_point(s->seed, h->next, n < 1 ? 1 : n > DESIGN_MAX ? DESIGN_MAX : n, space->d, u);
    for (int j = 0; j < space->d; j++)
        u[j] = gp_axis_draw(&space->axes[j], design ? u[j] : hpo_rng_uniform(rng));
    gp_space_values(space, u, ret_values);
}

static int suggest(struct sampler *s, const struct hpo_history *h, struct hpo_rng *rng, int attempt,
                   double *ret_values, struct hpo_err *err)
{
    const struct priv *priv = s->priv;
    struct arena a = {0};
    struct gp_space space;
    struct gp_trials t = {0};
    bool startup = gp_results(h) < (priv->startup_trials > 1 ? priv->startup_trials : 1);

    gp_space_init(&space, s->space, &a);
    if (!startup && space.d && attempt < GUIDED)
        gp_trials_read(&t, &space, h, priv->max_observations, &a);
    if (!t.n || !propose(s, &space, &t, h, rng, attempt, ret_values, &a))
        draw(s, &space, h, startup && !attempt, rng, ret_values, &a);
    arena_release(&a);
    return 0;
}

static void release(struct sampler *s)
{
    struct priv *priv = s->priv;

    if (priv)
        fit_release(&priv->fit);
}

static const struct hpo_opt opts[] = {
    HPO_OPT(INT, struct priv, startup_trials, "startup_trials", "10", 0, 1000000, 0,
            "trials spread evenly over the space (a Latin hypercube) until this many are COMPLETE "
            "or PRUNED"),
    HPO_OPT(BOOL, struct priv, deterministic, "deterministic_objective", "false", 0, 0, 0,
            "the same configuration always has the same value; false: how much it varies is "
            "estimated"),
    HPO_OPT(INT, struct priv, max_observations, "max_observations", "400", 10, 2000, 0,
            "trials in the model; of more, the best half and the latest others, since the time of "
            "an ask grows with the cube"),
    {0},
};

const struct sampler_ops sampler_gp = {
    .plugin = {.name = "gp",
               .help = "Gaussian process: models the value and tries where it promises to improve "
                       "most; the best choice for few, expensive trials",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .suggest = suggest,
    .release = release,
};
