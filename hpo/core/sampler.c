#include "hpo/core/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "hpo/core/cells.h"

/* Enough that a chance repeat never gets through while a tenth of the space is still free. */
#define ATTEMPTS 64

/* What was tried so far. A cache: it holds a copy of the values that it was made from, and what of
 * the history differs is folded in again. */
struct sampler_cache {
    bool finite;
    struct hpo_cells cells; /* finite: of the space */
    uint8_t *tried;         /* finite: per cell */
    int64_t n_tried;        /* finite: cells tried */
    double *values;         /* n x space->n */
    uint64_t *hash;         /* n; not finite */
    int n, cap;
    int *slot;   /* 2 cap; not finite: by hash, the last trial there + 1; 0: none */
    int *before; /* n; not finite: the one before it in its slot + 1 */
};

static void cache_free(struct sampler_cache *c)
{
    if (!c)
        return;
    hpo_cells_release(&c->cells);
    free(c->tried);
    free(c->values);
    free(c->hash);
    free(c->slot);
    free(c->before);
    free(c);
}

static struct sampler_cache *cache_new(const struct hpo_space *space)
{
    struct sampler_cache *c = xcalloc(1, sizeof(*c));

    c->finite = hpo_cells_init(&c->cells, space);
    if (c->finite)
        c->tried = xcalloc((size_t)c->cells.count, 1);
    return c;
}

static int *slot_of(const struct sampler_cache *c, uint64_t hash)
{
    return &c->slot[hash & (2 * (uint64_t)c->cap - 1)]; /* cap is a power of two */
}

static void chain(struct sampler_cache *c, int i)
{
    int *slot = slot_of(c, c->hash[i]);

    c->before[i] = *slot;
    *slot = i + 1;
}

static void cache_grow(struct sampler_cache *c, size_t width)
{
    c->cap = c->cap ? c->cap * 2 : 64;
    c->values = xrealloc(c->values, sizeof(double) * width * (size_t)c->cap);
    if (c->finite)
        return;
    c->hash = xrealloc(c->hash, sizeof(uint64_t) * (size_t)c->cap);
    c->before = xrealloc(c->before, sizeof(int) * (size_t)c->cap);
    free(c->slot);
    c->slot = xcalloc(2 * (size_t)c->cap, sizeof(int));
    for (int i = 0; i < c->n; i++)
        chain(c, i);
}

static void cache_add(struct sampler_cache *c, const struct hpo_space *space, const double *values)
{
    size_t width = (size_t)space->n;

    if (c->n == c->cap)
        cache_grow(c, width);
    if (width)
        memcpy(c->values + width * (size_t)c->n, values, sizeof(double) * width);
    if (c->finite) {
        int64_t cell = hpo_cells_find(&c->cells, values); /* -1: made by hand, outside the space */

        if (cell >= 0 && !c->tried[cell]) {
            c->tried[cell] = 1;
            c->n_tried++;
        }
    } else {
        c->hash[c->n] = hpo_values_hash(space, values);
        chain(c, c->n);
    }
    c->n++;
}

static void cache_clear(struct sampler_cache *c)
{
    c->n = 0;
    c->n_tried = 0;
    if (c->finite)
        memset(c->tried, 0, (size_t)c->cells.count);
    else
        memset(c->slot, 0, sizeof(int) * 2 * (size_t)c->cap);
}

/* Bit by bit. A few numbers each: calling memcmp would take as long as comparing. */
static bool same(const double *a, const double *b, int n)
{
    uint64_t differ = 0;

    for (int i = 0; i < n; i++) {
        uint64_t x, y;

        memcpy(&x, &a[i], sizeof(x));
        memcpy(&y, &b[i], sizeof(y));
        differ |= x ^ y;
    }
    return !differ;
}

/* A history is the last one grown longer, as a rule. Whether it is, is seen by comparing: that
 * takes some 30 us for 10,000 trials, and the cache can never change an answer. */
static void cache_sync(struct sampler_cache *c, const struct hpo_space *space,
                       const struct hpo_history *h)
{
    size_t width = (size_t)space->n;
    int i = 0;

    while (i < c->n && i < h->n &&
           same(c->values + width * (size_t)i, h->trials[i]->values, space->n))
        i++;
    if (i < c->n) {
        cache_clear(c);
        i = 0;
    }
    for (; i < h->n; i++)
        cache_add(c, space, h->trials[i]->values);
}

