/* Expected calibration error (Naeini et al. 2015; Guo et al. 2017): images in 15 bins of equal
 * width by the probability of the class that they are taken for, each open below and closed above;
 * the mean over images of how far a bin's accuracy is from its mean probability. */
#include <math.h>

#include "trainer/metric.h"

#define BINS 15

static double compute(const struct tr_predictions *p)
{
    double gap[BINS] = {0},
           sum = 0; /* of a bin: summed probabilities less the images that are right */

    for (int64_t i = 0; i < p->n; i++) {
        double confidence = (double)p->probs[i * p->classes + p->pred[i]];
        int bin = (int)ceil(confidence * BINS) - 1; /* a float times 15 is exact */

        bin = bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin;
        gap[bin] += confidence - (p->pred[i] == p->labels[i]);
    }
    for (int b = 0; b < BINS; b++)
        sum += fabs(gap[b]);
    return sum / (double)p->n;
}

const struct metric_ops metric_ece = {
    .plugin = {"ece", "expected calibration error of the predicted class, 15 bins of equal width",
               0, NULL},
    .maximize = false,
    .compute = compute,
};
