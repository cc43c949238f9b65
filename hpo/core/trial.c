#include "hpo/core/trial.h"

#include <math.h>
#include <string.h>

static const char *const state_names[] = {
#define X(name) [HPO_TRIAL_##name] = #name,
    HPO_TRIAL_STATE_MAP(X)
#undef X
};

const char *hpo_trial_state_name(enum hpo_trial_state s)
{
    return (size_t)s < HPO_LEN(state_names) ? state_names[s] : "?";
}

bool hpo_trial_state_parse(const char *name, enum hpo_trial_state *ret)
{
    for (size_t i = 0; i < HPO_LEN(state_names); i++) {
        if (!strcmp(name, state_names[i])) {
            *ret = (enum hpo_trial_state)i;
            return true;
        }
    }
    return false;
}

double hpo_trial_std(const struct hpo_trial *t)
{
    double mean = 0, squares = 0;

    if (t->n_folds < 2)
        return NAN;
    for (int i = 0; i < t->n_folds; i++)
        mean += t->folds[i].value;
    mean /= t->n_folds;
    /* Two passes: the values of folds are close together, their squares would cancel. */
    for (int i = 0; i < t->n_folds; i++)
        squares += (t->folds[i].value - mean) * (t->folds[i].value - mean);
    return sqrt(squares / t->n_folds);
}

bool hpo_trial_better(const struct hpo_trial *a, const struct hpo_trial *b)
{
    if (a->rung != b->rung)
        return a->rung > b->rung;
    return a->value < b->value || (a->value == b->value && a->number < b->number);
}

const struct hpo_trial *hpo_history_best(const struct hpo_history *h)
{
    const struct hpo_trial *best = NULL;

    for (int i = 0; i < h->n; i++) {
        const struct hpo_trial *t = h->trials[i];

        /* A NaN is never the best, and never hides one that comes after it. */
        if (t->state != HPO_TRIAL_COMPLETE || isnan(t->value))
            continue;
        if (!best || hpo_trial_better(t, best))
            best = t;
    }
    return best;
}

int hpo_history_count(const struct hpo_history *h, enum hpo_trial_state state)
{
    int n = 0;

    for (int i = 0; i < h->n; i++)
        n += h->trials[i]->state == state;
    return n;
}
