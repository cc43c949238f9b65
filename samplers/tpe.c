/* Tree-structured Parzen estimator: draws where good trials are dense and bad ones are not.
 *
 * Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011, with the choices of
 * Optuna's TPESampler and the defaults of its version 5. Two things differ. A failed trial counts
 * as a bad one, where Optuna forgets it and may propose its neighbours for ever. And the space is
 * declared, so what is searched jointly follows from it (the parameters without a condition),
 * not from what the trials so far have in common. */
#include <math.h>

#include "hpo/core/sampler.h"
#include "samplers/math/parzen.h"
#include "samplers/math/split.h"

struct priv {
    int startup_trials, ei_candidates;
    bool multivariate, constant_liar;
};

/* Parameters that are searched jointly. */
struct block {
    const struct hpo_param **params;
    int *index;
    int d;
};

static bool is_single(const struct hpo_param *p)
{
    return hpo_param_count(p) == 1;
}

static void draw_random(const struct hpo_space *space, struct hpo_rng *rng, double *ret_values)
{
    for (int i = 0; i < space->n; i++)
        ret_values[i] = hpo_param_decode(&space->params[i], hpo_rng_uniform(rng));
    hpo_space_mask(space, ret_values);
}

/* Only a trial that has all of the block's parameters tells something about it. A value outside the
 * bounds comes from a trial that someone made by hand. */
static bool tells(const struct hpo_trial *t, const struct block *b)
{
    for (int j = 0; j < b->d; j++) {
        double v = t->values[b->index[j]];

        if (!(v >= b->params[j]->low && v <= b->params[j]->high))
            return false;
    }
    return true;
}

static struct parzen *fit(const struct hpo_history *h, const struct block *b, const int *trials,
                          int n_trials, struct arena *a)
{
    int *used = ARENA_ARRAY(a, int, n_trials), n = 0;
    double *obs;

    for (int i = 0; i < n_trials; i++)
        if (tells(h->trials[trials[i]], b))
            used[n++] = trials[i];
    obs = ARENA_ARRAY(a, double, (size_t)n *(size_t)b->d);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < b->d; j++)
            obs[(size_t)j * (size_t)n + (size_t)i] = h->trials[used[i]]->values[b->index[j]];
    return parzen_new(a, b->params, b->d, obs, n);
}

/* The candidate, drawn around the good trials, that is likeliest to be one of them. */
static void draw_best(const struct hpo_history *h, const struct tpe_split *split,
                      const struct block *b, int candidates, struct hpo_rng *rng,
                      double *ret_values)
{
    struct arena a = {0};
    const struct parzen *below = fit(h, b, split->below, split->n_below, &a);
    const struct parzen *above = fit(h, b, split->above, split->n_above, &a);
    size_t d = (size_t)b->d, m = (size_t)candidates;
    double *x = ARENA_ARRAY(&a, double, m *d);
    double *good = ARENA_ARRAY(&a, double, m), *bad = ARENA_ARRAY(&a, double, m);
    size_t best = 0;

    for (size_t i = 0; i < m; i++)
        parzen_sample(below, rng, x + i * d);
    if (candidates > 1) {
        parzen_log_pdf(below, x, candidates, good);
        parzen_log_pdf(above, x, candidates, bad);
    }
    for (size_t i = 1; i < m; i++)
        if (good[i] - bad[i] > good[best] - bad[best])
            best = i;
    for (size_t j = 0; j < d; j++)
        ret_values[b->index[j]] = x[best * d + j];
    arena_release(&a);
}

static int suggest(struct sampler *s, const struct hpo_history *h, struct hpo_rng *rng, int attempt,
                   double *ret_values, struct hpo_err *err)
{
    const struct priv *priv = s->priv;
    const struct hpo_space *space = s->space;
    struct arena a = {0};
    struct tpe_split split = tpe_split(h, priv->constant_liar, &a);
    struct block b = {ARENA_ARRAY(&a, const struct hpo_param *, space->n),
                      ARENA_ARRAY(&a, int, space->n), 0};
    /* The best of many candidates is much the same each time. When it was tried already, fewer
     * leave more to chance, down to a plain draw around the good trials. */
    int candidates = priv->ei_candidates >> (attempt < 20 ? attempt : 20);

    candidates = candidates > 1 ? candidates : 1;
    if (split.n_results < priv->startup_trials) {
        draw_random(space, rng, ret_values);
        arena_release(&a);
        return 0;
    }
    for (int i = 0; i < space->n; i++) {
        const struct hpo_param *p = &space->params[i];

        ret_values[i] = is_single(p) ? p->low : NAN;
        if (priv->multivariate && !p->n_when && !is_single(p)) {
            b.params[b.d] = p;
            b.index[b.d++] = i;
        }
    }
    if (b.d)
        draw_best(h, &split, &b, candidates, rng, ret_values);
    /* What is left one by one, parents first: what is active follows from them. */
    for (int k = 0; k < space->n; k++) {
        int i = space->order[k];

        if (!isnan(ret_values[i]) || !hpo_param_active(space, i, ret_values))
            continue;
        b.params[0] = &space->params[i];
        b.index[0] = i;
        b.d = 1;
        draw_best(h, &split, &b, candidates, rng, ret_values);
    }
    hpo_space_mask(space, ret_values);
    arena_release(&a);
    return 0;
}

static const struct hpo_opt opts[] = {
    HPO_OPT(INT, struct priv, startup_trials, "startup_trials", "10", 0, 1000000, 0,
            "random draws until this many trials are COMPLETE or PRUNED"),
    HPO_OPT(INT, struct priv, ei_candidates, "ei_candidates", "24", 1, 10000, 0,
            "candidates drawn for one proposal; the most promising one is taken"),
    HPO_OPT(BOOL, struct priv, multivariate, "multivariate", "true", 0, 0, 0,
            "search parameters that no condition governs jointly; false: each one for itself"),
    HPO_OPT(BOOL, struct priv, constant_liar, "constant_liar", "true", 0, 0, 0,
            "take trials that have not ended for bad ones, so that workers side by side do not "
            "crowd around one point"),
    {0},
};

const struct sampler_ops sampler_tpe = {
    .plugin = {.name = "tpe",
               .help = "tree-structured Parzen estimator: learns from the trials so far where good "
                       "values are dense",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .suggest = suggest,
};
