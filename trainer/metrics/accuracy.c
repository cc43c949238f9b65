/* sklearn.metrics.accuracy_score: the share of samples whose class is right. */
#include "trainer/metric.h"

static double compute(const struct tr_predictions *p)
{
    int64_t right = 0;

    for (int c = 0; c < p->classes; c++)
        right += p->confusion[(int64_t)c * p->classes + c];
    return (double)right / (double)p->n;
}

const struct metric_ops metric_accuracy = {
    .plugin = {"accuracy", "share of images whose class is right (accuracy_score)", 0, NULL},
    .maximize = true,
    .compute = compute,
};
