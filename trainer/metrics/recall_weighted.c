/* sklearn.metrics.recall_score(average="weighted"): the mean over classes, each with the number of
 * its images as its weight. Weight and denominator are the same: it is the accuracy, rounded in
 * another way. */
#include "trainer/metric.h"

static double compute(const struct tr_predictions *p)
{
    double sum = 0;

    for (int c = 0; c < p->classes; c++) {
        double hit = (double)p->confusion[(int64_t)c * p->classes + c];

        if (p->members[c])
            sum += hit / (double)p->members[c] * (double)p->members[c];
    }
    return sum / (double)p->n;
}

const struct metric_ops metric_recall_weighted = {
    .plugin = {"recall_weighted",
               "mean recall, classes weighted by size, which is the accuracy (recall_score, "
               "average=\"weighted\")",
               0, NULL},
    .maximize = true,
    .compute = compute,
};
