/* scikit-learn's StratifiedKFold: line the samples up by class, classes in order of first
 * appearance, and let fold i take every k-th of the line from the i-th on: that says how many of
 * each class a fold gets. Which ones is shuffled, class by class. */
#include <stdlib.h>

#include "base/arena.h"
#include "trainer/data/folds_impl.h"

void split_stratified(struct split *s)
{
    const int32_t *labels = s->of->labels;
    int64_t *from = xcalloc((size_t)s->of->classes, sizeof(*from)); /* each class's part of deal */
    bool *seen = xcalloc((size_t)s->of->classes, sizeof(*seen));
    int32_t *deal = xcalloc((size_t)s->of->n, sizeof(*deal));
    int64_t at = 0;

    for (int64_t i = 0; i < s->of->n; i++) {
        int32_t c = labels[i];
        int64_t to = 0;

        if (seen[c])
            continue;
        seen[c] = true;
        from[c] = at;
        for (int fold = 0; fold < s->parts; fold++) {
            /* Positions p of [at, at + size) with p % parts == fold. */
            int64_t first = at + ((fold - at) % s->parts + s->parts) % s->parts;

            for (int64_t p = first; p < at + s->size[c]; p += s->parts)
                deal[at + to++] = fold;
        }
        split_shuffle(s, "folds", (uint64_t)c, deal + at, s->size[c]);
        at += s->size[c];
    }
    for (int64_t i = 0; i < s->of->n; i++)
        s->fold[i] = deal[from[labels[i]]++];
    free(deal);
    free(seen);
    free(from);
}
