/* sklearn.metrics.accuracy_score when an image counts as one of the second class from the
 * probability accuracy_threshold on, which is the best one for it on these images: chosen in
 * hindsight, it flatters. */
#include "trainer/threshold.h"

static double of_class(const struct tr_curve *c)
{
    return tr_cut_accuracy(c).value;
}

const struct metric_ops metric_accuracy_at_threshold = {
    .plugin = {"accuracy_at_threshold",
               "two classes: accuracy at accuracy_threshold (accuracy_score)", 0, NULL},
    .maximize = true,
    .min_classes = 2,
    .max_classes = 2,
    .of_class = of_class,
};
