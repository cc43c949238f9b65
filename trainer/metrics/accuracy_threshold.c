/* From which probability on an image had better count as one of the second class? The threshold of
 * the best accuracy. */
#include "trainer/threshold.h"

static double of_class(const struct tr_curve *c)
{
    return tr_cut_accuracy(c).threshold;
}

const struct metric_ops metric_accuracy_threshold = {
    .plugin = {"accuracy_threshold",
               "two classes: the probability of the second from which on an image counts as one, "
               "for the best accuracy",
               0, NULL},
    .maximize = false,
    .describes = true,
    .min_classes = 2,
    .max_classes = 2,
    .of_class = of_class,
};
