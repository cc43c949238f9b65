/* hpo/core/storage.h - where a study is kept.
 *
 * One process writes at a time: the controller, which holds the study's lock. Readers open
 * read-only. Everything is durable when a call returns, unless said otherwise. A finished trial
 * (COMPLETE, PRUNED, FAIL) never changes. Values pass in internal form (smaller is better); the
 * storage knows the direction and writes what the user asked for. */
#ifndef HPO_CORE_STORAGE_H
#define HPO_CORE_STORAGE_H

#include "base/opt.h"
#include "hpo/core/trial.h"

/* One study in a storage. All strings are owned by the arena passed to open. */
struct hpo_study_info {
    const char *name;
    bool maximize;
    const char *metric;
    const char *config; /* the resolved study file as text */
    const char *digest; /* of what must not change between runs: "key=value" lines, see hpo/study.c */
    double created;     /* seconds since 1970 */
    bool interrupted;   /* the last run was stopped before it was done */
};

/* One epoch of one fold. */
struct hpo_epoch_report {
    int fold, epoch;
    int n_metrics;
    const char *const *names; /* "accuracy", ..., "train_loss" */
    const double *values;     /* not flipped */
};

/* The caller sets ops and arena; priv is NULL (open allocates it) or priv_size zeroed bytes. The
 * arena outlives close. */
struct storage {
    const struct storage_ops *ops;
    void *priv;
    struct arena *arena;
};

/* READ writes nothing, also not beside the file when nobody writes it, and sees each commit of a
 * living writer. */
enum storage_mode { STORAGE_READ, STORAGE_WRITE, STORAGE_CREATE };

struct storage_ops {
    struct hpo_plugin plugin;

    /* CREATE makes the file when it is missing. HPO_EMISSING (READ, WRITE), HPO_EFORMAT when it is
     * not a study database of a version that this program knows. */
    int (*open)(struct storage *s, const char *path, enum storage_mode mode, struct hpo_err *err);
    void (*close)(struct storage *s); /* checkpoints the log; accepts a half-open one */

    int (*create_study)(struct storage *s, const struct hpo_study_info *info, struct hpo_err *err);
    /* The (single) study. HPO_EMISSING when there is none yet. */
    int (*load_study)(struct storage *s, struct hpo_study_info *ret, struct hpo_err *err);
    /* Update config, digest and interrupted (name, direction and metric never change). */
    int (*update_study)(struct storage *s, const struct hpo_study_info *info, struct hpo_err *err);

    /* Every trial, by number, allocated in a. Parameters that the space does not have, or outside
     * its distributions, are left NaN. space may be NULL: trials come without values. */
    int (*load_trials)(struct storage *s, const struct hpo_space *space, struct arena *a,
                       struct hpo_trial **ret, int *ret_n, struct hpo_err *err);

    /* Insert a RUNNING trial with its parameters; t->number must be the count of trials so far.
     * Sets t->id. */
    int (*add_trial)(struct storage *s, const struct hpo_space *space, struct hpo_trial *t,
                     struct hpo_err *err);
    /* A worker takes it up (attempt counted from 1). Synced with the next finish, as a report is. */
    int (*start_attempt)(struct storage *s, int64_t trial_id, int attempt, const char *device,
                         int64_t pid, struct hpo_err *err);
    /* One epoch: our tables, and (point not NULL) Optuna's intermediate value. A report that is
     * already there is left as it is (a resumed worker repeats its last ones). In the journal at
     * once, but synced only with the next finish: a power loss may take the last reports, and the
     * resumed trial makes them again. */
    int (*report)(struct storage *s, int64_t trial_id, const struct hpo_epoch_report *r,
                  const struct hpo_point *point, struct hpo_err *err);
    /* t->state, value, folds, ended, seconds, reason; in one durable transaction. */
    int (*finish)(struct storage *s, const struct hpo_trial *t, struct hpo_err *err);

    /* The epochs of a trial in order of (fold, epoch); for reports. Called once an epoch. */
    int (*each_epoch)(struct storage *s, int64_t trial_id,
                      void (*fn)(void *arg, const struct hpo_epoch_report *r), void *arg,
                      struct hpo_err *err);
};

extern const struct storage_ops *const storage_registry[]; /* NULL ends it */

#endif
