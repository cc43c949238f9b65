/* sklearn.metrics.average_precision_score: the mean of the precision at each threshold, weighted by
 * the recall that it adds. Two classes: of the second one, 0 where it does not occur. More:
 * average="macro", over the classes that occur. */
#include <math.h>

#include "trainer/metric.h"

static double of_class(const struct tr_curve *c)
{
    double sum = 0;

    if (!c->positives)
        return NAN;
    for (int i = 0; i < c->n; i++) {
        double tp = c->tp[i], added = tp - (i ? c->tp[i - 1] : 0);

        sum += added * tp / (tp + c->fp[i]);
    }
    return sum / (double)c->positives;
}

const struct metric_ops metric_average_precision = {
    .plugin = {"average_precision",
               "area under the precision-recall curve; more than two classes: one against the "
               "rest, mean (average_precision_score)",
               0, NULL},
    .maximize = true,
    .of_class = of_class,
};
