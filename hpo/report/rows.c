#include "hpo/report/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int compare(const void *a, const void *b)
{
    const struct hpo_trial *x = *(const struct hpo_trial *const *)a;
    const struct hpo_trial *y = *(const struct hpo_trial *const *)b;

    return hpo_trial_better(x, y) ? -1 : hpo_trial_better(y, x);
}

const struct hpo_trial **rows_pick(const struct report *r, struct arena *a, int *ret_n)
{
    const struct hpo_history *h = r->history;
    const struct hpo_trial **rows = ARENA_ARRAY(a, const struct hpo_trial *, h->n + 1);
    int n = 0;

    if (r->view != REPORT_TRIALS) {
        if (r->trial)
            rows[n++] = r->trial;
        *ret_n = n;
        return rows;
    }
    for (int i = 0; i < h->n; i++) {
        const struct hpo_trial *t = h->trials[i];

        if (!r->top || (t->state == HPO_TRIAL_COMPLETE && !isnan(t->value)))
            rows[n++] = t;
    }
    if (r->top) {
        qsort(rows, (size_t)n, sizeof(*rows), compare);
        n = n < r->top ? n : r->top;
    }
    *ret_n = n;
    return rows;
}

struct rows_counts rows_count(const struct hpo_history *h)
{
    return (struct rows_counts){
        .complete = hpo_history_count(h, HPO_TRIAL_COMPLETE),
        .pruned = hpo_history_count(h, HPO_TRIAL_PRUNED),
        .failed = hpo_history_count(h, HPO_TRIAL_FAIL),
        .running = hpo_history_count(h, HPO_TRIAL_RUNNING),
        .waiting = hpo_history_count(h, HPO_TRIAL_WAITING),
    };
}

double rows_value(const struct report *r, const struct hpo_trial *t)
{
    return hpo_value_flip(t->value, r->study->maximize);
}

double rows_param(const struct hpo_trial *t, int p)
{
    return t->values ? t->values[p] : NAN;
}

bool rows_have_folds(const struct report *r)
{
    bool ret = !r->steps;

    for (int i = 0; i < r->n_epochs; i++)
        ret |= r->epochs[i].fold > 0;
    return ret;
}

struct rows_place rows_place(const struct report *r, int number)
{
    if (r->seeds < 2 || r->folds < 1)
        return (struct rows_place){number, -1};
    return (struct rows_place){number % r->folds, number / r->folds};
}

bool rows_spread(const struct report *r, const struct hpo_trial *t, double *ret_folds,
                 double *ret_seeds)
{
    int folds = r->folds, seeds = r->seeds;
    double all = 0, between = 0, within = 0;

    if (seeds < 2 || folds < 1 || t->n_folds != folds * seeds)
        return false;
    for (int i = 0; i < t->n_folds; i++)
        all += t->folds[i].value / t->n_folds;
    for (int f = 0; f < folds; f++) {
        double mean = 0;

        for (int s = 0; s < seeds; s++)
            mean += t->folds[s * folds + f].value / seeds;
        for (int s = 0; s < seeds; s++) {
            double d = t->folds[s * folds + f].value - mean;

            within += d * d;
        }
        between += (mean - all) * (mean - all);
    }
    *ret_folds = sqrt(between / folds);
    *ret_seeds = sqrt(within / t->n_folds);
    return true;
}

double rows_seconds(const struct hpo_trial *t)
{
    if (t->seconds > 0)
        return t->seconds;
    return t->ended > t->started && t->started > 0 ? t->ended - t->started : NAN;
}

const char *rows_time(char *buf, double seconds)
{
    long long ms = seconds > 0 && seconds < 1e11 ? llround(seconds * 1000) : 0;
    time_t whole = (time_t)(ms / 1000);
    struct tm tm;
    size_t n;

    if (!ms || !gmtime_r(&whole, &tm))
        return NULL;
    n = strftime(buf, ROWS_TIME, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buf + n, ROWS_TIME - n, ".%03dZ", (int)(ms % 1000));
    return buf;
}
