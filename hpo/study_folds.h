/* hpo/study_folds.h - the folds that a study asks for, of the data that it names. */
#ifndef HPO_STUDY_FOLDS_H
#define HPO_STUDY_FOLDS_H

#include "hpo/config.h"
#include "trainer/data/dataset.h"
#include "trainer/data/folds.h"

/* HPO_ECONFIG with the place in the study file, or the line of the manifest. */
int study_folds_make(const struct study_config *c, const struct tr_dataset *d, struct tr_folds *ret,
                     struct hpo_err *err);

/* data.folds.k: auto becomes what the data say: the folds of a manifest's fold column. To be called
 * before anybody counts the study's steps. HPO_ECONFIG: data.folds.run is more than that. */
int study_folds_settle(struct study_config *c, const struct tr_dataset *d, struct hpo_err *err);

#endif
