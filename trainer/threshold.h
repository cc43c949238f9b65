/* trainer/threshold.h - of two classes, the probability from which on an image had better count as
 * one of the second. */
#ifndef HPO_TRAINER_THRESHOLD_H
#define HPO_TRAINER_THRESHOLD_H

#include "trainer/metric.h"

struct tr_cut {
    double threshold; /* from 0 to 1; an image counts if its probability is at least this */
    double value;     /* of the metric, there */
};

/* The best of all cuts between probabilities that occur, below the smallest (every image counts)
 * and above the largest (none does; not where that is 1). A threshold lies in the middle between
 * its neighbours, 0 and 1 included: closer to what it would be on other images than a probability
 * that happens to occur. Of cuts that are equally good, the threshold closest to 0.5. */
struct tr_cut tr_cut_f1(const struct tr_curve *c); /* 0 where the second class does not occur */
struct tr_cut tr_cut_accuracy(const struct tr_curve *c);
struct tr_cut tr_cut_balanced_accuracy(const struct tr_curve *c); /* over classes that occur */

#endif
