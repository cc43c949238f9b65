/* trainer/data/folds.h - who validates where; made once per study from its seed, the same for every
 * trial (common random numbers).
 *
 * Four ways to split, each the scikit-learn class of its name, with the same number of samples of
 * each class in each fold as that gives; which samples, or which of several groups that are alike,
 * follows from the seed (another generator than numpy's):
 *
 *   stratified  group
 *   yes         no     StratifiedKFold(shuffle=True)
 *   no          no     KFold(shuffle=True)
 *   yes         yes    StratifiedGroupKFold (1.2): groups whose classes are spread most unevenly go
 *                      first, each to the fold where the shares of all classes stay most even
 *   no          yes    GroupKFold: the largest group first, each to the fold with the fewest samples
 *
 * Several splits with other seeds are RepeatedKFold and RepeatedStratifiedKFold; their folds are
 * numbered split by split. k = 1 is a holdout: a share of the samples (of each class; of whole
 * groups) validates, the rest trains. Or the samples say themselves in which fold they validate. */
#ifndef HPO_TRAINER_DATA_FOLDS_H
#define HPO_TRAINER_DATA_FOLDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define TR_MAX_FOLDS 64 /* of a job, those of all splits together */

struct tr_folds {
    int k;          /* folds; fold f is of split f / (k / repeats) */
    int repeats;    /* splits */
    int64_t n;      /* samples */
    int32_t *fold;  /* (repeats, n): the fold in which each sample validates; -1: in none */
    int32_t *index; /* (start[k]): sample ids, those of fold 0 first, in sample order within a fold */
    int64_t *start; /* (k + 1): fold f validates on index[start[f] .. start[f + 1]) */
};

struct tr_folds_spec {
    int k;        /* of one split; 1: a holdout of `valid` */
    int repeats;  /* splits; 0 is 1 */
    double valid; /* the share of the samples that validates when k is 1, between 0 and 1 */
    bool stratified;
    bool group;    /* no group in two folds of a split */
    bool in_order; /* scikit-learn's shuffle=False: nothing is drawn */
    uint64_t seed;
};

/* What is split. */
struct tr_folds_of {
    const int32_t *labels; /* (n) */
    int64_t n;
    int classes;
    const int32_t *groups; /* (n), from 0; NULL: there are none */
    const int32_t *given;  /* (n): the fold that a sample asks for, from 0, -1: it always trains; NULL:
                              the spec says. Only k (must be n_given) and group count then. */
    int n_given;           /* folds */
};

/* HPO_ECONFIG when there are fewer samples, groups or (stratified) members of every class than
 * folds, when a fold would have nothing to validate or to train on, when there are more than
 * TR_MAX_FOLDS, when spec->group but there are no groups, or when a group lies in two given folds. */
int tr_folds_make(struct tr_folds *ret, const struct tr_folds_spec *spec,
                  const struct tr_folds_of *of, struct hpo_err *err);
void tr_folds_release(struct tr_folds *f); /* a zeroed one is valid */

/* The training rows of fold f: every sample that does not validate in it, in sample order. ret has
 * room for n - (start[f + 1] - start[f]). Returns their count. */
int64_t tr_folds_train(const struct tr_folds *f, int fold, int32_t *ret);

#endif
