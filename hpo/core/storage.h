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
    const char *digest; /* of what must not change between runs: "key=value" lines */
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
     * its distributions, are left NaN; a choice is found by what it is, wherever it stands in the
     * list now. A WAITING trial has the values that were given, also those whose `when` waits for
     * a value to come. space may be NULL: trials come without values. */
    int (*load_trials)(struct storage *s, const struct hpo_space *space, struct arena *a,
                       struct hpo_trial **ret, int *ret_n, struct hpo_err *err);

    /* A trial that is not of the study's last rung (t->cheap) has a value that does not compare
     * with those of the others. To Optuna, whose best_trial is the best COMPLETE one, it is PRUNED
     * when it is complete, as its SuccessiveHalvingPruner would leave it: seen with a part of the
     * budget alone. load_trials gives it back as COMPLETE. */

    /* Insert a RUNNING trial with its parameters, and retry and retry_of when retry > 0, and what
     * it is on its rung; t->number must be the count of trials so far, else HPO_EBUSY: another
     * program has added some. Sets t->id. Synced with the next finish, as a report is: sampling is
     * a pure function, so a trial that a power loss takes comes again under its number. */
    int (*add_trial)(struct storage *s, const struct hpo_space *space, struct hpo_trial *t,
                     struct hpo_err *err);
    /* Insert a WAITING trial that somebody asked for: those of t->values that are not NaN are given
     * (Optuna's fixed_params), the others will be sampled. t->number as in add_trial; sets t->id,
     * t->started stays 0. */
    int (*enqueue)(struct storage *s, const struct hpo_space *space, struct hpo_trial *t,
                   struct hpo_err *err);
    /* A WAITING trial (t->id) becomes RUNNING with all of t->values, at t->started (0: now). Synced
     * with the next finish: until then it may be WAITING again after a power loss. HPO_EBUSY: it
     * is no longer WAITING, another program has taken it. */
    int (*claim)(struct storage *s, const struct hpo_space *space, struct hpo_trial *t,
                 struct hpo_err *err);
    /* A worker takes it up (attempt counted from 1). Synced with the next finish. */
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

    /* Trials taken over from an earlier study, for samplers: t[i].number is i - n, finished, with
     * state, value and values (kept by name and by what a choice is, so that they outlive a change
     * of the space). Once: HPO_EFORMAT when there are some already. n may be 0. */
    int (*add_priors)(struct storage *s, const struct hpo_space *space, const struct hpo_trial *t,
                      int n, struct hpo_err *err);
    /* In order of number, allocated in a; values as in load_trials. None: *ret_n is 0. */
    int (*load_priors)(struct storage *s, const struct hpo_space *space, struct arena *a,
                       struct hpo_trial **ret, int *ret_n, struct hpo_err *err);

    /* What lies between begin and commit becomes one transaction, durable when commit returns and
     * lost as a whole before: one sync for several trials. Loading sees what was done so far. An
     * operation that fails undoes itself alone, and the others are kept by commit; only where the
     * disk took everything back (no room, an I/O error) does every further operation fail, commit
     * too, with nothing stored since begin. Either way commit ends the transaction. No nesting. */
    int (*begin)(struct storage *s, struct hpo_err *err);
    int (*commit)(struct storage *s, struct hpo_err *err);

    /* The epochs of a trial in order of (fold, epoch); for reports. Called once an epoch. */
    int (*each_epoch)(struct storage *s, int64_t trial_id,
                      void (*fn)(void *arg, const struct hpo_epoch_report *r), void *arg,
                      struct hpo_err *err);
};

extern const struct storage_ops *const storage_registry[]; /* NULL ends it */

#endif
