#include "trainer/data/folds.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "trainer/data/folds_impl.h"

void split_shuffle(const struct split *s, const char *purpose, uint64_t what, int32_t *item,
                   int64_t n)
{
    struct hpo_rng rng = hpo_rng_for(s->spec->seed, -1, s->repeat ? s->repeat : -1, purpose, what);

    if (!s->spec->in_order)
        hpo_rng_shuffle(&rng, item, (int)n);
}

/* What is known of the samples before they are split. */
struct facts {
    int64_t *size; /* (classes) */
    int n_groups;  /* ids are below it */
    int groups;    /* that have samples */
};

static int count_groups(const struct tr_folds_of *of, struct facts *f, struct hpo_err *err)
{
    bool *seen;

    for (int64_t i = 0; i < of->n; i++) {
        if (of->groups[i] < 0 || of->groups[i] >= of->n)
            return hpo_fail(err, HPO_ECONFIG, "sample %lld is of group %d, there can be %lld",
                            (long long)i, of->groups[i], (long long)of->n);
        f->n_groups = of->groups[i] >= f->n_groups ? of->groups[i] + 1 : f->n_groups;
    }
    seen = xcalloc((size_t)f->n_groups, sizeof(*seen));
    for (int64_t i = 0; i < of->n; i++) {
        f->groups += !seen[of->groups[i]];
        seen[of->groups[i]] = true;
    }
    free(seen);
    return 0;
}

static int count_classes(const struct tr_folds_of *of, struct facts *f, struct hpo_err *err)
{
    f->size = xcalloc((size_t)(of->classes > 0 ? of->classes : 0), sizeof(*f->size));
    for (int64_t i = 0; i < of->n; i++) {
        if (of->labels[i] < 0 || of->labels[i] >= of->classes)
            return hpo_fail(err, HPO_ECONFIG, "sample %lld has label %d of %d classes",
                            (long long)i, of->labels[i], of->classes);
        f->size[of->labels[i]]++;
    }
    return 0;
}

static int check_enough(const struct tr_folds_spec *spec, const struct tr_folds_of *of,
                        const struct facts *f, struct hpo_err *err)
{
    int parts = spec->k == 1 ? 2 : spec->k;
    int64_t most = 0;

    if (spec->k == 1 && !(spec->valid > 0 && spec->valid < 1))
        return hpo_fail(err, HPO_ECONFIG, "a holdout's share is between 0 and 1");
    for (int c = 0; c < of->classes; c++)
        most = f->size[c] > most ? f->size[c] : most;
    if (of->n < parts && spec->k > 1)
        return hpo_fail(err, HPO_ECONFIG,
                        "%d folds of %lld samples: there are fewer samples than folds", parts,
                        (long long)of->n);
    if (spec->group && f->groups < parts)
        return hpo_fail(err, HPO_ECONFIG, "%d %s of %d groups: there are fewer groups than %s",
                        parts, spec->k == 1 ? "parts" : "folds", f->groups,
                        spec->k == 1 ? "parts" : "folds");
    if (spec->k > 1 && spec->stratified && most < parts)
        return hpo_fail(
            err, HPO_ECONFIG,
            "%d stratified folds: the largest class has %lld samples, k may be at most that", parts,
            (long long)most);
    return 0;
}

/* The samples' own folds. */
static int take_given(const struct tr_folds_spec *spec, const struct tr_folds_of *of,
                      const struct facts *facts, int32_t *fold, struct hpo_err *err)
{
    int32_t *of_group = spec->group ? xmalloc((size_t)facts->n_groups * sizeof(*of_group)) : NULL;
    int rc = 0;

    if (spec->k != of->n_given)
        rc = hpo_fail(err, HPO_ECONFIG, "k is %d and the fold column has %d folds", spec->k,
                      of->n_given);
    for (int i = 0; of_group && i < facts->n_groups; i++)
        of_group[i] = -2; /* none yet */
    for (int64_t i = 0; i < of->n && !rc; i++) {
        int32_t *group = of_group ? &of_group[of->groups[i]] : NULL;

        fold[i] = of->given[i];
        if (fold[i] < -1 || fold[i] >= of->n_given)
            rc = hpo_fail(err, HPO_ECONFIG, "sample %lld is of fold %d, there are %d", (long long)i,
                          fold[i], of->n_given);
        else if (group && *group != -2 && *group != fold[i])
            rc = hpo_fail(err, HPO_ECONFIG,
                          "the fold column splits a group: sample %lld is of fold %d, another one "
                          "of its group of fold %d (-1: always trains)",
                          (long long)i, fold[i], *group);
        if (group)
            *group = fold[i];
    }
    free(of_group);
    return rc;
}

