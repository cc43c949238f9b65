/* hpo/core/space.h - the search space as the study file declares it. Immutable once built.
 *
 * A parameter value is always a double: the number itself in user units, or the index of the
 * choice (Optuna's internal representation). NaN means that the parameter is inactive in this
 * trial, because its `when` does not hold. Source: Optuna's distributions.py and _transform.py. */
#ifndef HPO_CORE_SPACE_H
#define HPO_CORE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

enum hpo_param_kind { HPO_PARAM_FLOAT, HPO_PARAM_INT, HPO_PARAM_CATEGORICAL };

/* What a choice is, so that it comes back as YAML and as Optuna's JSON of the same type. */
enum hpo_choice_kind {
    HPO_CHOICE_STR,
    HPO_CHOICE_INT,
    HPO_CHOICE_REAL,
    HPO_CHOICE_BOOL,
    HPO_CHOICE_NULL
};

struct hpo_choice {
    enum hpo_choice_kind kind;
    const char *text; /* as in the file: "sgd", "64", "0.5", "true", "null" */
};

/* Active only while the value of another parameter is one of `values`. */
struct hpo_when {
    int param; /* an earlier one in space->order; categorical or int */
    int n_values;
    const double *values; /* in internal representation */
};

struct hpo_param {
    const char *name;
    enum hpo_param_kind kind;
    double low;  /* inclusive, as is high; CATEGORICAL: 0 */
    double high; /* already lowered to the grid of step; CATEGORICAL: n_choices - 1 */
    double step; /* 0: continuous; INT: at least 1 */
    bool log;    /* uniform in log(value); never with a step other than INT's 1 */
    int n_choices;
    const struct hpo_choice *choices;
    int n_when; /* all must hold; 0: always active */
    const struct hpo_when *when;
};

struct hpo_space {
    const struct hpo_param *params; /* in file order */
    int n;
    const int *order; /* a permutation of 0..n-1: parents before those that depend on them */
};

/* Lower high to low + floor((high - low) / step) * step, in decimal arithmetic on the shortest
 * text of the numbers (0.5 with step 0.1 stays 0.5), as Optuna does. */
double hpo_grid_high(double low, double high, double step);

/* Fill space->order from the `when` conditions. HPO_ECONFIG when they form a circle. */
int hpo_space_finish(struct hpo_space *s, struct arena *a, struct hpo_err *err);

/* Number of values of one parameter, or -1 when it is continuous (or has more than 2^53). */
int64_t hpo_param_count(const struct hpo_param *p);
/* The k-th value of a countable parameter, 0 <= k < count, in rising order; stepped floats come
 * out as the nearest double to the decimal number (0.3, not 0.1 * 3). */
double hpo_param_at(const struct hpo_param *p, int64_t k);
/* Its inverse; -1 when the value is not one of them (Optuna's tolerance, 1e-8 of a step). */
int64_t hpo_param_index(const struct hpo_param *p, double value);
/* Number of different configurations (inactive parameters do not count), or -1 when it is infinite
 * or above 2^53. Counting stops, with -1, when the values that conditions name have millions of
 * combinations. */
int64_t hpo_space_count(const struct hpo_space *s);

/* Does `when` hold, given the values of its parents (NaN parents: no)? */
bool hpo_param_active(const struct hpo_space *s, int param, const double *values);
/* Set inactive parameters to NaN. */
void hpo_space_mask(const struct hpo_space *s, double *values);
/* Inside bounds, on the grid, inactive ones NaN and active ones not. */
bool hpo_space_contains(const struct hpo_space *s, const double *values);
/* Same configuration: NaN equals NaN, -0 equals 0, a stepped value equals all of its cell. */
bool hpo_values_equal(const struct hpo_space *s, const double *a, const double *b);
uint64_t hpo_values_hash(const struct hpo_space *s, const double *values);

/* u in [0, 1) -> a value, with Optuna's distributions: uniform on [low, high), log-uniform, int
 * with half-unit margins, int log on [log(low - .5), log(high + .5)], a uniform choice. */
double hpo_param_decode(const struct hpo_param *p, double u);
/* Its inverse up to rounding, in [0, 1]: the middle of the cell for discrete parameters. */
double hpo_param_encode(const struct hpo_param *p, double value);

/* The value as text for people and for YAML: "0.1", "64", "sgd"; "-" when it is inactive. buf:
 * HPO_DOUBLE_TEXT bytes. */
const char *hpo_param_text(const struct hpo_param *p, double value, char *buf);

#endif
