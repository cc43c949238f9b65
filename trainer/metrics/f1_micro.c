/* sklearn.metrics.f1_score(average="micro"): over all classes together. Where an image is of one
 * class, a false positive of one class is a false negative of another: it is the accuracy. */
#include "trainer/metric.h"

static double compute(const struct tr_predictions *p)
{
    int64_t hits = 0;

    for (int c = 0; c < p->classes; c++)
        hits += p->confusion[(int64_t)c * p->classes + c];
    return (double)hits / (double)p->n;
}

const struct metric_ops metric_f1_micro = {
    .plugin = {"f1_micro",
               "F1 over all classes together, which is the accuracy (f1_score, average=\"micro\")",
               0, NULL},
    .maximize = true,
    .compute = compute,
};
