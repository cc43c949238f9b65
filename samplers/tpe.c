/* Tree-structured Parzen estimator: draws where good trials are dense and bad ones are not.
 *
 * Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011, with the choices of
 * Optuna's TPESampler and the defaults of its version 5. Two things differ. A failed trial counts
 * as a bad one, where Optuna forgets it and may propose its neighbours for ever. And the space is
 * declared, so what is searched jointly follows from it (the parameters that share their
 * conditions), not from what the trials so far have in common. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "samplers/math/tpe_block.h"
#include "samplers/math/tpe_group.h"

/* Histories that are remembered at once: with Hyperband each bracket has its own. */
#define MEMORIES 8

/* All of it is cache. */
struct memory {
    uint64_t used; /* when, by the sampler's own count */
    struct tpe_past past;
    struct tpe_split split;
    int split_cap;
    int *group; /* per parameter: the first of its block */
    struct tpe_block *blocks;
    int *block_of; /* per parameter: its block; -1: it has one value */
    bool *drawn;   /* per block: in this proposal */
    int n_blocks;
};

struct priv {
    int startup_trials, ei_candidates;
    bool multivariate, group, constant_liar;

    struct memory *memories; /* MEMORIES */
    uint64_t asks;
    bool *single; /* per parameter: it has one value */
    int *wanted;  /* scratch: a group */
    int *index;   /* scratch: a block */
    double *draw; /* scratch: values */
};

static int init(struct sampler *s, struct hpo_err *err)
{
    struct priv *priv = s->priv;
    const struct hpo_space *space = s->space;

    if (priv->group && !priv->multivariate)
        return hpo_fail(err, HPO_ECONFIG, "tpe: group: true needs multivariate: true");
    priv->memories = ARENA_ARRAY(s->arena, struct memory, MEMORIES);
    priv->single = ARENA_ARRAY(s->arena, bool, space->n);
    priv->wanted = ARENA_ARRAY(s->arena, int, space->n);
    priv->index = ARENA_ARRAY(s->arena, int, space->n);
    priv->draw = ARENA_ARRAY(s->arena, double, space->n);
    for (int i = 0; i < space->n; i++)
        priv->single[i] = hpo_param_count(&space->params[i]) == 1;
    return 0;
}

static void free_blocks(struct memory *m)
{
    for (int k = 0; k < m->n_blocks; k++)
        tpe_block_release(&m->blocks[k]);
    free(m->blocks);
    free(m->drawn);
    m->blocks = NULL;
    m->drawn = NULL;
    m->n_blocks = 0;
}

static void forget(struct memory *m)
{
    free_blocks(m);
    tpe_past_release(&m->past);
    free(m->split.below);
    free(m->split.above);
    free(m->group);
    free(m->block_of);
    *m = (struct memory){0};
}

static void release(struct sampler *s)
{
    struct priv *priv = s->priv;

    for (int k = 0; priv->memories && k < MEMORIES; k++)
        forget(&priv->memories[k]);
}

/* The memory of this history, or the one that was idle longest, emptied. */
static struct memory *recall(struct priv *priv, const struct hpo_history *h)
{
    struct memory *oldest = &priv->memories[0];

    for (int k = 0; k < MEMORIES; k++) {
        struct memory *m = &priv->memories[k];

        if (tpe_past_matches(&m->past, h))
            return m;
        if (m->used < oldest->used)
            oldest = m;
    }
    forget(oldest);
    oldest->past.width = h->space->n;
    return oldest;
}

static void split(struct memory *m, bool pending)
{
    int n = m->past.n;

    if (!m->split.below)
        m->split.below = xmalloc(sizeof(int) * TPE_BELOW_MAX);
    if (n >= m->split_cap) {
        m->split_cap = n + n / 2 + 64;
        m->split.above = xrealloc(m->split.above, sizeof(int) * (size_t)m->split_cap);
    }
    tpe_split_scores(&m->past.scores, n, pending, &m->split);
}

