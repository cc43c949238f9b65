/* Ours: stops a trial that is too far behind to become the best, by what the complete trials still
 * gained from the same fold and epoch on. docs/pruners.md has the error rates, measured.
 *
 * Let S(s) be a trial's standing at step s: the mean over its folds so far of the best report in
 * each, and V its value. A complete trial tells the drop D(s) = S(s) - V, which holds all that was
 * still to come: the rest of the fold, and that the folds to come are easier or harder than those
 * so far. A trial that is to end as good as the best one, at B, stands at B + D(s); were its D(s) a
 * draw from where those of the n complete trials came from, then
 *
 *     S(s) - B  <=  mean D(s) + q * sd D(s) * sqrt(1 + 1/n)
 *
 * with probability 1 - error_rate, q being Student's t with n - 1 degrees of freedom: the
 * one-sided prediction bound for one more observation. Above it, `reports` times running, it is
 * stopped. Between folds this is a paired test: folds and initial weights are the same for all
 * trials, what is common to a fold goes into the mean of D alone, and only what differs from trial
 * to trial widens the bound. With few trials q is large; where trials learn at different speeds, or
 * late, sd is: then little or nothing is stopped.
 *
 * D, and not a regression of V on S: a line through few points is led by the worst of them, and on
 * recorded curves it lost the best trial several times as often for the same savings. */
#include <math.h>

#include "hpo/core/pruner.h"
#include "hpo/pruners/curve.h"

/* More say nothing new; the best of them are most like what would become the best. */
#define MAX_PEERS 50

struct priv {
    int startup_trials, reports, warmup_steps;
    double error_rate;
};

/* The complete trials to compare with at a step, best first. */
struct peers {
    const struct hpo_trial *t[MAX_PEERS];
    int n;
    int reached;                    /* how many there are, kept or not */
    bool further;                   /* one of them went on after the step */
    const struct hpo_trial *leader; /* the best of all, there or not; NULL: none is complete */
};

static int64_t fold_of(const struct pruner *p, int64_t step)
{
    int64_t fold;

    if (p->folds <= 1 || p->fold_steps <= 0 || step < 0)
        return 0;
    fold = step / p->fold_steps;
    return fold < p->folds ? fold : p->folds - 1;
}

/* What share of its fold is trained after this step? */
static double share_of(const struct pruner *p, int64_t step)
{
    int64_t epochs;

    if (p->folds <= 1 || p->fold_steps <= 0)
        return 1;
    epochs = step - fold_of(p, step) * p->fold_steps + 1;
    return epochs < p->fold_steps ? (double)epochs / p->fold_steps : 1;
}

/* The mean over the folds so far of the best report in each. An unfinished fold counts by the share
 * of it that is trained: its first epochs say less than the folds before it. Reports that are NaN
 * count as infinitely bad; INFINITY when there are none. */
static double standing(const struct pruner *p, const struct hpo_trial *t, int64_t step)
{
    double sum = 0, best = INFINITY, share = share_of(p, step);
    int64_t fold = -1;
    int finished = -1;

    for (int i = 0; i < t->n_points && t->points[i].step <= step; i++) {
        int64_t f = fold_of(p, t->points[i].step);

        if (f != fold) {
            sum += fold < 0 ? 0 : best;
            best = INFINITY;
            fold = f;
            finished++;
        }
        best = fmin(best, t->points[i].value); /* of a NaN and a number, the number */
    }
    return finished > 0 ? (sum + share * best) / (finished + share) : best;
}

/* Was t in this fold both at the step, or before it, and at the step or after it? Trials that train
 * fewer epochs were not: they say nothing of what can still be gained here. */
static bool was_at(const struct pruner *p, const struct hpo_trial *t, int64_t step)
{
    int i = curve_first_from(t, step);
    int64_t fold = fold_of(p, step);

    if (i == t->n_points)
        return false;
    return t->points[i].step == step || (i > 0 && fold_of(p, t->points[i].step) == fold &&
                                         fold_of(p, t->points[i - 1].step) == fold);
}

static void peers_add(struct peers *q, const struct hpo_trial *t)
{
    int i = q->n < MAX_PEERS ? q->n++ : MAX_PEERS;

    for (; i > 0 && q->t[i - 1]->value > t->value; i--)
        if (i < MAX_PEERS)
            q->t[i] = q->t[i - 1];
    if (i < MAX_PEERS)
        q->t[i] = t;
}

static void peers_find(const struct pruner *p, const struct hpo_history *h, int64_t step,
                       struct peers *q)
{
    *q = (struct peers){0};
    for (int i = 0; i < h->n; i++) {
        const struct hpo_trial *t = h->trials[i];

        if (t->state != HPO_TRIAL_COMPLETE || !isfinite(t->value))
            continue;
        if (!q->leader || t->value < q->leader->value)
            q->leader = t;
        if (!was_at(p, t, step))
            continue;
        q->reached++;
        q->further |= t->points[t->n_points - 1].step > step;
        peers_add(q, t);
    }
}

