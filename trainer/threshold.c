#include "trainer/threshold.h"

#include <math.h>

/* Values are one quotient of whole numbers, which makes those that are equal the same double. */
typedef double value_fn(const struct tr_curve *c, double tp, double fp);

static double f1(const struct tr_curve *c, double tp, double fp)
{
    return tp > 0 ? 2 * tp / (tp + fp + (double)c->positives) : 0;
}

static double accuracy(const struct tr_curve *c, double tp, double fp)
{
    double negatives = (double)c->negatives;

    return (tp + negatives - fp) / ((double)c->positives + negatives);
}

static double balanced_accuracy(const struct tr_curve *c, double tp, double fp)
{
    double p = (double)c->positives, n = (double)c->negatives;

    if (!c->positives || !c->negatives)
        return accuracy(c, tp, fp);
    return (tp * n + (n - fp) * p) / (2 * p * n);
}

static void take(struct tr_cut *best, double threshold, double value)
{
    bool closer = fabs(threshold - 0.5) < fabs(best->threshold - 0.5);

    if (value > best->value || (value == best->value && closer))
        *best = (struct tr_cut){threshold, value};
}

static struct tr_cut best_cut(const struct tr_curve *c, value_fn *value)
{
    struct tr_cut best = {.value = -1};

    if (c->threshold[0] < 1)
        take(&best, (1 + (double)c->threshold[0]) / 2, value(c, 0, 0));
    for (int i = 0; i < c->n; i++) {
        double below = i + 1 < c->n ? (double)c->threshold[i + 1] : 0;

        take(&best, (below + (double)c->threshold[i]) / 2, value(c, c->tp[i], c->fp[i]));
    }
    return best;
}

struct tr_cut tr_cut_f1(const struct tr_curve *c)
{
    return best_cut(c, f1);
}

struct tr_cut tr_cut_accuracy(const struct tr_curve *c)
{
    return best_cut(c, accuracy);
}

struct tr_cut tr_cut_balanced_accuracy(const struct tr_curve *c)
{
    return best_cut(c, balanced_accuracy);
}
