/* hpo/cli/study_data.h - what several commands do first: read a study file, open its data. */
#ifndef HPO_CLI_STUDY_DATA_H
#define HPO_CLI_STUDY_DATA_H

#include "hpo/config.h"
#include "trainer/data/audit.h"
#include "trainer/data/dataset.h"
#include "trainer/data/folds.h"

/* Read a study file; its mistakes are printed on stderr, all of them, and HPO_ECONFIG is returned
 * with an empty message. A missing file, and a space that the sampler cannot search, is HPO_ECONFIG
 * with a message. The caller releases *ret in any case. */
int study_read(struct study_config *ret, const char *path, const char *const *sets, int n_sets,
               struct hpo_err *err);

/* What the study's sampler says of how it goes about it; NULL: nothing. In a. */
const char *study_sampler_says(const struct study_config *c, int parallel, struct arena *a);

/* Open the data set that the study names. */
int study_data_open(const struct study_config *c, struct tr_dataset *ret,
                    tr_decode_progress_fn *progress, void *arg, struct hpo_err *err);

/* Open, check and let go of the data sets of all rungs but the last, whose study_config_rung stands
 * for the study everywhere else. */
int study_rungs_check(const struct study_config *c, tr_decode_progress_fn *progress, void *arg,
                      struct hpo_err *err);

/* Images that a trial trains on in an epoch of all its folds, with all its seeds. */
double study_images_trained(const struct study_config *c, const struct tr_folds *folds);

/* The values with every parameter at the middle of its range; space->n of them. */
void study_middle(const struct hpo_space *space, double *ret);

/* Can its networks be built? Tried at the middle of the space, at every choice or whole number and
 * at both ends of each parameter: HPO_ECONFIG names the values that no network can have. */
int study_space_check(const struct study_config *c, const struct tr_dataset *d,
                      struct hpo_err *err);

/* What a study's results depend on beside its file, as text: the digest of the data set, and of the
 * weights that training begins with. */
int study_content(const struct study_config *c, const struct tr_dataset *d, struct str *ret,
                  struct hpo_err *err);

/* Do the pretrained weights fit the network in the middle of the space? What of the backbone they
 * lack is warned about on stderr. */
int study_weights_check(const struct study_config *c, const struct tr_dataset *d,
                        struct hpo_err *err);

/* Make its folds (data.folds.k: auto is settled by that), and print on stderr what is wrong with
 * them; *ret_audit, in a, says it too. The caller releases *ret. */
int study_data_check(struct study_config *c, const struct tr_dataset *d, struct arena *a,
                     struct tr_folds *ret, struct tr_audit *ret_audit, struct hpo_err *err);

#endif
