#include "trainer/data/folds.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"

/* All folds of the samples of one class (or of all samples), in the order in which they are dealt
 * to those samples. */
static void shuffle_folds(int32_t *deal, int64_t n, uint64_t seed, uint64_t class)
{
    struct hpo_rng rng = hpo_rng_for(seed, -1, -1, "folds", class);

    hpo_rng_shuffle(&rng, deal, (int)n);
}

/* scikit-learn's KFold: n / k each, the first n % k one more. */
static void plain(struct tr_folds *f, uint64_t seed)
{
    int64_t at = 0;

    for (int fold = 0; fold < f->k; fold++)
        for (int64_t i = 0; i < f->n / f->k + (fold < f->n % f->k); i++)
            f->fold[at++] = fold;
    shuffle_folds(f->fold, f->n, seed, 0);
}

/* scikit-learn's StratifiedKFold: line the samples up by class, classes in order of first
 * appearance, and let fold i take every k-th of the line from the i-th on: that says how many of
 * each class a fold gets. Which ones is shuffled, class by class. */
static void stratified(struct tr_folds *f, const int32_t *labels, const int64_t *count, int classes,
                       uint64_t seed)
{
    int64_t *from = xcalloc((size_t)classes, sizeof(*from)), at = 0; /* each class's part of deal */
    bool *seen = xcalloc((size_t)classes, sizeof(*seen));
    int32_t *deal = xcalloc((size_t)f->n, sizeof(*deal));

    for (int64_t i = 0; i < f->n; i++) {
        int32_t c = labels[i];
        int64_t to = 0;

        if (seen[c])
            continue;
        seen[c] = true;
        from[c] = at;
        for (int fold = 0; fold < f->k; fold++) {
            /* Positions p of [at, at + count) with p % k == fold. */
            int64_t first = at + ((fold - at) % f->k + f->k) % f->k;

            for (int64_t p = first; p < at + count[c]; p += f->k)
                deal[at + to++] = fold;
        }
        shuffle_folds(deal + at, count[c], seed, (uint64_t)c);
        at += count[c];
    }
    for (int64_t i = 0; i < f->n; i++)
        f->fold[i] = deal[from[labels[i]]++];
    free(deal);
    free(seen);
    free(from);
}

static void make_index(struct tr_folds *f)
{
    int64_t *to = xcalloc((size_t)f->k, sizeof(*to));

    for (int64_t i = 0; i < f->n; i++)
        f->start[f->fold[i] + 1]++;
    for (int fold = 0; fold < f->k; fold++) {
        f->start[fold + 1] += f->start[fold];
        to[fold] = f->start[fold];
    }
    for (int64_t i = 0; i < f->n; i++)
        f->index[to[f->fold[i]]++] = (int32_t)i;
    free(to);
}

/* The largest and the smallest class among those that have members. */
static int check(const int64_t *count, int classes, int64_t n, int k, bool is_stratified,
                 int *ret_thin, struct hpo_err *err)
{
    int64_t most = 0, least = INT64_MAX;
    int thin = -1;

    for (int c = 0; c < classes; c++) {
        most = count[c] > most ? count[c] : most;
        if (count[c] && count[c] < least) {
            least = count[c];
            thin = c;
        }
    }
    if (n < k)
        return hpo_fail(err, HPO_ECONFIG,
                        "%d folds of %lld samples: there are fewer samples than folds", k,
                        (long long)n);
    if (is_stratified && most < k)
        return hpo_fail(err, HPO_ECONFIG,
                        "%d stratified folds: the largest class has %lld samples, k may be at most that",
                        k, (long long)most);
    *ret_thin = least < k ? thin : -1;
    return 0;
}

int tr_folds_make(struct tr_folds *ret, const int32_t *labels, int64_t n, int classes, int k,
                  bool is_stratified, uint64_t seed, int *ret_thin, struct hpo_err *err)
{
    struct tr_folds f = {.k = k, .n = n};
    int64_t *count = NULL;
    int thin = -1, rc;

    if (k < 2)
        return hpo_fail(err, HPO_ECONFIG, "%d folds: it takes at least 2", k);
    if (n > INT32_MAX)
        return hpo_fail(err, HPO_ECONFIG, "%lld samples are too many", (long long)n);
    count = xcalloc((size_t)(classes > 0 ? classes : 0), sizeof(*count));
    for (int64_t i = 0; i < n; i++) {
        if (labels[i] < 0 || labels[i] >= classes) {
            rc = hpo_fail(err, HPO_ECONFIG, "sample %lld has label %d of %d classes", (long long)i,
                          labels[i], classes);
            goto out;
        }
        count[labels[i]]++;
    }
    rc = check(count, classes, n, k, is_stratified, &thin, err);
    if (rc)
        goto out;
    f.fold = xcalloc((size_t)n, sizeof(*f.fold));
    f.index = xcalloc((size_t)n, sizeof(*f.index));
    f.start = xcalloc((size_t)k + 1, sizeof(*f.start));
    if (is_stratified)
        stratified(&f, labels, count, classes, seed);
    else
        plain(&f, seed);
    make_index(&f);
    if (ret_thin)
        *ret_thin = thin;
    *ret = f;
out:
    free(count);
    return rc;
}

void tr_folds_release(struct tr_folds *f)
{
    free(f->fold);
    free(f->index);
    free(f->start);
    *f = (struct tr_folds){0};
}

int64_t tr_folds_train(const struct tr_folds *f, int fold, int32_t *ret)
{
    int64_t n = 0;

    for (int64_t i = 0; i < f->n; i++)
        if (f->fold[i] != fold)
            ret[n++] = (int32_t)i;
    return n;
}
