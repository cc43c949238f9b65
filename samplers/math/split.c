#include "samplers/math/split.h"

#include <math.h>

static double nan_is_worst(double v)
{
    return isnan(v) ? INFINITY : v;
}

void tpe_score(const struct hpo_trial *t, struct tpe_scores *ret, int i)
{
    const struct hpo_point *last = t->n_points ? &t->points[t->n_points - 1] : NULL;
    bool pruned = t->state == HPO_TRIAL_PRUNED;

    ret->state[i] = (uint8_t)t->state;
    ret->first[i] = t->state == HPO_TRIAL_COMPLETE ? nan_is_worst(t->value)
                    : pruned                       ? (last ? -(double)last->step : 1)
                                                   : 0;
    ret->second[i] = pruned && last ? nan_is_worst(last->value) : 0;
}

int tpe_gamma(int n)
{
    int k = n / 10 + (n % 10 > 0);

    return k < TPE_BELOW_MAX ? k : TPE_BELOW_MAX;
}

static bool better(const struct tpe_scores *s, int a, int b)
{
    return s->first[a] < s->first[b] || (s->first[a] == s->first[b] && s->second[a] < s->second[b]);
}

/* Adds the best `cap` trials of a state to the good ones, the earlier on a tie. Goes back in time:
 * a search gets better, so that the best ones come first and little is moved. */
static void take(const struct tpe_scores *s, int n, enum hpo_trial_state state, int cap,
                 struct tpe_split *ret)
{
    int best[TPE_BELOW_MAX], n_best = 0;
    double worst = INFINITY; /* of as many as there may be */

    for (int i = n - 1; i >= 0 && cap > 0; i--) {
        int k;

        if (s->state[i] != state || s->first[i] > worst)
            continue;
        if (n_best == cap && better(s, best[cap - 1], i))
            continue;
        for (k = n_best < cap ? n_best++ : cap - 1; k > 0 && !better(s, best[k - 1], i); k--)
            best[k] = best[k - 1];
        best[k] = i;
        if (n_best == cap)
            worst = s->first[best[cap - 1]];
    }
    for (int b = 0; b < n_best; b++) {
        int i = ret->n_below++;

        for (; i > 0 && ret->below[i - 1] > best[b]; i--)
            ret->below[i] = ret->below[i - 1];
        ret->below[i] = best[b];
    }
}

/* All of from .. to that count as bad. */
static int add_above(const struct tpe_scores *s, int from, int to, bool all, int *ret, int n)
{
    for (int i = from; i < to; i++) {
        ret[n] = i;
        n += all || (s->state[i] != HPO_TRIAL_RUNNING && s->state[i] != HPO_TRIAL_WAITING);
    }
    return n;
}

/* What take does for COMPLETE trials, when the guess is no lower than the worst that is good and
 * few other values are as low; else false. */
static bool take_guessed(const struct tpe_scores *s, int n, int cap, struct tpe_split *ret)
{
    int found[2 * TPE_BELOW_MAX], n_found = 0;

    for (int i = 0; i < n; i++)
        if (s->first[i] <= ret->guess && s->state[i] == HPO_TRIAL_COMPLETE) {
            if (n_found == 2 * TPE_BELOW_MAX)
                return false;
            found[n_found++] = i;
        }
    if (n_found < cap)
        return false;
    for (; n_found > cap; n_found--) {
        int worst = 0;

        for (int k = 1; k < n_found; k++)
            if (!better(s, found[k], found[worst]))
                worst = k;
        for (int k = worst; k + 1 < n_found; k++)
            found[k] = found[k + 1];
    }
    for (int k = 0; k < cap; k++)
        ret->below[ret->n_below++] = found[k];
    return true;
}

static void take_complete(const struct tpe_scores *s, int n, int cap, struct tpe_split *ret)
{
    if (!take_guessed(s, n, cap, ret))
        take(s, n, HPO_TRIAL_COMPLETE, cap, ret);
    ret->guess = -INFINITY;
    for (int k = 0; k < ret->n_below; k++)
        if (s->first[ret->below[k]] > ret->guess)
            ret->guess = s->first[ret->below[k]];
}

void tpe_split_scores(const struct tpe_scores *s, int n, bool pending, struct tpe_split *ret)
{
    int complete = 0, pruned = 0, from = 0;

    for (int i = 0; i < n; i++) {
        complete += s->state[i] == HPO_TRIAL_COMPLETE;
        pruned += s->state[i] == HPO_TRIAL_PRUNED;
    }
    ret->n_results = complete + pruned;
    ret->n_below = ret->n_above = 0;
    take_complete(s, n, tpe_gamma(ret->n_results), ret);
    take(s, n, HPO_TRIAL_PRUNED, tpe_gamma(ret->n_results) - complete, ret);
    for (int b = 0; b <= ret->n_below; b++) {
        int to = b < ret->n_below ? ret->below[b] : n;

        ret->n_above = add_above(s, from, to, pending, ret->above, ret->n_above);
        from = to + 1;
    }
}

struct tpe_split tpe_split(const struct hpo_history *h, bool pending, struct arena *a)
{
    struct tpe_scores scores = {ARENA_ARRAY(a, uint8_t, h->n), ARENA_ARRAY(a, double, h->n),
                                ARENA_ARRAY(a, double, h->n)};
    struct tpe_split ret = {.below = ARENA_ARRAY(a, int, TPE_BELOW_MAX),
                            .above = ARENA_ARRAY(a, int, h->n + 1)};

    for (int i = 0; i < h->n; i++)
        tpe_score(h->trials[i], &scores, i);
    tpe_split_scores(&scores, h->n, pending, &ret);
    return ret;
}
