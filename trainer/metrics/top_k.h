/* trainer/metrics/top_k.h - is the right class among the k most probable? */
#ifndef HPO_TRAINER_METRICS_TOP_K_H
#define HPO_TRAINER_METRICS_TOP_K_H

#include "trainer/metric.h"

/* Of equal probabilities the class with the higher index comes first: scikit-learn reverses a
 * stable sort. (The argmax, and so the accuracy, takes the lower one.) */
static inline double top_k_accuracy(const struct tr_predictions *p, int k)
{
    int64_t right = 0;

    for (int64_t i = 0; i < p->n; i++) {
        const float *row = p->probs + i * p->classes;
        int label = p->labels[i], before = 0;

        for (int c = 0; c < p->classes; c++)
            before += row[c] > row[label] || (row[c] == row[label] && c > label);
        right += before < k;
    }
    return (double)right / (double)p->n;
}

#endif
