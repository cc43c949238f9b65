/* hpo/core/report.h - a way to print results. */
#ifndef HPO_CORE_REPORT_H
#define HPO_CORE_REPORT_H

#include "base/opt.h"
#include "base/str.h"
#include "hpo/core/storage.h"
#include "hpo/core/trial.h"

enum report_view {
    REPORT_TRIALS,    /* a row a trial */
    REPORT_BEST,      /* the best trial in full */
    REPORT_TRIAL,     /* one trial in full: report->trial */
    REPORT_IMPORTANCE /* of the parameters */
};

/* What is known when a report is printed. Everything is read-only and outlives the call. */
struct report {
    const struct hpo_study_info *study;
    const struct hpo_history *history;
    enum report_view view;
    int top;                       /* REPORT_TRIALS: only the best this many; 0: all, by number */
    const struct hpo_trial *trial; /* REPORT_BEST, REPORT_TRIAL; NULL: there is none yet */
    bool steps;         /* the objective does not train: what it reports are steps and not epochs */
    int folds, seeds;   /* every fold is trained with so many seeds: what is called fold i is then
                           fold i % folds with seed i / folds. seeds 0 or 1: fold i is fold i */
    int target;         /* finished trials that the study wants; 0: unknown */
    const char *single; /* the trial as a study file of one configuration; NULL: not asked for */
    int n_epochs;       /* REPORT_TRIAL and REPORT_BEST: its learning curve, fold by fold */
    const struct hpo_epoch_report *epochs;
    bool color; /* stdout is a terminal that wants colour */
    int width;  /* columns of the terminal; 0: not one */
};

struct report_ops {
    struct hpo_plugin plugin; /* "text", "json", "csv" */
    int (*print)(const struct report *r, struct str *ret, struct hpo_err *err);
};

extern const struct report_ops *const report_registry[]; /* NULL ends it */

#endif