static void make_blocks(struct memory *m, const struct priv *priv, const struct hpo_space *space)
{
    free_blocks(m);
    m->blocks = xcalloc((size_t)space->n, sizeof(*m->blocks));
    m->drawn = xcalloc((size_t)space->n, sizeof(bool));
    for (int i = 0; i < space->n; i++)
        m->block_of[i] = -1;
    for (int i = 0; i < space->n; i++) {
        int d = 0;

        if (m->block_of[i] >= 0 || priv->single[i])
            continue;
        for (int k = i; k < space->n; k++)
            if (m->group[k] == m->group[i] && !priv->single[k]) {
                m->block_of[k] = m->n_blocks;
                priv->index[d++] = k;
            }
        tpe_block_init(&m->blocks[m->n_blocks++], space, priv->index, d);
    }
}

static void group(struct memory *m, struct priv *priv, const struct hpo_space *space)
{
    size_t bytes = sizeof(int) * (size_t)space->n;

    if (m->blocks && !priv->group)
        return; /* declared once and for all */
    if (priv->group)
        tpe_group_seen(space, &m->past, priv->wanted);
    else if (priv->multivariate)
        tpe_group_declared(space, priv->wanted);
    else
        tpe_group_none(space, priv->wanted);
    if (m->blocks && !memcmp(m->group, priv->wanted, bytes))
        return;
    if (!m->group) {
        m->group = xmalloc(bytes);
        m->block_of = xmalloc(bytes);
    }
    memcpy(m->group, priv->wanted, bytes);
    make_blocks(m, priv, space);
}

static void draw_random(const struct hpo_space *space, struct hpo_rng *rng, double *ret_values)
{
    for (int i = 0; i < space->n; i++)
        ret_values[i] = hpo_param_decode(&space->params[i], hpo_rng_uniform(rng));
    hpo_space_mask(space, ret_values);
}

/* Parents first: what is active follows from them. A block may have parameters that then turn out
 * not to be. */
static void draw(struct memory *m, const struct priv *priv, const struct hpo_space *space,
                 int candidates, struct hpo_rng *rng, double *ret_values)
{
    for (int i = 0; i < space->n; i++)
        ret_values[i] = NAN;
    for (int b = 0; b < m->n_blocks; b++)
        m->drawn[b] = false;
    for (int k = 0; k < space->n; k++) {
        int i = space->order[k], b = m->block_of[i];

        if (!hpo_param_active(space, i, ret_values))
            continue;
        if (b >= 0 && !m->drawn[b]) {
            tpe_block_draw(&m->blocks[b], &m->past, &m->split, candidates, rng, priv->draw);
            m->drawn[b] = true;
        }
        ret_values[i] = b >= 0 ? priv->draw[i] : space->params[i].low;
    }
}

static int suggest(struct sampler *s, const struct hpo_history *h, struct hpo_rng *rng, int attempt,
                   double *ret_values, struct hpo_err *err)
{
    struct priv *priv = s->priv;
    struct memory *m = recall(priv, h);
    /* The best of many candidates is much the same each time. When it was tried already, fewer
     * leave more to chance, down to a plain draw around the good trials. */
    int candidates = priv->ei_candidates >> (attempt < 20 ? attempt : 20);

    m->used = ++priv->asks;
    tpe_past_sync(&m->past, h);
    split(m, priv->constant_liar);
    if (m->split.n_results < priv->startup_trials) {
        draw_random(s->space, rng, ret_values);
        return 0;
    }
    if (s->space->n)
        group(m, priv, s->space);
    draw(m, priv, s->space, candidates > 1 ? candidates : 1, rng, ret_values);
    return 0;
}

static const struct hpo_opt opts[] = {
    HPO_OPT(INT, struct priv, startup_trials, "startup_trials", "10", 0, 1000000, 0,
            "random draws until this many trials are COMPLETE or PRUNED"),
    HPO_OPT(INT, struct priv, ei_candidates, "ei_candidates", "24", 1, 10000, 0,
            "candidates drawn for one proposal; the most promising one is taken"),
    HPO_OPT(BOOL, struct priv, multivariate, "multivariate", "true", 0, 0, 0,
            "search parameters with the same conditions jointly; false: each one for itself"),
    HPO_OPT(BOOL, struct priv, group, "group", "false", 0, 0, 0,
            "search parameters jointly that have occurred in the same trials, whatever their "
            "conditions are"),
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
    .init = init,
    .suggest = suggest,
    .release = release,
};
