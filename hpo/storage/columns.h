/* hpo/storage/columns.h - how Optuna writes numbers, times and distributions into columns.
 * Source: Optuna's storages/_rdb/models.py and distributions.py. */
#ifndef HPO_STORAGE_COLUMNS_H
#define HPO_STORAGE_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/str.h"
#include "hpo/core/space.h"

/* Non-finite values are a NULL beside the name of their kind: "FINITE", "INF_POS", "INF_NEG" and,
 * for intermediate values only, "NAN". column_value: what to bind (NaN binds as NULL). */
const char *column_value_type(double v);
double column_value(double v);
/* Their inverse; stored: NaN when the column was NULL. false: not a kind that Optuna has. */
bool column_value_read(const char *type, double stored, double *ret);

/* "YYYY-MM-DD HH:MM:SS.ffffff", always six digits (Optuna reads ".5" as 5 microseconds), in UTC as
 * Optuna 5.0 and later write and read it. Earlier ones take the same text for local time: they show
 * another clock, but the same durations, and never an hour that daylight saving time skips or
 * repeats. buf has room for COLUMN_TIME bytes; returns buf. */
#define COLUMN_TIME 40
const char *column_time(char *buf, double seconds);
/* With 0 to 6 digits of fraction. false: it is not a time. */
bool column_time_read(const char *text, double *ret);

/* The parameter as Optuna's distribution_json. */
void distribution_write(const struct hpo_param *p, struct str *ret);
/* What a stored distribution makes of a value of p. Bounds and step may differ, and choices may
 * stand elsewhere in the list: the study file may have been extended since. (Optuna reads such a
 * study as well, trial by trial. It goes on with one whose bounds have grown, but refuses to
 * suggest a categorical parameter whose choices differ from those of an earlier trial.) */
struct distribution {
    bool compatible; /* same class and log */
    int n, *choice;  /* CATEGORICAL: where each stored choice stands now, -1: gone */
};
void distribution_read(const struct hpo_param *p, const char *json, size_t n,
                       struct distribution *ret);
void distribution_release(struct distribution *d);
/* The value of p that was stored, NaN when p does not have it. */
double distribution_value(const struct hpo_param *p, const struct distribution *d, double stored);
/* Is v a value of p (in bounds, on its grid)? */
bool distribution_contains(const struct hpo_param *p, double v);

/* A value as what it is to people (Optuna's external representation), in JSON: 0.1, 64, "sgd". */
void param_write(const struct hpo_param *p, double v, struct str *ret);
/* NaN: it is not a value of p. */
double param_read(const struct hpo_param *p, const cJSON *j);

/* Append a text, each byte that is not UTF-8 as a '?': Python cannot read such a column at all, and
 * nothing that prints JSON may pass it on. */
void column_text(const char *text, size_t n, struct str *ret);
/* A text as a JSON string, quotes included. */
void column_json_string(const char *text, struct str *ret);

#endif
