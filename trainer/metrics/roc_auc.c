/* sklearn.metrics.roc_auc_score: the share of pairs of an image of the class and one of another
 * that the probability puts in the right order, a tie counting half. More than two classes:
 * multi_class="ovr", average="macro", over the classes that occur beside others (scikit-learn
 * refuses when one does not); 0.5, which is chance, where all images are of one class. */
#include <math.h>

#include "trainer/metric.h"

static double of_class(const struct tr_curve *c)
{
    int64_t twice = 0; /* the pairs in order, times two: a whole number, at most 2^61 */

    if (!c->positives || !c->negatives)
        return NAN;
    for (int i = 0; i < c->n; i++) {
        int64_t before = i ? c->tp[i - 1] : 0, others = c->fp[i] - (i ? c->fp[i - 1] : 0);

        twice += others * (before + c->tp[i]);
    }
    return (double)twice / 2 / ((double)c->positives * (double)c->negatives);
}

const struct metric_ops metric_roc_auc = {
    .plugin = {"roc_auc",
               "area under the ROC curve; more than two classes: one against the rest, mean "
               "(roc_auc_score, multi_class=\"ovr\")",
               0, NULL},
    .maximize = true,
    .otherwise = 0.5,
    .of_class = of_class,
};
