/* hpo/cli/data_print.h - what there is to know of a data set, for `hpo check` and `hpo data info`. */
#ifndef HPO_CLI_DATA_PRINT_H
#define HPO_CLI_DATA_PRINT_H

#include "base/json.h"
#include "trainer/data/dataset.h"
#include "trainer/data/folds.h"

/* Classes, counts, mean and deviation, images left out; folds (may be NULL): how many of each class
 * validate in each. */
void data_print(const struct tr_dataset *d, const struct tr_folds *folds, struct str *ret);
cJSON *data_json(const struct tr_dataset *d, const struct tr_folds *folds);

#endif
