/* hpo/cli/report_oof.h - what a report says that is made from out-of-fold predictions. */
#ifndef HPO_CLI_REPORT_OOF_H
#define HPO_CLI_REPORT_OOF_H

#include "hpo/core/report.h"

/* The predictions of one trial, counted. *ret NULL: it has none, of a trial that is not complete or
 * from before predictions were kept. HPO_EFORMAT: they are damaged. In a. */
int report_read_classes(const char *dir, int number, struct arena *a,
                        const struct report_classes **ret, struct hpo_err *err);

/* The predictions of every complete trial, and the images they speak of. */
struct oof_study;
/* dir: the study's folder. Trials without predictions, or with damaged ones, are counted and left
 * out. HPO_EMISSING: no trial has any. */
int oof_study_open(struct oof_study **ret, const char *dir, const struct hpo_history *h,
                   struct hpo_err *err);
void oof_study_close(struct oof_study *s); /* NULL is allowed */
/* The images whose label they contradict; valid until s is closed. */
int oof_study_labels(struct oof_study *s, const struct report_labels **ret, struct hpo_err *err);

#endif
