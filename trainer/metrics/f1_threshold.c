/* From which probability on an image had better count as one of the second class? The threshold of
 * the best F1 of the second class. */
#include "trainer/threshold.h"

static double of_class(const struct tr_curve *c)
{
    return tr_cut_f1(c).threshold;
}

const struct metric_ops metric_f1_threshold = {
    .plugin = {"f1_threshold",
               "two classes: the probability of the second from which on an image counts as one, "
               "for the best F1",
               0, NULL},
    .maximize = false,
    .describes = true,
    .min_classes = 2,
    .max_classes = 2,
    .of_class = of_class,
};
