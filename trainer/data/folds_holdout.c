/* A share of the samples validates, the rest trains: scikit-learn's ShuffleSplit and
 * StratifiedShuffleSplit with one split. The number is rounded up, as there; the classes have their
 * shares of it by largest remainders (there, halves are drawn), and each keeps a sample to train
 * on. */
#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "trainer/data/folds_impl.h"

struct share {
    double remainder;
    int class;
};

static int by_remainder(const void *pa, const void *pb)
{
    const struct share *a = pa, *b = pb;

    if (a->remainder != b->remainder)
        return a->remainder > b->remainder ? -1 : 1;
    return a->class - b->class;
}

/* How many of each class validate. */
static void make_shares(const struct split *s, int64_t wanted, int64_t *ret)
{
    int classes = s->of->classes;
    struct share *share = xcalloc((size_t)classes, sizeof(*share));

    for (int c = 0; c < classes; c++) {
        double exact = (double)wanted * (double)s->size[c] / (double)s->of->n;

        ret[c] = (int64_t)exact;
        share[c] = (struct share){exact - (double)ret[c], c};
    }
    for (int c = 0; c < classes; c++)
        wanted -= ret[c];
    qsort(share, (size_t)classes, sizeof(*share), by_remainder);
    for (int i = 0; i < classes && wanted > 0; i++) {
        int c = share[i].class;

        if (ret[c] + 1 < s->size[c]) {
            ret[c]++;
            wanted--;
        }
    }
    free(share);
}

void split_holdout(struct split *s)
{
    const struct tr_folds_of *of = s->of;
    int classes = s->spec->stratified ? of->classes : 1;
    int64_t wanted = (int64_t)ceil(s->spec->valid * (double)of->n), from = 0;
    int64_t *take = xcalloc((size_t)classes, sizeof(*take));
    int64_t *end = xcalloc((size_t)classes, sizeof(*end)); /* of a class in row */
    int32_t *row = xcalloc((size_t)of->n, sizeof(*row));   /* samples by class */

    if (s->spec->stratified)
        make_shares(s, wanted, take);
    else
        take[0] = wanted;
    for (int c = 1; c < classes; c++)
        end[c] = end[c - 1] + s->size[c - 1];
    for (int64_t i = 0; i < of->n; i++)
        row[end[s->spec->stratified ? of->labels[i] : 0]++] = (int32_t)i;
    for (int c = 0; c < classes; c++) {
        split_shuffle(s, "folds", (uint64_t)c, row + from, end[c] - from);
        for (int64_t i = from; i < end[c]; i++)
            s->fold[row[i]] = i - from < take[c] ? 0 : -1;
        from = end[c];
    }
    free(row);
    free(end);
    free(take);
}
