/* trainer/data/folds.h - who validates where; made once per study from its seed, the same for every
 * trial (common random numbers).
 *
 * scikit-learn's StratifiedKFold(shuffle=True) and KFold(shuffle=True): the same number of samples
 * of each class in each fold as scikit-learn gives; which samples differs (another generator). */
#ifndef HPO_TRAINER_DATA_FOLDS_H
#define HPO_TRAINER_DATA_FOLDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct tr_folds {
    int k;
    int64_t n;
    int32_t *fold;   /* (n): the fold in which each sample validates */
    int32_t *index;  /* (n): sample ids, those of fold 0 first, in sample order within a fold */
    int64_t *start;  /* (k + 1): fold f validates on index[start[f] .. start[f + 1]) */
};

/* HPO_ECONFIG when no class has k members (stratified) or there are fewer samples than folds.
 * *ret_thin (may be NULL): the class with fewer than k members, or -1. */
int tr_folds_make(struct tr_folds *ret, const int32_t *labels, int64_t n, int classes, int k,
                  bool stratified, uint64_t seed, int *ret_thin, struct hpo_err *err);
void tr_folds_release(struct tr_folds *f); /* a zeroed one is valid */

/* The training rows of fold f: every sample that does not validate in it, in sample order. ret has
 * room for n - (start[f + 1] - start[f]). Returns their count. */
int64_t tr_folds_train(const struct tr_folds *f, int fold, int32_t *ret);

#endif
