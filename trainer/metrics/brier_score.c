/* sklearn.metrics.brier_score_loss. Two classes: the mean squared error of the second one's
 * probability. More: the squared errors of all classes added up, from 0 to 2 (since scikit-learn
 * 1.7). */
#include "trainer/metric.h"

static double compute(const struct tr_predictions *p)
{
    double sum = 0;

    for (int64_t i = 0; i < p->n; i++)
        for (int c = p->classes == 2; c < p->classes; c++) {
            double error = (double)p->probs[i * p->classes + c] - (p->labels[i] == c);

            sum += error * error;
        }
    return sum / (double)p->n;
}

const struct metric_ops metric_brier_score = {
    .plugin = {"brier_score",
               "mean squared error of the predicted probabilities (brier_score_loss)", 0, NULL},
    .maximize = false,
    .compute = compute,
};
