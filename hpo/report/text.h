/* hpo/report/text.h - what the views for people share. */
#ifndef HPO_REPORT_TEXT_H
#define HPO_REPORT_TEXT_H

#include "hpo/core/report.h"

#define TEXT_GREEN "\033[1;32m"
#define TEXT_RED "\033[31m"
#define TEXT_DIM "\033[2m"
#define TEXT_CYAN "\033[36m"
#define TEXT_BOLD "\033[1m"
#define TEXT_RESET "\033[0m"

/* Into buf, TEXT_CELL bytes; "-" when it is NaN. */
#define TEXT_CELL 64
/* Four digits after the point where that says enough, four digits in all elsewhere. */
const char *text_number(char *buf, double v);
const char *text_time(char *buf, double seconds);
const char *text_param(const struct hpo_param *p, double v, char *buf);

/* "3 of 8 finished: 2 complete, 1 pruned; 1 failed, 1 running, 2 waiting" */
void text_counts(const struct report *r, struct str *ret);
/* Say that a table has left n columns out; n 0: nothing. */
void text_dropped(int n, const char *what, struct str *ret);
/* Reasons may come from anywhere: no control characters reach the terminal. */
void text_clean(const char *text, struct str *ret);

/* REPORT_BEST and REPORT_TRIAL. */
void text_one(const struct report *r, struct arena *a, struct str *ret);
/* A table of the metrics at each fold's counting epoch; nothing when there are none. */
void text_metrics(const struct report *r, const struct hpo_trial *t, struct arena *a,
                  struct str *ret);
void text_importance(const struct report *r, struct arena *a, struct str *ret);
/* What the predictions say of each class; nothing when there are none. */
void text_classes(const struct report *r, struct arena *a, struct str *ret);
void text_labels(const struct report *r, struct arena *a, struct str *ret);

#endif
