/* sklearn.metrics.f1_score(average="weighted", zero_division=0): the mean over classes, each with
 * the number of its images as its weight. */
#include "trainer/metric.h"

static double compute(const struct tr_predictions *p)
{
    double sum = 0;

    for (int c = 0; c < p->classes; c++) {
        double hit = (double)p->confusion[(int64_t)c * p->classes + c];

        if (p->members[c])
            sum += 2.0 * hit / (double)(p->members[c] + p->predicted[c]) * (double)p->members[c];
    }
    return sum / (double)p->n;
}

const struct metric_ops metric_f1_weighted = {
    .plugin = {"f1_weighted", "mean F1, classes weighted by size (f1_score, average=\"weighted\")",
               0, NULL},
    .maximize = true,
    .compute = compute,
};
