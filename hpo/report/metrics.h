/* hpo/report/metrics.h - what a trial's folds reached, in every metric that was recorded. */
#ifndef HPO_REPORT_METRICS_H
#define HPO_REPORT_METRICS_H

#include "hpo/core/report.h"

/* The names of all metrics of report->epochs, in the order in which they first occur; room for one
 * more. In a. */
const char **metrics_names(const struct report *r, struct arena *a, int *ret_n);
int metrics_find(const char *const *names, int n, const char *name); /* -1: none */

/* Each fold's metrics at the epoch that counts; of a trial that did not get so far, at the last one
 * that was reported. */
struct metrics {
    const char **names;
    int n, n_folds;
    const int *folds;     /* (n_folds), their numbers */
    bool all_count;       /* every fold is done: these are the epochs that count */
    const double *values; /* (n, n_folds); NaN: not known */
};
/* n 0: there are none, or the objective has no folds. In a. */
void metrics_of(const struct report *r, const struct hpo_trial *t, struct arena *a,
                struct metrics *ret);
/* Over the folds for which it is known: mean, and population standard deviation (of one: NaN). */
double metrics_mean(const struct metrics *m, int metric);
double metrics_std(const struct metrics *m, int metric);

#endif
