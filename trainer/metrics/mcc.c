/* sklearn.metrics.matthews_corrcoef, of any number of classes: the correlation of labels and
 * predictions. 0 where either is all of one class. */
#include <math.h>

#include "trainer/metric.h"

static double compute(const struct tr_predictions *p)
{
    double n = (double)p->n, hits = 0, both = 0, labels = n * n, predictions = n * n;

    for (int c = 0; c < p->classes; c++) {
        double members = (double)p->members[c], predicted = (double)p->predicted[c];

        hits += (double)p->confusion[(int64_t)c * p->classes + c];
        both += members * predicted;
        labels -= members * members;
        predictions -= predicted * predicted;
    }
    if (!(labels > 0) || !(predictions > 0))
        return 0;
    return (hits * n - both) / (sqrt(labels) * sqrt(predictions));
}

const struct metric_ops metric_mcc = {
    .plugin = {"mcc", "Matthews correlation coefficient (matthews_corrcoef)", 0, NULL},
    .maximize = true,
    .compute = compute,
};
