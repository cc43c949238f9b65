/* sklearn.metrics.balanced_accuracy_score: the mean recall over the classes that occur. */
#include "trainer/metric.h"

static double compute(const struct tr_predictions *p)
{
    double sum = 0;
    int occurring = 0;

    for (int c = 0; c < p->classes; c++) {
        if (!p->members[c]) /* its recall is undefined; scikit-learn leaves the class out */
            continue;
        sum += (double)p->confusion[(int64_t)c * p->classes + c] / (double)p->members[c];
        occurring++;
    }
    return sum / occurring;
}

const struct metric_ops metric_balanced_accuracy = {
    .plugin = {"balanced_accuracy", "mean recall over the classes (balanced_accuracy_score)", 0,
               NULL},
    .maximize = true,
    .compute = compute,
};