static bool was_tried(const struct sampler_cache *c, const struct hpo_space *space,
                      const double *values)
{
    uint64_t hash;

    if (c->finite)
        return c->tried[hpo_cells_find(&c->cells, values)];
    if (!c->n)
        return false;
    hash = hpo_values_hash(space, values);
    for (int i = *slot_of(c, hash) - 1; i >= 0; i = c->before[i] - 1)
        if (c->hash[i] == hash &&
            hpo_values_equal(space, c->values + (size_t)space->n * (size_t)i, values))
            return true;
    return false;
}

/* Uniformly one of the cells that are left; there is one. */
static void pick_untried(const struct sampler_cache *c, struct hpo_rng *rng, double *ret_values)
{
    uint64_t k = hpo_rng_below(rng, (uint64_t)(c->cells.count - c->n_tried));
    int64_t i = 0;

    for (;; i++)
        if (!c->tried[i] && k-- == 0)
            break;
    hpo_cells_at(&c->cells, i, ret_values);
}

int sampler_open(struct sampler *ret, const struct sampler_ops *ops, const void *priv,
                 const struct sampler_study *study, struct arena *a, struct hpo_err *err)
{
    struct sampler s = {
        .ops = ops,
        .space = study->space,
        .seed = study->seed,
        .trials = study->trials,
        .parallel = study->parallel > 1 ? study->parallel : 1,
        .duplicates = study->duplicates,
        .arena = a,
    };
    int rc = 0;

    s.priv = arena_alloc(a, ops->plugin.priv_size);
    if (priv && ops->plugin.priv_size)
        memcpy(s.priv, priv, ops->plugin.priv_size);
    else
        hpo_opt_defaults(ops->plugin.opts, s.priv, a);
    if (ops->init)
        rc = ops->init(&s, err);
    if (rc) {
        sampler_close(&s);
        return rc;
    }
    *ret = s;
    return 0;
}

void sampler_close(struct sampler *s)
{
    if (s->ops && s->ops->release)
        s->ops->release(s);
    cache_free(s->cache);
    *s = (struct sampler){0};
}

static int ask(struct sampler *s, const struct hpo_history *h, int attempt, double *ret_values,
               struct hpo_err *err)
{
    struct hpo_rng rng = hpo_rng_for(s->seed, h->next, -1, "sample", (uint64_t)attempt);
    int rc = s->ops->suggest(s, h, &rng, attempt, ret_values, err);

    if (!rc && !hpo_space_contains(s->space, ret_values))
        rc = hpo_fail(err, HPO_ENUMERIC, "sampler %s proposed values outside the space",
                      s->ops->plugin.name);
    return rc;
}

static int next_new(struct sampler *s, const struct hpo_history *h, const struct hpo_history *tried,
                    double *ret_values, struct hpo_err *err)
{
    struct sampler_cache *c;
    struct hpo_rng rng;
    int rc;

    if (!s->cache)
        s->cache = cache_new(s->space);
    c = s->cache;
    cache_sync(c, s->space, tried);
    if (c->finite && c->n_tried == c->cells.count) {
        if (c->cells.count == 1)
            return hpo_fail(err, HPO_EDONE, "the only configuration of the space was tried");
        return hpo_fail(err, HPO_EDONE, "all %lld configurations of the space were tried",
                        (long long)c->cells.count);
    }
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        rc = ask(s, h, attempt, ret_values, err);
        if (rc || !was_tried(c, s->space, ret_values))
            return rc;
    }
    /* In a space too large to list, the sampler means it: trying again beats stopping. */
    if (c->finite) {
        rng = hpo_rng_for(s->seed, h->next, -1, "cell", 0);
        pick_untried(c, &rng, ret_values);
    }
    return 0;
}

int sampler_next(struct sampler *s, const struct hpo_history *seen, const struct hpo_history *tried,
                 double *ret_values, struct hpo_err *err)
{
    size_t bytes = sizeof(double) * (size_t)s->space->n;
    double *values = xmalloc(bytes);
    int rc = s->ops->repeats_on_purpose ? ask(s, tried, 0, values, err)
             : s->duplicates            ? ask(s, seen, 0, values, err)
                                        : next_new(s, seen, tried, values, err);

    if (!rc && bytes)
        memcpy(ret_values, values, bytes);
    free(values);
    return rc;
}
