#include "samplers/math/split.h"

#include <math.h>

/* Smaller is better, `first` before `second`. */
struct score {
    double first, second;
    int trial;
};

/* The best `cap` scores, the earlier on a tie. */
struct best {
    struct score s[TPE_BELOW_MAX];
    int n, cap;
};

static bool better(const struct score *a, const struct score *b)
{
    return a->first < b->first || (a->first == b->first && a->second < b->second);
}

static void best_add(struct best *b, struct score s)
{
    int i;

    if (b->n < b->cap)
        i = b->n++;
    else if (b->cap && better(&s, &b->s[b->n - 1]))
        i = b->n - 1;
    else
        return;
    for (; i > 0 && better(&s, &b->s[i - 1]); i--)
        b->s[i] = b->s[i - 1];
    b->s[i] = s;
}

static double nan_is_worst(double v)
{
    return isnan(v) ? INFINITY : v;
}

static struct score score_of(const struct hpo_trial *t, int trial)
{
    const struct hpo_point *last = t->n_points ? &t->points[t->n_points - 1] : NULL;

    if (t->state == HPO_TRIAL_COMPLETE)
        return (struct score){nan_is_worst(t->value), 0, trial};
    if (!last)
        return (struct score){1, 0, trial};
    return (struct score){-(double)last->step, nan_is_worst(last->value), trial};
}

int tpe_gamma(int n)
{
    int k = n / 10 + (n % 10 > 0);

    return k < TPE_BELOW_MAX ? k : TPE_BELOW_MAX;
}

static void take(const struct hpo_history *h, enum hpo_trial_state state, int cap, bool *is_below)
{
    struct best best = {.cap = cap};

    for (int i = 0; i < h->n; i++)
        if (h->trials[i]->state == state)
            best_add(&best, score_of(h->trials[i], i));
    for (int i = 0; i < best.n; i++)
        is_below[best.s[i].trial] = true;
}

struct tpe_split tpe_split(const struct hpo_history *h, bool pending, struct arena *a)
{
    int complete = hpo_history_count(h, HPO_TRIAL_COMPLETE);
    int results = complete + hpo_history_count(h, HPO_TRIAL_PRUNED);
    int k = tpe_gamma(results), n_below = 0, n_above = 0;
    bool *is_below = ARENA_ARRAY(a, bool, h->n);
    int *below = ARENA_ARRAY(a, int, k), *above = ARENA_ARRAY(a, int, h->n);

    take(h, HPO_TRIAL_COMPLETE, k, is_below);
    take(h, HPO_TRIAL_PRUNED, k > complete ? k - complete : 0, is_below);
    for (int i = 0; i < h->n; i++) {
        enum hpo_trial_state state = h->trials[i]->state;

        if (is_below[i])
            below[n_below++] = i;
        else if (pending || (state != HPO_TRIAL_RUNNING && state != HPO_TRIAL_WAITING))
            above[n_above++] = i;
    }
    return (struct tpe_split){results, below, n_below, above, n_above};
}
