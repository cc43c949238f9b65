/* The rungs of a study: which trials of one go on to the next, and when.
 *
 * A rung begins when the one below is over, so that which trials it gets depends on values alone
 * and not on who was faster. Everything here is a function of the trials as they are stored: a
 * study that was killed goes on as if it had not been. */
#include <math.h>
#include <stdlib.h>

#include "hpo/study_impl.h"

const struct pruner *study_pruner(const struct study *s, int rung)
{
    return &s->rung[rung].pruner;
}

int study_finished_on(const struct study *s, int rung)
{
    return s->rung[rung].count[HPO_TRIAL_COMPLETE] + s->rung[rung].count[HPO_TRIAL_PRUNED];
}

/* ---------------------------------------------------------------- who goes on */

static int compare_trials(const void *a, const void *b)
{
    const struct hpo_trial *x = *(const struct hpo_trial *const *)a;
    const struct hpo_trial *y = *(const struct hpo_trial *const *)b;

    return hpo_trial_better(x, y) ? -1 : hpo_trial_better(y, x);
}

/* Training the same configuration again would tell nothing new. */
static bool same_values(const struct study *s, const struct hpo_trial *a, const struct hpo_trial *b)
{
    for (int i = 0; i < s->config->space.n; i++)
        if (isnan(a->values[i]) != isnan(b->values[i]) ||
            (!isnan(a->values[i]) && a->values[i] != b->values[i]))
            return false;
    return true;
}

static bool among(const struct study *s, const struct hpo_trial *const *list, int n,
                  const struct hpo_trial *t)
{
    for (int i = 0; i < n; i++)
        if (same_values(s, list[i], t))
            return true;
    return false;
}

/* A trial that may be drawn, by a number that is its own. */
struct lot {
    double key;
    const struct hpo_trial *t;
};

static int compare_lots(const void *a, const void *b)
{
    const struct lot *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->t->number > y->t->number) - (x->t->number < y->t->number);
}

/* Append those that are drawn from list[from..n) to ret[k..]. The lot of a trial does not depend on
 * how many others there are. Returns how many there are then. */
static int draw(const struct study *s, int rung, const struct hpo_trial **list, int from, int n,
                const struct hpo_trial **ret, int k)
{
    struct lot *lots = xmalloc(sizeof(*lots) * (size_t)(n - from + 1));
    int wanted = s->config->rungs[rung].explore;

    for (int i = from; i < n; i++) {
        struct hpo_rng rng =
            hpo_rng_for((uint64_t)s->config->study.seed, list[i]->number, rung, "explore", 0);

        lots[i - from] = (struct lot){hpo_rng_uniform(&rng), list[i]};
    }
    qsort(lots, (size_t)(n - from), sizeof(*lots), compare_lots);
    for (int i = 0; i < n - from && wanted > 0; i++) {
        if (among(s, ret, k, lots[i].t))
            continue;
        ret[k++] = lots[i].t;
        wanted--;
    }
    free(lots);
    return k;
}

/* The trials of a rung that go on, in the order in which they do: the best, and then those that are
 * drawn. ret has room for every trial. *ret_best: how many of them go on for their values. */
static int promoted(const struct study *s, int rung, const struct hpo_trial **ret, int *ret_best)
{
    const struct hpo_trial **list = xmalloc(sizeof(*list) * (size_t)(s->n + 1));
    int n = 0, k = 0, i = 0;
    int wanted = study_rung_quota(&s->config->rungs[rung], study_finished_on(s, rung));

    for (int t = 0; t < s->n; t++)
        if (s->trial[t]->t.rung == rung && s->trial[t]->t.state == HPO_TRIAL_COMPLETE)
            list[n++] = &s->trial[t]->t;
    qsort(list, (size_t)n, sizeof(*list), compare_trials);
    for (; i < n && k < wanted; i++)
        if (!among(s, ret, k, list[i]))
            ret[k++] = list[i];
    *ret_best = k;
    k = draw(s, rung, list, i, n, ret, k);
    free(list);
    return k;
}

const struct hpo_trial *study_to_promote(const struct study *s, int rung, bool *ret_explored)
{
    const struct hpo_trial **list = xmalloc(sizeof(*list) * (size_t)(s->n + 1)), *ret = NULL;
    bool *gone_on = xcalloc((size_t)s->n + 1, sizeof(*gone_on)); /* by number */
    int best, n = promoted(s, rung - 1, list, &best);

    for (int i = 0; i < s->n; i++)
        if (s->trial[i]->t.rung == rung)
            gone_on[s->trial[i]->t.promoted_from] = true;
    for (int i = 0; i < n && !ret; i++) {
        if (gone_on[list[i]->number])
            continue;
        ret = list[i];
        *ret_explored = i >= best;
    }
    free(gone_on);
    free(list);
    return ret;
}

/* ---------------------------------------------------------------- when */

static bool over(const struct study *s, int rung)
{
    bool explored;

    if (s->rung[rung].count[HPO_TRIAL_RUNNING])
        return false;
    if (!rung)
        return study_finished_on(s, 0) >= s->config->study.trials ||
               (s->exhausted && !s->count[HPO_TRIAL_WAITING]);
    return !study_to_repeat(s, rung, s->n) && !study_to_promote(s, rung, &explored);
}

int study_rung_now(const struct study *s)
{
    int rung = 0;

    while (rung < s->n_rungs && over(s, rung))
        rung++;
    return rung;
}

int study_wanted_on(const struct study *s, int rung)
{
    const struct hpo_trial **list;
    int n = s->config->study.trials, best, now;

    if (!rung)
        return n;
    now = study_rung_now(s);
    for (int r = 0; r < rung; r++) { /* as far as it is known yet */
        const struct study_rung *from = &s->config->rungs[r];
        int expected = study_rung_quota(from, n) + from->explore;

        if (r < now) {
            list = xmalloc(sizeof(*list) * (size_t)(s->n + 1));
            expected = promoted(s, r, list, &best);
            free(list);
        }
        n = expected < n ? expected : n;
    }
    return n;
}

int study_wanted(const struct study *s)
{
    int n = 0;

    for (int r = 0; r < s->n_rungs; r++)
        n += study_wanted_on(s, r);
    return n;
}
