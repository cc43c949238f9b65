/* sklearn.metrics.recall_score(average="macro", zero_division=0): the mean over the classes that
 * occur among the labels or the predictions; one that is only predicted has 0. */
#include "trainer/metric.h"

static double compute(const struct tr_predictions *p)
{
    double sum = 0;
    int occurring = 0;

    for (int c = 0; c < p->classes; c++) {
        int64_t hit = p->confusion[(int64_t)c * p->classes + c];

        occurring += p->members[c] || p->predicted[c];
        sum += p->members[c] ? (double)hit / (double)p->members[c] : 0;
    }
    return sum / occurring;
}

const struct metric_ops metric_recall_macro = {
    .plugin = {"recall_macro", "mean recall over the classes (recall_score, average=\"macro\")", 0,
               NULL},
    .maximize = true,
    .compute = compute,
};