static void split_once(const struct tr_folds_spec *spec, const struct tr_folds_of *of,
                       const struct facts *facts, int repeat, int32_t *fold)
{
    struct split s = {.spec = spec,
                      .of = of,
                      .repeat = repeat,
                      .parts = spec->k == 1 ? 2 : spec->k,
                      .size = facts->size,
                      .n_groups = facts->n_groups,
                      .fold = fold};

    for (int p = 0; p < s.parts; p++)
        s.scale[p] = 1;
    if (spec->k == 1) {
        s.scale[0] = 1 / spec->valid;
        s.scale[1] = 1 / (1 - spec->valid);
    }
    if (spec->group && spec->stratified)
        split_stratified_group(&s);
    else if (spec->group)
        split_group(&s);
    else if (spec->k == 1)
        split_holdout(&s);
    else if (spec->stratified)
        split_stratified(&s);
    else
        split_plain(&s);
    for (int64_t i = 0; spec->k == 1 && i < of->n; i++)
        fold[i] = fold[i] == 0 ? 0 : -1;
    for (int64_t i = 0; i < of->n; i++)
        fold[i] += fold[i] >= 0 ? repeat * spec->k : 0;
}

static void make_index(struct tr_folds *f)
{
    int64_t *to = xcalloc((size_t)f->k, sizeof(*to)), all = f->n * f->repeats;

    for (int64_t i = 0; i < all; i++)
        if (f->fold[i] >= 0)
            f->start[f->fold[i] + 1]++;
    for (int fold = 0; fold < f->k; fold++) {
        f->start[fold + 1] += f->start[fold];
        to[fold] = f->start[fold];
    }
    f->index = xcalloc((size_t)f->start[f->k] + 1, sizeof(*f->index));
    for (int64_t i = 0; i < all; i++)
        if (f->fold[i] >= 0)
            f->index[to[f->fold[i]]++] = (int32_t)(i % f->n);
    free(to);
}

static int check_parts(const struct tr_folds *f, struct hpo_err *err)
{
    for (int i = 0; i < f->k; i++) {
        int64_t n = f->start[i + 1] - f->start[i];

        if (!n || n == f->n)
            return hpo_fail(err, HPO_ECONFIG, "fold %d of %d has nothing to %s on", i, f->k,
                            n ? "train" : "validate");
    }
    return 0;
}

static int check_counts(const struct tr_folds_spec *spec, const struct tr_folds_of *of,
                        struct hpo_err *err)
{
    int repeats = spec->repeats > 1 ? spec->repeats : 1;

    if (spec->k < 1)
        return hpo_fail(err, HPO_ECONFIG, "%d folds: it takes at least 1", spec->k);
    if (spec->k > TR_MAX_FOLDS || repeats > TR_MAX_FOLDS / spec->k)
        return hpo_fail(err, HPO_ECONFIG, "%d times %d folds: there can be %d in all", repeats,
                        spec->k, TR_MAX_FOLDS);
    if (of->n > INT32_MAX)
        return hpo_fail(err, HPO_ECONFIG, "%lld samples are too many", (long long)of->n);
    if (of->given && repeats > 1)
        return hpo_fail(err, HPO_ECONFIG, "folds that are given cannot be repeated");
    if (spec->group && !of->groups)
        return hpo_fail(err, HPO_ECONFIG, "there are no groups");
    return 0;
}

int tr_folds_make(struct tr_folds *ret, const struct tr_folds_spec *spec,
                  const struct tr_folds_of *of, struct hpo_err *err)
{
    struct tr_folds f = {.n = of->n, .repeats = spec->repeats > 1 ? spec->repeats : 1};
    struct facts facts = {0};
    int rc = check_counts(spec, of, err);

    if (rc)
        return rc;
    f.k = spec->k * f.repeats;
    rc = count_classes(of, &facts, err);
    if (!rc && spec->group)
        rc = count_groups(of, &facts, err);
    if (!rc && !of->given)
        rc = check_enough(spec, of, &facts, err);
    if (rc)
        goto out;
    f.fold = xcalloc((size_t)f.n * (size_t)f.repeats, sizeof(*f.fold));
    f.start = xcalloc((size_t)f.k + 1, sizeof(*f.start));
    if (of->given)
        rc = take_given(spec, of, &facts, f.fold, err);
    for (int r = 0; r < f.repeats && !of->given; r++)
        split_once(spec, of, &facts, r, f.fold + (size_t)r * (size_t)f.n);
    if (rc)
        goto out;
    make_index(&f);
    rc = check_parts(&f, err);
    if (rc)
        goto out;
    *ret = f;
    f = (struct tr_folds){0};
out:
    tr_folds_release(&f);
    free(facts.size);
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
    const int32_t *valid = f->index + f->start[fold], *end = f->index + f->start[fold + 1];
    int64_t n = 0;

    for (int32_t i = 0; i < f->n; i++) {
        if (valid < end && *valid == i)
            valid++;
        else
            ret[n++] = i;
    }
    return n;
}
