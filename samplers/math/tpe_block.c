#include "samplers/math/tpe_block.h"

#include <stdlib.h>
#include <string.h>

void tpe_block_init(struct tpe_block *b, const struct hpo_space *space, const int *index, int d)
{
    *b = (struct tpe_block){.d = d};
    b->params = xmalloc(sizeof(*b->params) * (size_t)d);
    b->index = xmalloc(sizeof(int) * (size_t)d);
    for (int j = 0; j < d; j++) {
        b->index[j] = index[j];
        b->params[j] = &space->params[index[j]];
    }
    b->below.density = parzen_new(b->params, d);
    b->above.density = parzen_new(b->params, d);
}

void tpe_block_release(struct tpe_block *b)
{
    parzen_free(b->below.density);
    parzen_free(b->above.density);
    free(b->below.trials);
    free(b->above.trials);
    free(b->params);
    free(b->index);
    free(b->tells);
    free(b->wanted);
    free(b->scratch);
    *b = (struct tpe_block){0};
}

static int *grow_ints(int *p, int *cap, int n)
{
    if (n <= *cap)
        return p;
    *cap = n + n / 2 + 64;
    return xrealloc(p, sizeof(int) * (size_t)*cap);
}

static double *scratch(struct tpe_block *b, size_t n)
{
    if (n > b->scratch_cap) {
        free(b->scratch);
        b->scratch_cap = n + n / 2;
        b->scratch = xmalloc(sizeof(double) * b->scratch_cap);
    }
    return b->scratch;
}

static double value_of(const struct tpe_block *b, const struct tpe_past *p, int trial, int j)
{
    return p->values[(size_t)trial * (size_t)p->width + (size_t)b->index[j]];
}

/* Only a trial that has all of the block's parameters tells something about it. A value outside the
 * bounds comes from a trial that someone made by hand, or from a space that was wider once. */
static bool tells(const struct tpe_block *b, const struct tpe_past *p, int trial)
{
    for (int j = 0; j < b->d; j++) {
        double v = value_of(b, p, trial, j);

        if (!(v >= b->params[j]->low && v <= b->params[j]->high))
            return false;
    }
    return true;
}

static void listen(struct tpe_block *b, const struct tpe_past *p)
{
    if (b->epoch != p->epoch) {
        b->epoch = p->epoch;
        b->below.n = b->above.n = -1; /* not even no trials */
        b->n_told = b->n_tell = 0;
    }
    if (p->n > b->told_cap) {
        b->told_cap = p->n + p->n / 2 + 64;
        b->tells = xrealloc(b->tells, (size_t)b->told_cap);
    }
    for (; b->n_told < p->n; b->n_told++)
        b->n_tell += b->tells[b->n_told] = tells(b, p, b->n_told);
}

static void fill(struct tpe_block *b, struct tpe_side *s, const struct tpe_past *p,
                 const int *trials, int n)
{
    double *obs = scratch(b, (size_t)n * (size_t)b->d);

    for (int j = 0; j < b->d; j++)
        for (int i = 0; i < n; i++)
            obs[(size_t)j * (size_t)n + (size_t)i] = value_of(b, p, trials[i], j);
    parzen_fill(s->density, obs, n);
    s->trials = grow_ints(s->trials, &s->cap, n);
    if (n)
        memcpy(s->trials, trials, sizeof(int) * (size_t)n);
    s->n = n;
}

/* How many trials two rising lists do not share. */
static int count_changes(const int *a, int n_a, const int *b, int n_b)
{
    int i = 0, k = 0, changes = 0;

    while (i < n_a && i < n_b && a[i] == b[i])
        i++;
    k = i;
    while (i < n_a && k < n_b) {
        changes += a[i] != b[k];
        if (a[i] == b[k]) {
            i++;
            k++;
        } else if (a[i] < b[k]) {
            i++;
        } else {
            k++;
        }
    }
    return changes + (n_a - i) + (n_b - k);
}

static void insert(struct tpe_block *b, struct tpe_side *s, const struct tpe_past *p, int at,
                   int trial)
{
    double *v = scratch(b, (size_t)b->d);

    for (int j = 0; j < b->d; j++)
        v[j] = value_of(b, p, trial, j);
    parzen_insert(s->density, at, v);
    s->trials = grow_ints(s->trials, &s->cap, s->n + 1);
    memmove(s->trials + at + 1, s->trials + at, sizeof(int) * (size_t)(s->n - at));
    s->trials[at] = trial;
    s->n++;
}

static void drop(struct tpe_side *s, int at)
{
    parzen_remove(s->density, at);
    s->n--;
    memmove(s->trials + at, s->trials + at + 1, sizeof(int) * (size_t)(s->n - at));
}

/* The trials of the list that tell, and no others. */
static void sync(struct tpe_block *b, struct tpe_side *s, const struct tpe_past *p,
                 const int *trials, int n)
{
    const int *want = trials;
    int n_want = n, i = 0, k = 0;

    if (b->n_tell < b->n_told) {
        b->wanted = grow_ints(b->wanted, &b->wanted_cap, n);
        n_want = 0;
        for (int t = 0; t < n; t++)
            if (b->tells[trials[t]])
                b->wanted[n_want++] = trials[t];
        want = b->wanted;
    }
    /* Each change costs about what ten trials cost from scratch. */
    if (s->n < 0 || count_changes(s->trials, s->n, want, n_want) > 4 + n_want / 10) {
        fill(b, s, p, want, n_want);
        return;
    }
    while (i < s->n || k < n_want) {
        if (i == s->n || (k < n_want && want[k] < s->trials[i]))
            insert(b, s, p, i++, want[k++]);
        else if (k == n_want || s->trials[i] < want[k])
            drop(s, i);
        else {
            i++;
            k++;
        }
    }
}

void tpe_block_draw(struct tpe_block *b, const struct tpe_past *p, const struct tpe_split *split,
                    int candidates, struct hpo_rng *rng, double *ret_values)
{
    size_t d = (size_t)b->d;
    double *x;
    int best;

    listen(b, p);
    sync(b, &b->below, p, split->below, split->n_below);
    sync(b, &b->above, p, split->above, split->n_above);
    x = scratch(b, (size_t)candidates * d);
    for (int i = 0; i < candidates; i++)
        parzen_sample(b->below.density, rng, x + (size_t)i * d);
    best = parzen_best(b->below.density, b->above.density, x, candidates);
    for (size_t j = 0; j < d; j++)
        ret_values[b->index[j]] = x[(size_t)best * d + j];
}
