#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/str.h"
#include "trainer/data/reader.h"

int tr_list_read(const char *path, struct tr_list *ret, struct hpo_err *err)
{
    struct str known = {0};
    int rc;

    for (int i = 0; reader_registry[i]; i++)
        if (reader_registry[i]->accepts(path))
            return reader_registry[i]->list(path, ret, err);
    if (!file_exists(path))
        return hpo_fail(err, HPO_EMISSING, "%s: does not exist", path);
    for (int i = 0; reader_registry[i]; i++)
        str_addf(&known, "%s%s", i ? ", or " : "", reader_registry[i]->plugin.help);
    rc = hpo_fail(err, HPO_ECONFIG, "%s: is not a data set; allowed: %s", path, str_c(&known));
    str_release(&known);
    return rc;
}

void tr_list_release(struct tr_list *l)
{
    arena_release(&l->arena);
    *l = (struct tr_list){0};
}

struct share {
    int64_t count, take, remainder;
    int label;
};

static int by_remainder(const void *pa, const void *pb)
{
    const struct share *a = pa, *b = pb;

    if (a->remainder != b->remainder)
        return a->remainder < b->remainder ? 1 : -1;
    return a->label - b->label;
}

static int by_label(const void *pa, const void *pb)
{
    return ((const struct share *)pa)->label - ((const struct share *)pb)->label;
}

static int64_t above(const struct share *s, int n, int64_t level)
{
    int64_t sum = 0;

    for (int c = 0; c < n; c++)
        sum += s[c].take > level ? s[c].take - level : 0;
    return sum;
}

/* Classes whose share came out as none get one, from those that have the most: these are cut to a
 * common level, which is found by bisection. */
static void give_each_one(struct share *s, int n)
{
    int64_t needed = 0, low = 1, high = 0, spare;

    for (int c = 0; c < n; c++) {
        needed += s[c].count && !s[c].take;
        high = s[c].take > high ? s[c].take : high;
    }
    if (!needed || above(s, n, 1) < needed)
        return;
    while (high - low > 1) { /* above(low) >= needed > above(high) */
        int64_t middle = low + (high - low) / 2;

        if (above(s, n, middle) >= needed)
            low = middle;
        else
            high = middle;
    }
    spare = above(s, n, low) - needed;
    for (int c = 0; c < n; c++) {
        if (s[c].count && !s[c].take)
            s[c].take = 1;
        else if (s[c].take > low)
            s[c].take = low + (spare-- > 0);
    }
}

static void make_shares(struct share *s, int n_classes, int64_t limit, int64_t n)
{
    int64_t left = limit;

    for (int c = 0; c < n_classes; c++) {
        s[c].take = s[c].count * limit / n;
        s[c].remainder = s[c].count * limit % n;
        left -= s[c].take;
    }
    qsort(s, (size_t)n_classes, sizeof(*s), by_remainder);
    for (int c = 0; c < left; c++)
        s[c].take++;
    qsort(s, (size_t)n_classes, sizeof(*s), by_label);
    give_each_one(s, n_classes);
}

void tr_list_limit(struct tr_list *l, int64_t limit, uint64_t seed)
{
    struct share *s;
    int32_t *member;
    int64_t *start, kept = 0;
    bool *keep;

    if (limit <= 0 || limit >= l->n)
        return;
    s = xcalloc((size_t)l->n_classes, sizeof(*s));
    start = xcalloc((size_t)l->n_classes + 1, sizeof(*start));
    member = xcalloc((size_t)l->n, sizeof(*member));
    keep = xcalloc((size_t)l->n, sizeof(*keep));
    for (int64_t i = 0; i < l->n; i++)
        s[l->sample[i].label].count++;
    for (int c = 0; c < l->n_classes; c++) {
        s[c].label = c;
        start[c + 1] = start[c] + s[c].count;
    }
    make_shares(s, l->n_classes, limit, l->n);
    for (int64_t i = 0; i < l->n; i++)
        member[start[l->sample[i].label]++] = (int32_t)i;
    for (int c = 0; c < l->n_classes; c++) {
        int32_t *m = member + start[c] - s[c].count; /* start has moved to the end */
        struct hpo_rng rng = hpo_rng_for(seed, -1, -1, "limit", (uint64_t)c);

        hpo_rng_shuffle(&rng, m, (int)s[c].count);
        for (int64_t j = 0; j < s[c].take; j++)
            keep[m[j]] = true;
    }
    for (int64_t i = 0; i < l->n; i++)
        if (keep[i])
            l->sample[kept++] = l->sample[i];
    l->n = kept;
    free(keep);
    free(member);
    free(start);
    free(s);
}
