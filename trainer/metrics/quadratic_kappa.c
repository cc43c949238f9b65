/* sklearn.metrics.cohen_kappa_score(weights="quadratic", labels=all classes): for grades, whose
 * order is that of the classes; an error costs the square of the distance. Every class has its
 * place, also one that does not occur. Where labels and predictions are all of one class
 * scikit-learn has 0 / 0: here 0, see cohen_kappa. */
#include "trainer/metric.h"

static double compute(const struct tr_predictions *p)
{
    double cost = 0, chance = 0;

    for (int t = 0; t < p->classes; t++)
        for (int c = 0; c < p->classes; c++) {
            double w = (double)(t - c) * (double)(t - c);

            cost += w * (double)p->confusion[(int64_t)t * p->classes + c];
            chance += w * (double)p->members[t] * (double)p->predicted[c];
        }
    return chance > 0 ? 1 - cost * (double)p->n / chance : 0;
}

const struct metric_ops metric_quadratic_kappa = {
    .plugin = {"quadratic_kappa",
               "kappa of ordered classes, an error weighs the square of its distance "
               "(cohen_kappa_score, weights=\"quadratic\")",
               0, NULL},
    .maximize = true,
    .compute = compute,
};
