/* kernels/check.h - inside the backends: what every one of them refuses, in the same words. All
 * return 0 or HPO_ECONFIG. */
#ifndef HPO_KERNELS_CHECK_H
#define HPO_KERNELS_CHECK_H

#include "kernels/backend.h"

/* The network, its batches and its optimizer; h, w, classes: of the data set, or h 0: unknown. */
int kn_check_desc(const struct kn_plan_desc *d, int h, int w, int classes, struct hpo_err *err);
int kn_check_model(const struct kn_plan *p, int model, struct hpo_err *err);
int kn_check_hyper(const struct kn_plan *p, const struct kn_hyper *h, struct hpo_err *err);
/* Batches of all models, of a data set of so many images. */
int kn_check_train(const struct kn_plan *p, const struct kn_batch *batch, int64_t images,
                   struct hpo_err *err);
int kn_check_batch(const struct kn_plan *p, const struct kn_batch *b, int64_t images,
                   struct hpo_err *err);
int kn_check_eval(const struct kn_plan *p, const int32_t *const *index, const int *n,
                  int64_t images, struct hpo_err *err);

#endif
