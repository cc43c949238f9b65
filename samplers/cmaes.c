/* Covariance matrix adaptation evolution strategy: a normal distribution that learns which way the
 * values get better, and how far to go.
 *
 * The algorithm is in math/cma.h, the distribution that a history leads to in math/cma_replay.h.
 * The set-up is that of Optuna's CmaEsSampler: the space scaled to [0, 1], steps widened by half a
 * step, from the middle with a deviation of a sixth. Different: nothing is stored beside the
 * trials; what failed or was pruned counts as bad rather than being forgotten; a discrete parameter
 * never freezes; and choices, conditional parameters and what their conditions look at are left to
 * TPE, which learns too, where Optuna draws them at random for ever. */
#include <math.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "samplers/math/cma_replay.h"

enum { RESTART_NONE, RESTART_IPOP };

struct priv {
    int population, restart, startup_trials, independent;
    double sigma0;
    bool consider_pruned_trials;

    /* The parameters that are searched here. */
    const struct hpo_param **params;
    int *index;
    int d;
    double *x;
    struct cma_replay *replay; /* NULL: d is 0 */

    /* And the others, as a space of their own. */
    struct hpo_space *rest;
    int *rest_index;
    struct sampler other; /* ops NULL: there are none */
    const char *note;
};

/* What a condition looks at decides which parameters there are: that is no place in a space. */
static bool is_looked_at(const struct hpo_space *space, int param)
{
    for (int i = 0; i < space->n; i++)
        for (int k = 0; k < space->params[i].n_when; k++)
            if (space->params[i].when[k].param == param)
                return true;
    return false;
}

static bool is_ours(const struct hpo_space *space, int i)
{
    const struct hpo_param *p = &space->params[i];

    return p->kind != HPO_PARAM_CATEGORICAL && !p->n_when && hpo_param_count(p) != 1 &&
           !is_looked_at(space, i);
}

/* The rest is closed: what its conditions look at is in it. */
static int make_rest(struct sampler *s, struct hpo_err *err)
{
    const struct hpo_space *space = s->space;
    struct priv *c = s->priv;
    struct hpo_param *params = ARENA_ARRAY(s->arena, struct hpo_param, space->n);
    int *place = ARENA_ARRAY(s->arena, int, space->n);

    c->rest = ARENA_NEW(s->arena, struct hpo_space);
    c->rest_index = ARENA_ARRAY(s->arena, int, space->n);
    for (int i = 0; i < space->n; i++)
        if (!is_ours(space, i)) {
            place[i] = c->rest->n;
            params[c->rest->n] = space->params[i];
            c->rest_index[c->rest->n++] = i;
        }
    for (int j = 0; j < c->rest->n; j++) {
        struct hpo_when *when =
            arena_dup(s->arena, params[j].when, sizeof(*when) * (size_t)params[j].n_when);

        for (int k = 0; k < params[j].n_when; k++)
            when[k].param = place[when[k].param];
        params[j].when = when;
    }
    c->rest->params = params;
    return hpo_space_finish(c->rest, s->arena, err);
}

static int open_other(struct sampler *s, struct hpo_err *err)
{
    struct priv *c = s->priv;
    const struct hpo_opt *o = hpo_opt_find(s->ops->plugin.opts, "independent");
    const char *name = hpo_opt_get(o, c, s->arena);
    const struct sampler_ops *ops = hpo_registry_find((const void *const *)sampler_registry, name);
    struct sampler_study study = {c->rest, s->seed, s->trials, s->parallel, s->duplicates};
    int single = 0;

    for (int j = 0; j < c->rest->n; j++)
        single += hpo_param_count(&c->rest->params[j]) == 1;
    if (c->rest->n > single)
        c->note = arena_printf(s->arena,
                               "cmaes: %d of %d parameters, those with choices or conditions, are "
                               "left to %s",
                               c->rest->n - single, s->space->n, name);
    return sampler_open(&c->other, ops, NULL, &study, s->arena, err);
}

static int init(struct sampler *s, struct hpo_err *err)
{
    const struct hpo_space *space = s->space;
    struct priv *c = s->priv;
    struct cma_replay_opts opts = {.population = c->population > 0 ? c->population : 0,
                                   .sigma0 = isnan(c->sigma0) ? 1.0 / 6 : c->sigma0,
                                   .restart = c->restart == RESTART_IPOP,
                                   .pruned = c->consider_pruned_trials,
                                   .parallel = s->parallel};
    int rc;

    c->params = ARENA_ARRAY(s->arena, const struct hpo_param *, space->n);
    c->index = ARENA_ARRAY(s->arena, int, space->n);
    c->x = ARENA_ARRAY(s->arena, double, space->n);
    for (int i = 0; i < space->n; i++)
        if (is_ours(space, i)) {
            c->params[c->d] = &space->params[i];
            c->index[c->d++] = i;
        }
    rc = make_rest(s, err);
    if (!rc && c->rest->n)
        rc = open_other(s, err);
    if (!rc && c->d)
        c->replay = cma_replay_new(c->params, c->index, c->d, &opts);
    return rc;
}

