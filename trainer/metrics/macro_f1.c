/* sklearn.metrics.f1_score(average="macro", zero_division=0): the mean F1 over the classes that
 * occur among the labels or the predictions. */
#include "trainer/metric.h"

static double compute(const struct tr_predictions *p)
{
    double sum = 0;
    int occurring = 0;

    for (int c = 0; c < p->classes; c++) {
        int64_t hit = p->confusion[(int64_t)c * p->classes + c];
        int64_t both = p->members[c] + p->predicted[c];

        if (!both)
            continue;
        sum += 2.0 * (double)hit / (double)both;
        occurring++;
    }
    return sum / occurring;
}

const struct metric_ops metric_macro_f1 = {
    .plugin = {"macro_f1", "mean F1 over the classes (f1_score, average=\"macro\")", 0, NULL},
    .maximize = true,
    .compute = compute,
};
