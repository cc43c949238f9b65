/* hpo/core/report.h - a way to print results. */
#ifndef HPO_CORE_REPORT_H
#define HPO_CORE_REPORT_H

#include "base/opt.h"
#include "base/str.h"
#include "hpo/core/storage.h"
#include "hpo/core/trial.h"

enum report_view {
    REPORT_TRIALS,     /* a row a trial */
    REPORT_BEST,       /* the best trial in full */
    REPORT_TRIAL,      /* one trial in full: report->trial */
    REPORT_IMPORTANCE, /* of the parameters */
    REPORT_LABELS      /* images whose label the predictions contradict: report->labels */
};

/* Out-of-fold predictions of one trial, counted: each image by the class that is the most likely
 * one, averaged over the folds that have it. */
struct report_classes {
    int classes;
    const char *const *names;
    const int64_t *confusion; /* (classes, classes), rows: the label, columns: the prediction */
    int64_t images, covered;  /* of the data set; with a prediction */
    int folds;
};

/* An image, and what trials that did not train on it say of its label. */
struct report_label {
    int64_t image;
    int given, suggested;       /* classes */
    float p_given, p_suggested; /* of the better trials, averaged */
    float score;                /* p_given over what this class has as a rule; 0: surely wrong */
    int trials, doubt;          /* with a prediction of it; that find another class more likely */
};

struct report_labels {
    int classes;
    const char *const *names;
    const char *const *paths; /* by image */
    int64_t images, covered;  /* of the data set; with a prediction */
    int trials, better;       /* with predictions; those of them that the score is made from */
    int without;              /* complete trials whose predictions are not there */
    int64_t n;                /* images that are flagged, */
    const struct report_label *flagged; /* the worst first */
};

/* What is known when a report is printed. Everything is read-only and outlives the call. */
struct report {
    const struct hpo_study_info *study;
    const struct hpo_history *history;
    enum report_view view;
    int top;                       /* REPORT_TRIALS: only the best this many; 0: all, by number.
                                      REPORT_LABELS: the first this many */
    const struct hpo_trial *trial; /* REPORT_BEST, REPORT_TRIAL; NULL: there is none yet */
    bool steps;         /* the objective does not train: what it reports are steps and not epochs */
    int folds, seeds;   /* every fold is trained with so many seeds: what is called fold i is then
                           fold i % folds with seed i / folds. seeds 0 or 1: fold i is fold i */
    int n_rungs;                /* 0: the study has none */
    const char *const *rungs;   /* what sets each apart: "limit 2000, epochs 3" */
    int target;         /* finished trials that the study wants; 0: unknown */
    const char *single; /* the trial as a study file of one configuration; NULL: not asked for */
    int n_epochs;       /* REPORT_TRIAL and REPORT_BEST: its learning curve, fold by fold */
    const struct hpo_epoch_report *epochs;
    const struct report_classes *classes; /* REPORT_TRIAL and REPORT_BEST; NULL: nothing is known */
    const struct report_labels *labels;   /* REPORT_LABELS */
    bool color; /* stdout is a terminal that wants colour */
    int width;  /* columns of the terminal; 0: not one */
};

struct report_ops {
    struct hpo_plugin plugin; /* "text", "json", "csv" */
    int (*print)(const struct report *r, struct str *ret, struct hpo_err *err);
};

extern const struct report_ops *const report_registry[]; /* NULL ends it */

#endif