static void release(struct sampler *s)
{
    struct priv *c = s->priv;

    cma_replay_free(c->replay);
    sampler_close(&c->other);
}

/* The other sampler sees trials that have its own parameters alone. */
static int suggest_rest(struct sampler *s, const struct hpo_history *h, struct hpo_rng *rng,
                        int attempt, double *ret_values, struct hpo_err *err)
{
    struct priv *c = s->priv;
    size_t m = (size_t)c->rest->n, n = (size_t)h->n;
    struct arena a = {0};
    struct hpo_trial *trials = ARENA_ARRAY(&a, struct hpo_trial, n);
    const struct hpo_trial **at = ARENA_ARRAY(&a, const struct hpo_trial *, n);
    double *values = ARENA_ARRAY(&a, double, (n + 1) * m), *v = values + n * m;
    struct hpo_history part = {c->rest, at, h->n, h->next};
    int rc;

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < m; j++)
            values[i * m + j] = h->trials[i]->values[c->rest_index[j]];
        trials[i] = *h->trials[i];
        trials[i].values = values + i * m;
        at[i] = &trials[i];
    }
    c->other.seed = s->seed;
    rc = c->other.ops->suggest(&c->other, &part, rng, attempt, v, err);
    for (size_t j = 0; !rc && j < m; j++)
        ret_values[c->rest_index[j]] = v[j];
    arena_release(&a);
    return rc;
}

/* A draw outside is drawn again, as Optuna does it; one that will not come inside is moved to the
 * border. */
static void draw(const struct priv *c, const struct cma *dist, double scale, struct hpo_rng *rng)
{
    for (int tries = 0; tries < 10 * c->d; tries++) {
        bool inside = true;

        cma_sample(dist, scale, rng, c->x);
        for (int i = 0; i < c->d; i++)
            inside = inside && c->x[i] >= 0 && c->x[i] <= 1;
        if (inside)
            return;
    }
}

static void suggest_ours(struct sampler *s, const struct hpo_history *h, struct hpo_rng *rng,
                         int attempt, double *ret_values)
{
    struct priv *c = s->priv;
    int results;
    const struct cma *dist = cma_replay_sync(c->replay, h, s->seed, &results);

    if (results < c->startup_trials)
        for (int i = 0; i < c->d; i++)
            c->x[i] = hpo_rng_uniform(rng);
    else
        /* On a grid a narrow distribution repeats itself: the next best is a little further out. */
        draw(c, dist, pow(1.1, attempt), rng);
    for (int i = 0; i < c->d; i++) {
        double u = fmin(fmax(c->x[i], 0), 1 - 0x1p-53);

        ret_values[c->index[i]] = hpo_param_decode(c->params[i], u);
    }
}

static int suggest(struct sampler *s, const struct hpo_history *h, struct hpo_rng *rng, int attempt,
                   double *ret_values, struct hpo_err *err)
{
    struct priv *c = s->priv;

    if (c->replay)
        suggest_ours(s, h, rng, attempt, ret_values);
    return c->other.ops ? suggest_rest(s, h, rng, attempt, ret_values, err) : 0;
}

static const char *describe(const struct sampler *s)
{
    const struct priv *c = s->priv;

    return c->note;
}

static const struct hpo_opt opts[] = {
    HPO_OPT(INT, struct priv, population, "population", "auto", 4, 10000, HPO_OPT_AUTO,
            "trials between two updates of the distribution; auto: 4 + 3 ln d, rounded down, for d "
            "parameters"),
    HPO_OPT(REAL, struct priv, sigma0, "sigma0", "auto", 0, 10, HPO_OPT_AUTO | HPO_OPT_MIN_OPEN,
            "standard deviation at the start, as a share of each parameter's range; auto: a sixth"),
    HPO_OPT_WORDS(struct priv, restart, "restart", "none", "none|ipop", 0,
                  "what to do when the search has converged; ipop: start again from a random "
                  "place with twice the population"),
    HPO_OPT(INT, struct priv, startup_trials, "startup_trials", "1", 0, 1000000, 0,
            "random draws until this many trials have a result"),
    HPO_OPT(BOOL, struct priv, consider_pruned_trials, "consider_pruned_trials", "true", 0, 0, 0,
            "learn from PRUNED trials, as worse than COMPLETE ones; false: pass them over"),
    HPO_OPT_WORDS(struct priv, independent, "independent", "tpe", "tpe|random", 0,
                  "the sampler of what is not searched here: parameters with choices or "
                  "conditions, and those that conditions look at"),
    {0},
};

const struct sampler_ops sampler_cmaes = {
    .plugin = {.name = "cmaes",
               .help = "evolution strategy (CMA-ES): learns scales and directions, for numeric "
                       "parameters and hundreds of trials",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .init = init,
    .suggest = suggest,
    .release = release,
    .describe = describe,
};
