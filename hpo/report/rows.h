/* hpo/report/rows.h - what the three formats share: which trials, and their values as people and
 * programs read them. */
#ifndef HPO_REPORT_ROWS_H
#define HPO_REPORT_ROWS_H

#include "hpo/core/report.h"

/* The trials to show: all by number, the best r->top of the complete ones (of higher rungs first),
 * or the one of REPORT_BEST and REPORT_TRIAL. In a. */
const struct hpo_trial **rows_pick(const struct report *r, struct arena *a, int *ret_n);

struct rows_counts {
    int complete, pruned, failed, running, waiting;
};
struct rows_counts rows_count(const struct hpo_history *h);

/* In the direction that the study asks for; NaN: none. */
double rows_value(const struct report *r, const struct hpo_trial *t);
/* Of parameter p; NaN: inactive, or not known. */
double rows_param(const struct hpo_trial *t, int p);
/* Does the curve of report->epochs have folds, or, of what does not train, steps alone? */
bool rows_have_folds(const struct report *r);
/* Which fold and seed a training of this number has; seed -1: folds have one each. */
struct rows_place {
    int fold, seed;
};
struct rows_place rows_place(const struct report *r, int number);
/* The parts of the trial's deviation, whose squares add up to its square: of the folds' means over
 * their seeds, and of the seeds about these means. false: no fold was trained with several. */
bool rows_spread(const struct report *r, const struct hpo_trial *t, double *ret_folds,
                 double *ret_seeds);
/* Seconds spent training, or between start and end when nobody counted them; NaN: not known yet. */
double rows_seconds(const struct hpo_trial *t);

/* "2026-09-21T14:13:20.250Z", in UTC. NULL when seconds is 0: not yet. */
#define ROWS_TIME 40
const char *rows_time(char *buf, double seconds);

#endif
