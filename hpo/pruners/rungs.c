#include "hpo/pruners/rungs.h"

#include <math.h>

#include "hpo/pruners/curve.h"

/* The step at which a rung is reached; false: beyond all steps. */
static bool rung_step(const struct rungs *r, int rung, int64_t *ret)
{
    int64_t step = r->min_resource;

    for (int64_t i = (int64_t)r->min_early_stopping_rate + rung; i > 0; i--)
        if (__builtin_mul_overflow(step, (int64_t)r->reduction_factor, &step))
            return false;
    *ret = step;
    return true;
}

/* Was p asked after the n-th report? */
static bool asked(const struct pruner *p, const struct hpo_trial *t, int n)
{
    for (p = p->outer; p; p = p->outer)
        if (!p->ops->asks(p, t, n))
            return false;
    return true;
}

/* How many rungs had been reached before the last report. */
static int rungs_before(const struct rungs *r, const struct pruner *p, const struct hpo_trial *t)
{
    int n = t->n_points - 1, rung = 0;
    int64_t step;

    while (n > 0 && !asked(p, t, n))
        n--;
    while (n > 0 && rung_step(r, rung, &step) && t->points[n - 1].step >= step)
        rung++;
    return rung;
}

/* What an earlier or parallel trial reported at a rung. */
static bool rung_value(const struct rungs *r, const struct pruner *p, const struct hpo_trial *t,
                       int rung, int64_t step, double *ret)
{
    int i = curve_first_from(t, step);

    while (i < t->n_points && !asked(p, t, i + 1))
        i++;
    if (i == t->n_points || isnan(t->points[i].value))
        return false;
    if (t->state == HPO_TRIAL_PRUNED && i == t->n_points - 1 && rung > rungs_before(r, p, t))
        return false;
    *ret = t->points[i].value;
    return true;
}

static bool same_bracket(const struct pruner *p, const struct hpo_trial *a,
                         const struct hpo_trial *b)
{
    return !p->ops->bracket || p->ops->bracket(p, a->number) == p->ops->bracket(p, b->number);
}

/* Is this value among the best 1 / reduction_factor of those who were here, or the very best? */
static bool promoted(const struct rungs *r, const struct pruner *p, const struct hpo_history *h,
                     const struct hpo_trial *t, int rung, int64_t step, double value)
{
    int n = 1, better = 0, places;
    double v;

    for (int i = 0; i < h->n; i++) {
        const struct hpo_trial *other = h->trials[i];

        if (other->number == t->number || !rung_value(r, p, other, rung, step, &v) ||
            !same_bracket(p, other, t))
            continue;
        n++;
        better += v < value;
    }
    places = n / r->reduction_factor;
    return n > r->bootstrap_count && better < (places ? places : 1);
}

bool rungs_stop(const struct rungs *r, const struct pruner *p, const struct hpo_history *h,
                const struct hpo_trial *t)
{
    const struct hpo_point *last;
    int64_t step;

    if (t->n_points == 0)
        return false;
    last = &t->points[t->n_points - 1];
    for (int rung = rungs_before(r, p, t); rung_step(r, rung, &step) && last->step >= step; rung++)
        if (isnan(last->value) || !promoted(r, p, h, t, rung, step, last->value))
            return true;
    return false;
}
