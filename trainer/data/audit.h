/* trainer/data/audit.h - what makes the values of folds mean less than they seem to: classes that a
 * fold lacks, groups and equal images on both sides of a split. */
#ifndef HPO_TRAINER_DATA_AUDIT_H
#define HPO_TRAINER_DATA_AUDIT_H

#include "trainer/data/dataset.h"
#include "trainer/data/folds.h"

#define TR_AUDIT_NOTES 8

struct tr_audit {
    const char *note[TR_AUDIT_NOTES]; /* a line each, with counts and the first examples */
    int n;
};

/* group: the folds were made so that no group is split. Of repeated splits the first one is looked
 * at. Equal images are those whose decoded squares are the same bytes; of these the sums are at hand,
 * and only the pixels of candidates are read. The notes are in a. */
void tr_audit(const struct tr_dataset *d, const struct tr_folds *f, bool group, struct arena *a,
              struct tr_audit *ret);

#endif
