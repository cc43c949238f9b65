/* trainer/metric.h - how good a set of predictions is.
 *
 * Two kinds: a metric that is computed from all classes at once, and one that looks at the order in
 * which the probability of one class puts the images (that class against the rest) and is the mean
 * over classes. For the latter the images are sorted once a class, whatever the number of metrics.
 * Nothing is allocated while metrics are computed. docs/metrics.md says what each of them is. */
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
    int64_t n;                /* from 1 to INT32_MAX */
    int classes;
    /* (classes): images of a class, and images taken for one. tr_metrics fills them in. */
    const int64_t *members, *predicted;
};

/* One class against the rest: what happens when an image counts as one of the class if its
 * probability is at least threshold[i]. Thresholds are the different probabilities that occur, from
 * large to small (scikit-learn's _binary_clf_curve); at the last one every image counts. */
struct tr_curve {
    int n; /* of them, from 1 */
    const float *threshold;
    const int32_t *tp, *fp;       /* images of the class, and others, that count */
    int64_t positives, negatives; /* images of the class, and others, in all; one may be 0 */
};

struct metric_ops {
    struct hpo_plugin plugin;
    bool maximize; /* larger is better */
    /* Says something of the predictions without being better or worse: a trial cannot be judged by
     * it. */
    bool describes;
    /* It exists for at least (at most) this many classes; 0: for any number. Elsewhere it is not
     * recorded, and no trial can be judged by it. */
    int min_classes, max_classes;

    /* scikit-learn's definition, finite for any predictions. Exactly one of these two. */
    double (*compute)(const struct tr_predictions *p);
    /* Of one class; the metric is the mean over those for which it is not NaN. Of two classes, only
     * the second is looked at: "positive" to scikit-learn. */
    double (*of_class)(const struct tr_curve *c);
    double otherwise; /* when it is NaN for every class */
};

extern const struct metric_ops *const metric_registry[]; /* NULL ends it */

static inline bool tr_metric_applies(const struct metric_ops *m, int classes)
{
    return classes >= m->min_classes && (!m->max_classes || classes <= m->max_classes);
}

static inline bool tr_metric_judges(const struct metric_ops *m, int classes)
{
    return !m->describes && tr_metric_applies(m, classes);
}

/* trainer/metric.c: what the computation needs beside the predictions. A zeroed one is valid. */
struct tr_metric_room {
    int64_t *totals; /* (2, classes) */
    uint32_t *sorts; /* (5, rows) */
};
/* For predictions of at most so many rows. HPO_ENOMEM. */
int tr_metric_room_init(struct tr_metric_room *room, int64_t rows, int classes,
                        struct hpo_err *err);
void tr_metric_room_release(struct tr_metric_room *room);

/* Each of the metrics (NULL ends the list) into ret; NaN, and nothing else is: it does not apply.
 */
void tr_metrics(const struct metric_ops *const *metrics, const struct tr_predictions *p,
                const struct tr_metric_room *room, double *ret);

#endif