/* P(T > t) for Student's t, exact for whole degrees of freedom (Abramowitz and Stegun, Handbook of
 * Mathematical Functions, 26.7.3 and 26.7.4). */
static double student_tail(double t, int df)
{
    double angle = atan(t / sqrt(df)), cos2 = cos(angle) * cos(angle), sum = 0;
    double term = df % 2 ? cos(angle) : 1;

    for (int i = df % 2 ? 1 : 0; i <= df - 2; i += 2) {
        sum += term;
        term *= cos2 * (i + 1) / (i + 2);
    }
    sum *= sin(angle);
    return df % 2 ? 0.5 - (angle + sum) / M_PI : (1 - sum) / 2;
}

/* Is a distance to the best trial's value more than one of these drops explains? */
static bool too_far(const struct priv *o, double distance, const double *drop, int n)
{
    double mean = 0, squares = 0, sd;

    for (int i = 0; i < n; i++)
        mean += drop[i] / n;
    for (int i = 0; i < n; i++)
        squares += (drop[i] - mean) * (drop[i] - mean);
    sd = sqrt(squares / (n - 1) * (1 + 1.0 / n));
    /* Without spread, or at an infinite distance, t is infinite and its tail 0 or 1. Drops that are
     * not finite make t a NaN, and the answer no. */
    return student_tail((distance - mean) / sd, n - 1) < o->error_rate;
}

/* Is the last report of t one that a trial which becomes the best does not make? */
static bool looks_lost(const struct pruner *p, const struct hpo_history *h,
                       const struct hpo_trial *t)
{
    const struct priv *o = p->priv;
    int64_t step = t->points[t->n_points - 1].step;
    double mine = standing(p, t, step), drop[MAX_PEERS];
    struct peers q;

    peers_find(p, h, step, &q);
    if (q.reached < o->startup_trials || !q.further)
        return false;
    if (mine <= standing(p, q.leader, step)) /* at this point it is the best */
        return false;
    for (int i = 0; i < q.n; i++)
        drop[i] = standing(p, q.t[i], step) - q.t[i]->value;
    return too_far(o, mine - q.leader->value, drop, q.n);
}

/* The last report of all: stopped now, it would lose its value and save nothing. A trial that
 * trains fewer epochs than others shows how many in its first fold. */
static bool at_end(const struct pruner *p, const struct hpo_trial *t)
{
    int64_t step = t->points[t->n_points - 1].step, begin, before;
    int i;

    if (p->fold_steps <= 0 || p->folds < 1)
        return false;
    begin = (int64_t)(p->folds - 1) * p->fold_steps;
    if (step >= begin + p->fold_steps - 1)
        return true;
    i = curve_first_from(t, begin);
    if (step < begin || i == 0)
        return false;
    before = t->points[i - 1].step;
    return step - begin >= before - fold_of(p, before) * p->fold_steps;
}

static bool should_stop(const struct pruner *p, const struct hpo_history *h,
                        const struct hpo_trial *t)
{
    const struct priv *o = p->priv;
    struct hpo_trial then = *t;

    if (t->n_points < o->reports || t->points[t->n_points - 1].step < o->warmup_steps ||
        at_end(p, t))
        return false;
    for (int i = 0; i < o->reports; i++, then.n_points--)
        if (!looks_lost(p, h, &then))
            return false;
    return true;
}

static const struct hpo_opt opts[] = {
    HPO_OPT(INT, struct priv, startup_trials, "startup_trials", "5", 2, 10000000, 0,
            "a trial is not stopped at a step that fewer complete trials have reached"),
    HPO_OPT(REAL, struct priv, error_rate, "error_rate", "0.005", 1e-6, 0.5, 0,
            "how often a report of a trial that becomes the best may look like one of a trial that "
            "cannot, going by the spread among the complete trials; more stops more"),
    HPO_OPT(INT, struct priv, reports, "reports", "2", 1, 1000000, 0,
            "so many reports running must look like that before a trial is stopped"),
    HPO_OPT(INT, struct priv, warmup_steps, "warmup_steps", "0", 0, 2147483647, 0,
            "a trial is not stopped at a step below this; steps count from 0, and with "
            "fold-first order those of a fold come after all of the fold before"),
    {0},
};

const struct pruner_ops pruner_fold = {
    .plugin = {.name = "fold",
               .help = "stops a trial that is too far behind to become the best, by what the "
                       "complete trials still gained from the same fold and epoch on",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .should_stop = should_stop,
};
