/* sklearn.metrics.f1_score when an image counts as one of the second class from the probability
 * f1_threshold on, which is the best one for it on these images: chosen in hindsight, it flatters.
 */
#include "trainer/threshold.h"

static double of_class(const struct tr_curve *c)
{
    return tr_cut_f1(c).value;
}

const struct metric_ops metric_f1_at_threshold = {
    .plugin = {"f1_at_threshold", "two classes: F1 of the second class at f1_threshold (f1_score)",
               0, NULL},
    .maximize = true,
    .min_classes = 2,
    .max_classes = 2,
    .of_class = of_class,
};
