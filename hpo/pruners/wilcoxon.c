/* Optuna's WilcoxonPruner over folds: a trial is stopped when, pair by pair, it is worse than the
 * best COMPLETE trial beyond chance, by Wilcoxon's signed-rank test.
 *
 * What is paired. Where folds are trained one after the other, a pair is a fold: a finished one of
 * the trial, with the same fold of the best trial; all folds have the same rows and weights to
 * begin with in every trial. A fold is finished when a later one has reports, or when it has come
 * as far as the one before it, or to the last step that any fold takes. Its value is its best
 * report, as that of a complete trial is; or its last, when the best trial's folds show that this
 * is how the study counts (study.epoch). Where folds are trained side by side, or nobody knows what
 * a fold is, a pair is a step, as in Optuna, whose users report an instance a step.
 *
 * From the pairs on, the decisions are Optuna's, its safety included: a trial whose mean so far is
 * no worse than the best trial's is not stopped. With n pairs p is at least 2^-n, so that by
 * default no trial is stopped before it has finished four folds. Nor is one after its last fold:
 * nothing would be saved. So it takes five folds to gain anything. */
#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "hpo/core/pruner.h"
#include "hpo/pruners/curve.h"
#include "hpo/pruners/signed_rank.h"

struct priv {
    double p_threshold;
    int startup_steps;
};

static bool all_finite(const struct hpo_point *points, int n)
{
    for (int i = 0; i < n; i++)
        if (!isfinite(points[i].value))
            return false;
    return true;
}

/* The mean of what is finite. */
static double mean(const struct hpo_point *points, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += points[i].value;
    return sum / n;
}

/* From here on a point is an instance, whatever was paired. */
static bool worse(const struct priv *o, const struct hpo_point *own, int n,
                  const struct hpo_point *best, int n_best)
{
    double *d;
    int pairs = 0;
    bool ret;

    if (!all_finite(own, n) || !all_finite(best, n_best))
        return false;
    d = xmalloc(sizeof(*d) * (size_t)(n + 1));
    for (int i = 0, k = 0; i < n; i++) {
        while (k < n_best && best[k].step < own[i].step)
            k++;
        if (k < n_best && best[k].step == own[i].step)
            d[pairs++] = own[i].value - best[k].value;
    }
    ret = pairs >= 2 && pairs >= o->startup_steps && !(mean(best, n_best) >= mean(own, n)) &&
          signed_rank_p(d, pairs) < o->p_threshold;
    free(d);
    return ret;
}

/* How many of the reports lie in finished folds. */
static int in_finished_folds(const struct pruner *p, const struct hpo_trial *t)
{
    int64_t last = t->points[t->n_points - 1].step, epoch = last % p->fold_steps;
    int begin = curve_first_from(t, last - epoch); /* of the last fold */

    if (epoch == p->fold_steps - 1 ||
        (begin > 0 && epoch >= t->points[begin - 1].step % p->fold_steps))
        return t->n_points;
    return begin;
}

/* n reports as a point a fold: the best of its reports, or the last. ret: n of them are enough. */
static int by_fold(const struct pruner *p, const struct hpo_point *from, int n, bool last,
                   struct hpo_point *ret)
{
    int folds = 0;

    for (int i = 0, end; i < n; i = end) {
        int64_t fold = from[i].step / p->fold_steps;

        for (end = i + 1; end < n && from[end].step / p->fold_steps == fold; end++)
            ;
        ret[folds++] =
            (struct hpo_point){fold, last ? from[end - 1].value : curve_best_of(from + i, end - i)};
    }
    return folds;
}

/* The folds of a COMPLETE trial, with the values that were recorded for them. ret_last: they are
 * those of the last epoch, since for some fold a better one was reported. */
static int recorded_folds(const struct pruner *p, const struct hpo_trial *best,
                          struct hpo_point *ret, bool *ret_last)
{
    int n = by_fold(p, best->points, best->n_points, false, ret);

    *ret_last = false;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < best->n_folds; k++)
            if (best->folds[k].fold == ret[i].step) {
                double value = hpo_value_flip(best->folds[k].value, p->maximize);

                *ret_last |= value > ret[i].value;
                ret[i].value = value;
            }
    return n;
}

static bool worse_by_fold(const struct pruner *p, const struct hpo_trial *t,
                          const struct hpo_trial *best)
{
    struct hpo_point *own = xmalloc(sizeof(*own) * (size_t)t->n_points);
    struct hpo_point *bests = xmalloc(sizeof(*bests) * (size_t)best->n_points);
    bool last, ret;
    int n_best = recorded_folds(p, best, bests, &last);
    int n = by_fold(p, t->points, in_finished_folds(p, t), last, own);

    ret = n < p->folds && worse(p->priv, own, n, bests, n_best);
    free(own);
    free(bests);
    return ret;
}

static bool should_stop(const struct pruner *p, const struct hpo_history *h,
                        const struct hpo_trial *t)
{
    const struct hpo_trial *best = hpo_history_best(h);

    if (!best || best->n_points == 0 || t->n_points == 0)
        return false;
    if (p->folds > 1 && p->fold_steps > 0)
        return worse_by_fold(p, t, best);
    return worse(p->priv, t->points, t->n_points, best->points, best->n_points);
}

static const struct hpo_opt opts[] = {
    HPO_OPT(
        REAL, struct priv, p_threshold, "p_threshold", "0.1", 0, 1, 0,
        "a trial is stopped when chance alone would make it look so much worse than the best "
        "one with a probability below this; of n folds that are all worse it is 2^-n, so that "
        "0.1 stops no trial before it has finished four folds, and saves nothing with fewer than "
        "five"),
    HPO_OPT(INT, struct priv, startup_steps, "startup_steps", "2", 2, 10000000, 0,
            "no trial is stopped before so many of its folds are finished; with epoch-first order "
            "before so many of its steps, each of which is compared with the same step of the "
            "best trial"),
    {0},
};

const struct pruner_ops pruner_wilcoxon = {
    .plugin = {.name = "wilcoxon",
               .help = "stops a trial whose finished folds are worse than the same folds of the "
                       "best complete trial, by a signed-rank test",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .should_stop = should_stop,
};
