/* sklearn.metrics.precision_score(average="macro", zero_division=0): the mean over the classes that
 * occur among the labels or the predictions; one that is never predicted has 0. */
#include "trainer/metric.h"

static double compute(const struct tr_predictions *p)
{
    double sum = 0;
    int occurring = 0;

    for (int c = 0; c < p->classes; c++) {
        int64_t hit = p->confusion[(int64_t)c * p->classes + c];

        occurring += p->members[c] || p->predicted[c];
        sum += p->predicted[c] ? (double)hit / (double)p->predicted[c] : 0;
    }
    return sum / occurring;
}

const struct metric_ops metric_precision_macro = {
    .plugin = {"precision_macro",
               "mean precision over the classes (precision_score, average=\"macro\")", 0, NULL},
    .maximize = true,
    .compute = compute,
};
