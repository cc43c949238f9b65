#include "hpo/report/metrics.h"

#include <math.h>
#include <string.h>

#include "hpo/report/rows.h"

int metrics_find(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

const char **metrics_names(const struct report *r, struct arena *a, int *ret_n)
{
    int n = 0, cap = 16;
    const char **names = ARENA_ARRAY(a, const char *, cap), **more;

    for (int i = 0; i < r->n_epochs; i++)
        for (int k = 0; k < r->epochs[i].n_metrics; k++) {
            if (metrics_find(names, n, r->epochs[i].names[k]) >= 0)
                continue;
            names[n++] = r->epochs[i].names[k];
            if (n < cap)
                continue;
            cap *= 2;
            more = ARENA_ARRAY(a, const char *, cap);
            memcpy(more, names, sizeof(*names) * (size_t)n);
            names = more;
        }
    *ret_n = n;
    return names;
}

/* The epoch of a fold that counts; NULL: the trial has no result of it. */
static const struct hpo_fold *result_of(const struct hpo_trial *t, int fold)
{
    for (int i = 0; i < t->n_folds; i++)
        if (t->folds[i].fold == fold)
            return &t->folds[i];
    return NULL;
}

static const struct hpo_epoch_report *row_of(const struct report *r, const struct hpo_trial *t,
                                             int fold)
{
    const struct hpo_fold *result = result_of(t, fold);
    const struct hpo_epoch_report *last = NULL;

    for (int i = 0; i < r->n_epochs; i++) {
        const struct hpo_epoch_report *e = &r->epochs[i];

        if (e->fold == fold &&
            (result ? e->epoch == result->epoch : !last || e->epoch > last->epoch))
            last = e;
    }
    return last;
}

static int list_folds(const struct report *r, int *ret)
{
    int n = 0;

    for (int i = 0; i < r->n_epochs; i++)
        if (!n || ret[n - 1] != r->epochs[i].fold) /* they come fold by fold */
            ret[n++] = r->epochs[i].fold;
    return n;
}

void metrics_of(const struct report *r, const struct hpo_trial *t, struct arena *a,
                struct metrics *ret)
{
    int *folds = ARENA_ARRAY(a, int, r->n_epochs + 1);
    double *values;

    *ret = (struct metrics){.folds = folds, .all_count = true};
    if (!rows_have_folds(r))
        return;
    ret->names = metrics_names(r, a, &ret->n);
    ret->n_folds = list_folds(r, folds);
    ret->values = values = ARENA_ARRAY(a, double, (size_t)ret->n *(size_t)ret->n_folds + 1);
    for (int f = 0; f < ret->n_folds; f++) {
        const struct hpo_epoch_report *e = row_of(r, t, folds[f]);

        ret->all_count = ret->all_count && result_of(t, folds[f]);
        for (int i = 0; i < ret->n; i++) {
            int k = e ? metrics_find(e->names, e->n_metrics, ret->names[i]) : -1;

            values[i * ret->n_folds + f] = k >= 0 ? e->values[k] : NAN;
        }
    }
}

double metrics_mean(const struct metrics *m, int metric)
{
    double sum = 0;
    int n = 0;

    for (int f = 0; f < m->n_folds; f++) {
        double v = m->values[metric * m->n_folds + f];

        sum += isnan(v) ? 0 : v;
        n += !isnan(v);
    }
    return n ? sum / n : NAN;
}

double metrics_std(const struct metrics *m, int metric)
{
    double mean = metrics_mean(m, metric), squares = 0;
    int n = 0;

    for (int f = 0; f < m->n_folds; f++) {
        double v = m->values[metric * m->n_folds + f];

        squares += isnan(v) ? 0 : (v - mean) * (v - mean);
        n += !isnan(v);
    }
    return n > 1 ? sqrt(squares / n) : NAN;
}
