/* sklearn.metrics.log_loss: the mean of -log of the probability given to the true class, with
 * probabilities clipped to [eps, 1 - eps], eps that of their type (float), and rows made to sum to
 * 1 again. */
#include <float.h>
#include <math.h>

#include "trainer/metric.h"

static double clip(double v)
{
    double eps = (double)FLT_EPSILON;

    return v < eps ? eps : v > 1.0 - eps ? 1.0 - eps : v;
}

static double compute(const struct tr_predictions *p)
{
    double loss = 0;

    for (int64_t i = 0; i < p->n; i++) {
        const float *row = p->probs + i * p->classes;
        double sum = 0;

        for (int c = 0; c < p->classes; c++)
            sum += clip((double)row[c]);
        loss -= log(clip((double)row[p->labels[i]]) / sum);
    }
    return loss / (double)p->n;
}

const struct metric_ops metric_log_loss = {
    .plugin = {"log_loss", "cross entropy of the predicted probabilities (log_loss)", 0, NULL},
    .maximize = false,
    .compute = compute,
};
