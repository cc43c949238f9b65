/* scikit-learn's GroupKFold: the largest group first, each to the fold that has the fewest samples.
 *
 * Among groups of one size the last comes first (numpy's argsort, reversed) or, shuffled, any. */
#include <stdlib.h>

#include "base/arena.h"
#include "trainer/data/folds_impl.h"

struct sized {
    int64_t n;
    int32_t group;
    int32_t rank; /* among those of its size */
};

static int largest_first(const void *pa, const void *pb)
{
    const struct sized *a = pa, *b = pb;

    if (a->n != b->n)
        return a->n > b->n ? -1 : 1;
    return a->rank > b->rank ? -1 : a->rank < b->rank;
}

void split_by_group(struct split *s, const int32_t *part_of)
{
    for (int64_t i = 0; i < s->of->n; i++)
        s->fold[i] = part_of[s->of->groups[i]];
}

void split_group(struct split *s)
{
    struct sized *g = xcalloc((size_t)s->n_groups, sizeof(*g));
    int32_t *rank = xcalloc((size_t)s->n_groups, sizeof(*rank));
    int32_t *part_of = xcalloc((size_t)s->n_groups, sizeof(*part_of));
    int64_t in_part[TR_MAX_FOLDS] = {0};

    for (int32_t i = 0; i < s->n_groups; i++)
        rank[i] = i;
    split_shuffle(s, "groups", 0, rank, s->n_groups);
    for (int32_t i = 0; i < s->n_groups; i++)
        g[i] = (struct sized){.group = i, .rank = rank[i]};
    for (int64_t i = 0; i < s->of->n; i++)
        g[s->of->groups[i]].n++;
    qsort(g, (size_t)s->n_groups, sizeof(*g), largest_first);
    for (int32_t i = 0; i < s->n_groups; i++) {
        int best = 0;

        /* How full a part would be with the group: with equal shares the emptiest one wins, and a
         * holdout's small part is not filled by one large group. */
        for (int p = 1; p < s->parts; p++)
            if ((double)(in_part[p] + g[i].n) * s->scale[p] <
                (double)(in_part[best] + g[i].n) * s->scale[best])
                best = p;
        in_part[best] += g[i].n;
        part_of[g[i].group] = best;
    }
    split_by_group(s, part_of);
    free(part_of);
    free(rank);
    free(g);
}
