/* tests/trainer/metrics/golden.h - predictions with known metrics (scikit-learn 1.2.1). */
#ifndef TESTS_TRAINER_METRICS_GOLDEN_H
#define TESTS_TRAINER_METRICS_GOLDEN_H

#include "tests/trainer/parts.h"
#include "trainer/metric.h"

#define GOLDEN_MAX 16

/* n rows over k classes -> the metric; probs NULL: certain of pred. */
static inline double metric_of(const struct metric_ops *ops, int n, int k, const int32_t *labels,
                               const int32_t *pred, const float *probs)
{
    float certain[GOLDEN_MAX * GOLDEN_MAX] = {0};
    int64_t confusion[GOLDEN_MAX * GOLDEN_MAX] = {0};
    struct tr_predictions p = {.probs = probs ? probs : certain, .labels = labels, .pred = pred,
                               .confusion = confusion, .n = n, .classes = k};

    assert_true(n <= GOLDEN_MAX && k <= GOLDEN_MAX);
    for (int i = 0; i < n; i++) {
        certain[i * k + pred[i]] = 1;
        confusion[labels[i] * k + pred[i]]++;
    }
    return ops->compute(&p);
}

static const int32_t golden_labels[8] = {0, 0, 1, 1, 2, 2, 2, 0};
static const int32_t golden_pred[8] = {0, 1, 1, 0, 2, 2, 0, 0};
static const float golden_probs[8 * 3] = {
    0.7f, 0.2f, 0.1f, 0.3f, 0.4f,  0.3f,  0.2f, 0.6f, 0.2f, 0.5f, 0.3f, 0.2f,
    0.1f, 0.2f, 0.7f, 0.25f, 0.25f, 0.5f, 0.4f, 0.3f, 0.3f, 0.6f, 0.3f, 0.1f};

static inline double golden_metric(const struct metric_ops *ops)
{
    return metric_of(ops, 8, 3, golden_labels, golden_pred, golden_probs);
}

#endif
