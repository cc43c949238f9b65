/* hpo/study.h - the rules of a study over a storage: what runs next, what a report means, when it
 * is over. One process at a time: the one that holds the lock.
 *
 * Steps. Fold-first: a report's step is fold * max_epochs + epoch, its value the fold's metric.
 * Epoch-first: the step is the epoch, the value the mean over folds. The direction is flipped here
 * and nowhere else: inside, smaller is better. */
#ifndef HPO_STUDY_H
#define HPO_STUDY_H

#include "hpo/config.h"
#include "hpo/core/storage.h"

/* A trial as the study keeps it; `t` is what everybody else sees. */
struct study_trial {
    struct hpo_trial t;
    struct hpo_point *points; /* t.points, growing */
    int points_cap;
    int idle_deaths; /* workers lost under it since its last new report */
    bool held;       /* a worker has it */
};

struct study {
    const struct study_config *config;
    const char *dir; /* runs/<name> */
    struct storage storage;
    struct hpo_study_info info;
    struct sampler sampler;
    struct pruner pruner;
    struct study_trial **trial; /* by number */
    const struct hpo_trial **view; /* history.trials */
    int n, cap;
    struct hpo_history history;
    int failures_in_a_row;
    bool exhausted;           /* the sampler has nothing left */
    char exhausted_why[256];
    bool resumed;             /* the storage had this study already */
    struct arena arena;       /* lives as long as the study */
};

/* Which of these do two study files that are run one after the other disagree on? Both are "key:
 * value" lines. Appends "  key: old -> new" lines; returns how many. */
int study_differences(const char *old_identity, const char *new_identity, struct str *ret);

/* Open dir/study.db, making it when it is not there. data_digest names the content of the data set.
 * HPO_ECONFIG, with the differences listed, when the study that is stored there would be mixed with
 * results of another kind. Trials that were RUNNING are handed out again by study_next. */
int study_open(struct study *s, const struct study_config *c, const char *dir,
               const char *data_digest, struct hpo_err *err);
void study_close(struct study *s); /* a zeroed one is valid */

/* A trial for a free worker: first those that an earlier run left, lowest number first, then new
 * ones. NULL in *ret: nothing now (enough are finished or running, or the sampler is exhausted). */
int study_next(struct study *s, struct study_trial **ret, struct hpo_err *err);
/* A worker takes it up. */
int study_start(struct study *s, struct study_trial *t, const char *device, int64_t pid,
                struct hpo_err *err);
/* The worker gave it back unfinished (paused, or dead): study_next hands it out again. */
void study_release(struct study *s, struct study_trial *t);

/* An epoch of one fold (fold-first) or of all folds (epoch-first) is done. *ret_prune: stop it. */
int study_report(struct study *s, struct study_trial *t, const struct tr_epoch *e, int n,
                 bool *ret_prune, struct hpo_err *err);
/* The end of a trial. COMPLETE takes result, FAIL a reason; PRUNED neither. */
int study_finish(struct study *s, struct study_trial *t, enum hpo_trial_state state,
                 const struct tr_result *result, const char *reason, double seconds,
                 struct hpo_err *err);
/* Remember whether the last run was interrupted. */
int study_mark(struct study *s, bool interrupted, struct hpo_err *err);

/* COMPLETE + PRUNED. */
int study_finished(const struct study *s);
int study_running(const struct study *s); /* trials that a worker holds */
/* Nothing is running and nothing more will be. */
bool study_over(const struct study *s);
/* A value in the user's direction. */
double study_value(const struct study *s, double internal);

/* runs/<name>/trials/0007; in a. */
const char *study_trial_dir(const char *dir, int number, struct arena *a);

#endif
