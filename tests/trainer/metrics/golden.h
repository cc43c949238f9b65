/* tests/trainer/metrics/golden.h - predictions with known metrics. */
#ifndef TESTS_TRAINER_METRICS_GOLDEN_H
#define TESTS_TRAINER_METRICS_GOLDEN_H

#include "tests/trainer/metrics/golden_sets.h"
#include "tests/trainer/parts.h"
#include "trainer/metric.h"

#define GOLDEN_MAX 16

/* n rows over k classes -> the metric; probs NULL: certain of pred. */
static inline double metric_of(const struct metric_ops *ops, int n, int k, const int32_t *labels,
                               const int32_t *pred, const float *probs)
{
    const struct metric_ops *const metrics[] = {ops, NULL};
    float certain[GOLDEN_MAX * GOLDEN_MAX] = {0};
    int64_t confusion[GOLDEN_MAX * GOLDEN_MAX] = {0};
    struct tr_predictions p = {.probs = probs ? probs : certain,
                               .labels = labels,
                               .pred = pred,
                               .confusion = confusion,
                               .n = n,
                               .classes = k};
    struct tr_metric_room room = {0};
    double value;

    assert_true(n <= GOLDEN_MAX && k <= GOLDEN_MAX);
    for (int i = 0; i < n; i++) {
        certain[i * k + pred[i]] = 1;
        confusion[labels[i] * k + pred[i]]++;
    }
    assert_int_equal(tr_metric_room_init(&room, n, k, NULL), 0);
    tr_metrics(metrics, &p, &room, &value);
    tr_metric_room_release(&room);
    return value;
}

static inline double golden_value(const char *name, int set)
{
    size_t i = 0;

    while (i < HPO_LEN(golden_values) && strcmp(golden_values[i].name, name))
        i++;
    if (i == HPO_LEN(golden_values))
        fail_msg("%s has no golden numbers", name);
    return golden_values[i].value[set];
}

/* The metric is scikit-learn's for every golden set. */
static inline void golden_check(const struct metric_ops *ops)
{
    for (int s = 0; s < GOLDEN_SETS; s++) {
        const struct golden_set *g = &golden_sets[s];
        double want = golden_value(ops->plugin.name, s), got;
        int32_t pred[GOLDEN_MAX] = {0};

        for (int i = 0; i < g->n; i++)
            for (int c = 0; c < g->classes; c++)
                if (g->probs[i * g->classes + c] > g->probs[i * g->classes + pred[i]])
                    pred[i] = c;
        got = metric_of(ops, g->n, g->classes, g->labels, pred, g->probs);
        assert_int_equal(isnan(want), !tr_metric_applies(ops, g->classes));
        assert_int_equal(isnan(want), isnan(got));
        /* scikit-learn takes some logarithms and means in float */
        if (!isnan(want))
            assert_near(got, want, strcmp(ops->plugin.name, "log_loss") ? 1e-14 : 1e-6);
    }
}

#endif
