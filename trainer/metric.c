#include "trainer/metric.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/trainer.h"

/* A key of 31 bits is sorted in three passes of 11: a data set of a thousand classes is sorted a
 * thousand times an epoch, and qsort, which may allocate, would take most of the evaluation. */
#define DIGIT 11
#define DIGITS 3
#define BUCKETS (1 << DIGIT)

/* of (rows): keys and spare, then threshold, tp and fp */
#define ARRAYS 5

int tr_metric_room_init(struct tr_metric_room *room, int64_t rows, int classes, struct hpo_err *err)
{
    room->totals = calloc((size_t)classes, 2 * sizeof(*room->totals));
    room->sorts = calloc((size_t)rows, ARRAYS * sizeof(*room->sorts));
    if (!room->totals || !room->sorts)
        return hpo_fail(err, HPO_ENOMEM, "out of memory for metrics (%.1f MiB)",
                        (double)rows * ARRAYS * sizeof(*room->sorts) / 1048576.0);
    return 0;
}

void tr_metric_room_release(struct tr_metric_room *room)
{
    free(room->totals);
    free(room->sorts);
    *room = (struct tr_metric_room){0};
}

/* Bits of a float from 0 to 1 rise with it and leave the top two bits empty: one of them takes
 * whether the image is of the class. Complemented, for the largest first. */
static uint32_t key_of(float prob, bool positive)
{
    uint32_t bits;

    memcpy(&bits, &prob, sizeof(bits));
    return (0x3FFFFFFF - (bits & 0x3FFFFFFF)) << 1 | positive;
}

static float prob_of(uint32_t key)
{
    uint32_t bits = 0x3FFFFFFF - (key >> 1);
    float prob;

    memcpy(&prob, &bits, sizeof(prob));
    return prob;
}

/* Returns where the sorted keys lie: in keys, or in spare. */
static const uint32_t *sort(uint32_t *keys, uint32_t *spare, size_t n)
{
    uint32_t count[DIGITS][BUCKETS] = {{0}};

    for (size_t i = 0; i < n; i++)
        for (int d = 0; d < DIGITS; d++)
            count[d][keys[i] >> (d * DIGIT) & (BUCKETS - 1)]++;
    for (int d = 0; d < DIGITS; d++) {
        uint32_t *at = count[d], sum = 0, *swap = keys;

        if (at[keys[0] >> (d * DIGIT) & (BUCKETS - 1)] == n) /* all the same: nothing to do */
            continue;
        for (int b = 0; b < BUCKETS; b++) {
            uint32_t here = at[b];

            at[b] = sum;
            sum += here;
        }
        for (size_t i = 0; i < n; i++)
            spare[at[keys[i] >> (d * DIGIT) & (BUCKETS - 1)]++] = keys[i];
        keys = spare;
        spare = swap;
    }
    return keys;
}

static struct tr_curve curve_of(const struct tr_predictions *p, int class,
                                const struct tr_metric_room *room)
{
    size_t n = (size_t)p->n;
    uint32_t *keys = room->sorts;
    float *threshold = (float *)(room->sorts + 2 * n);
    int32_t *tp = (int32_t *)(room->sorts + 3 * n), *fp = (int32_t *)(room->sorts + 4 * n);
    struct tr_curve c = {.threshold = threshold, .tp = tp, .fp = fp};
    const uint32_t *sorted;
    int32_t of[2] = {0};

    for (size_t i = 0; i < n; i++)
        keys[i] = key_of(p->probs[i * (size_t)p->classes + (size_t) class], p->labels[i] == class);
    sorted = sort(keys, keys + n, n);
    for (size_t i = 0; i < n; i++) {
        of[sorted[i] & 1]++;
        if (i + 1 < n && sorted[i] >> 1 == sorted[i + 1] >> 1)
            continue;
        threshold[c.n] = prob_of(sorted[i]);
        tp[c.n] = of[1];
        fp[c.n++] = of[0];
    }
    c.positives = of[1];
    c.negatives = of[0];
    return c;
}

static void of_classes(const struct metric_ops *const *metrics, const struct tr_predictions *p,
                       const struct tr_metric_room *room, double *ret)
{
    int counted[TR_MAX_METRICS] = {0};

    for (int class = p->classes == 2; class < p->classes; class ++) {
        struct tr_curve c = curve_of(p, class, room);

        for (int i = 0; metrics[i]; i++) {
            double v = metrics[i]->of_class && tr_metric_applies(metrics[i], p->classes)
                           ? metrics[i]->of_class(&c)
                           : NAN;

            if (isnan(v))
                continue;
            ret[i] += v;
            counted[i]++;
        }
    }
    for (int i = 0; metrics[i]; i++)
        if (metrics[i]->of_class && tr_metric_applies(metrics[i], p->classes))
            ret[i] = counted[i] ? ret[i] / counted[i] : metrics[i]->otherwise;
}

static void sum_up(const struct tr_predictions *p, int64_t *members, int64_t *predicted)
{
    memset(members, 0, (size_t)p->classes * sizeof(*members));
    memset(predicted, 0, (size_t)p->classes * sizeof(*predicted));
    for (int t = 0; t < p->classes; t++) {
        const int64_t *row = p->confusion + (int64_t)t * p->classes;

        for (int c = 0; c < p->classes; c++) {
            members[t] += row[c];
            predicted[c] += row[c];
        }
    }
}

void tr_metrics(const struct metric_ops *const *metrics, const struct tr_predictions *predictions,
                const struct tr_metric_room *room, double *ret)
{
    struct tr_predictions all = *predictions, *p = &all;
    bool ranked = false;

    sum_up(p, room->totals, room->totals + p->classes);
    p->members = room->totals;
    p->predicted = room->totals + p->classes;
    for (int i = 0; metrics[i]; i++) {
        const struct metric_ops *m = metrics[i];

        assert(i < TR_MAX_METRICS);
        ret[i] = !tr_metric_applies(m, p->classes) ? NAN : m->compute ? m->compute(p) : 0;
        ranked = ranked || (m->of_class && tr_metric_applies(m, p->classes));
    }
    if (ranked)
        of_classes(metrics, p, room, ret);
}
