/* trainer/metric.h - how good a set of predictions is. */
#ifndef HPO_TRAINER_METRIC_H
#define HPO_TRAINER_METRIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/opt.h"

struct tr_predictions {
    const float *probs;       /* (n, classes), rows sum to 1 */
    const int32_t *labels;    /* (n) */
    const int32_t *pred;      /* (n), the argmax; the lowest index wins a tie */
    const int64_t *confusion; /* (classes, classes), rows: true */
    int64_t n;
    int classes;
};

struct metric_ops {
    struct hpo_plugin plugin;
    bool maximize;                                     /* larger is better */
    double (*compute)(const struct tr_predictions *p); /* scikit-learn's definition */
};

extern const struct metric_ops *const metric_registry[]; /* NULL ends it */

#endif
