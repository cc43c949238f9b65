/* sklearn.metrics.cohen_kappa_score: how much of the agreement that chance does not explain there
 * is. Where labels and predictions are all of one class chance explains everything, and
 * scikit-learn has 0 / 0: here 0, as matthews_corrcoef has it. */
#include "trainer/metric.h"

static double compute(const struct tr_predictions *p)
{
    double n = (double)p->n, wrong = n, chance = n * n;

    for (int c = 0; c < p->classes; c++) {
        wrong -= (double)p->confusion[(int64_t)c * p->classes + c];
        chance -= (double)p->members[c] * (double)p->predicted[c];
    }
    return chance > 0 ? 1 - wrong * n / chance : 0;
}

const struct metric_ops metric_cohen_kappa = {
    .plugin = {"cohen_kappa", "agreement beyond chance (cohen_kappa_score)", 0, NULL},
    .maximize = true,
    .compute = compute,
};
