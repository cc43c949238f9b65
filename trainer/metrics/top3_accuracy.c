/* sklearn.metrics.top_k_accuracy_score(k=3): the share of images whose class is among the 3 most
 * probable. With no more classes than that it would always be 1: it does not exist there. */
#include "trainer/metrics/top_k.h"

static double compute(const struct tr_predictions *p)
{
    return top_k_accuracy(p, 3);
}

const struct metric_ops metric_top3_accuracy = {
    .plugin =
        {"top3_accuracy",
         "share of images whose class is among the 3 most probable (top_k_accuracy_score, k=3)", 0,
         NULL},
    .maximize = true,
    .min_classes = 4,
    .compute = compute,
};
