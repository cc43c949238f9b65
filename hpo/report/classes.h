/* hpo/report/classes.h - how well each class is told from the others, from a confusion matrix. */
#ifndef HPO_REPORT_CLASSES_H
#define HPO_REPORT_CLASSES_H

#include "base/arena.h"
#include "hpo/core/report.h"

/* scikit-learn's precision_recall_fscore_support of one class. NaN: it has no images, or nothing
 * was predicted to be of it. */
struct class_scores {
    int64_t support; /* images of this class */
    double precision, recall, f1;
};

struct class_scores classes_score(const struct report_classes *c, int class);
/* Hits over images; NaN: there are none. */
double classes_accuracy(const struct report_classes *c);

/* Images of class `given` that were taken for class `taken`. */
struct confusion {
    int given, taken;
    int64_t images;
};
/* The most frequent ones, at most `most`, and how many kinds there are in all; in a. */
const struct confusion *classes_confusions(const struct report_classes *c, int most,
                                           struct arena *a, int *ret_n, int64_t *ret_all);

#endif
