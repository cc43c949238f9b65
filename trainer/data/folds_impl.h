/* trainer/data/folds_impl.h - between the files that make folds; included by nobody else. */
#ifndef HPO_TRAINER_DATA_FOLDS_IMPL_H
#define HPO_TRAINER_DATA_FOLDS_IMPL_H

#include "base/rng.h"
#include "trainer/data/folds.h"

/* One split in the making. */
struct split {
    const struct tr_folds_spec *spec;
    const struct tr_folds_of *of;
    int repeat;
    int parts;           /* spec->k; of a holdout with groups 2 */
    double scale[64];    /* by part: 1 / the share of the samples that it should have, relative to the
                            others; all 1 in k-fold */
    const int64_t *size; /* (of->classes): samples of each class */
    int n_groups;        /* with spec->group: ids are below it */
    int32_t *fold;       /* (of->n): the result, 0 .. parts - 1; -1: always trains */
};

/* Draws what decides which samples, or groups, take the places that there are. */
void split_shuffle(const struct split *s, const char *purpose, uint64_t what, int32_t *item,
                   int64_t n);

void split_plain(struct split *s);
void split_stratified(struct split *s);
void split_group(struct split *s);
void split_stratified_group(struct split *s);
void split_holdout(struct split *s); /* without groups */

/* split_group and split_stratified_group end here: part_of[g] -> fold. */
void split_by_group(struct split *s, const int32_t *part_of);

#endif
