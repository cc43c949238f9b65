/* hpo/study.h - the rules of a study over a storage: what runs next, what a report means, when it
 * is over. One process at a time: the one that holds the lock.
 *
 * The direction is flipped here and nowhere else: inside, smaller is better.
 *
 * Trials are handed out in the order of their numbers: first those that an earlier run left, then
 * those that somebody asked for (WAITING), then repetitions of failed ones, then new ones. With
 * sampler.lag N, trial n is handed out when all trials below n - N + 1 have ended, and nothing that
 * ended later has a say in its values, in its pruning, or in whether there is a trial n at all: the
 * same study comes out however long its trials take.
 *
 * A study with rungs (`fidelity:`) does all this on the first, cheap one, study.trials times. Then
 * its best trials are run again on the next rung, and so on; a rung begins when the one below is
 * over. The sampler knows the first rung alone, a pruner the trial's own, and those that were drawn
 * (rungs[].explore) are not pruned; the best trial, the target and the patience are of the last
 * one. */
#ifndef HPO_STUDY_H
#define HPO_STUDY_H

#include "hpo/config.h"
#include "hpo/core/storage.h"
#include "hpo/objective.h"

/* A trial as the study keeps it; `t` is what everybody else sees. */
struct study_trial {
    struct hpo_trial t;
    struct hpo_point *points; /* t.points, growing */
    int points_cap;
    int idle_deaths; /* workers lost under it since its last new report */
    bool held;       /* a worker has it */
    bool retried;    /* it failed, and a later trial repeats it */
};

/* Why no new trial is begun. */
enum study_end {
    STUDY_GOES_ON,
    STUDY_DONE,      /* as many as were asked for are finished, or running */
    STUDY_EXHAUSTED, /* the sampler has nothing left */
    STUDY_FAILURES,  /* too many failures in a row */
    STUDY_TARGET,    /* study.target is reached */
    STUDY_PATIENCE   /* study.patience trials without a better one */
};

/* What goes on on a rung; a study without rungs has one. */
struct study_rung_state {
    struct pruner pruner;
    int count[HPO_TRIAL_WAITING + 1]; /* trials in each state */
    int n_held;
};

struct study {
    const struct study_config *config;
    const char *dir; /* runs/<name> */
    struct storage storage;
    struct hpo_study_info info;
    struct sampler sampler;
    struct study_rung_state *rung; /* n_rungs, at least 1 */
    int n_rungs;
    int parallel;                 /* trials that run at once */
    struct study_trial **trial;   /* by number */
    const struct hpo_trial **all; /* the priors, then every trial */
    int n, cap;
    struct hpo_trial *prior; /* taken over from another study: the sampler learns from them */
    int n_prior;
    struct hpo_history history;       /* all trials of this study */
    int count[HPO_TRIAL_WAITING + 1]; /* trials in each state */
    int n_held;
    int first_open; /* every trial below has ended */
    const struct hpo_trial *best;
    int failures_in_a_row;
    bool exhausted; /* the sampler has nothing left */
    char exhausted_why[256];
    char note[256];     /* what a person should know of how it was opened; "": nothing */
    bool resumed;       /* the storage had this study already */
    struct arena arena; /* lives as long as the study */
};

/* Which of these do two study files that are run one after the other disagree on? Both are "key:
 * value" lines. Appends "  key: old -> new" lines; returns how many. */
int study_differences(const char *old_identity, const char *new_identity, struct str *ret);

/* Open dir/study.db, making it when it is not there. data_digest names the content of the data set
 * ("" when there is none), parallel how many trials will run at once. HPO_ECONFIG, with the
 * differences listed, when the study that is stored there would be mixed with results of another
 * kind; a space that has only grown is no difference. Trials that were RUNNING are handed out again
 * by study_next. */
int study_open(struct study *s, const struct study_config *c, const char *dir,
               const char *data_digest, int parallel, struct hpo_err *err);
void study_close(struct study *s); /* a zeroed one is valid */

/* A trial for a free worker. NULL in *ret: nothing now (enough are finished or running, it has to
 * wait for others to end, or the sampler is exhausted). */
int study_next(struct study *s, struct study_trial **ret, struct hpo_err *err);
/* A worker takes it up. */
int study_start(struct study *s, struct study_trial *t, const char *device, int64_t pid,
                struct hpo_err *err);
/* The worker gave it back unfinished (paused, or dead): study_next hands it out again. */
void study_release(struct study *s, struct study_trial *t);
/* Somebody asks for a trial with these values (space->n, NaN: to be sampled). Its number. */
int study_enqueue(struct study *s, const double *values, int *ret_number, struct hpo_err *err);

/* A report. *ret_prune: stop the trial. */
int study_report(struct study *s, struct study_trial *t, const struct objective_report *r,
                 bool *ret_prune, struct hpo_err *err);
/* The end of a trial. COMPLETE takes result, FAIL a reason; PRUNED neither. */
int study_finish(struct study *s, struct study_trial *t, enum hpo_trial_state state,
                 const struct objective_result *result, const char *reason, double seconds,
                 struct hpo_err *err);
/* Remember whether the last run was interrupted. */
int study_mark(struct study *s, bool interrupted, struct hpo_err *err);

/* COMPLETE + PRUNED, on all rungs and on one. */
int study_finished(const struct study *s);
int study_finished_on(const struct study *s, int rung);
/* How many there are to be, as far as is known: how many go on may depend on how many finish. */
int study_wanted(const struct study *s);
int study_wanted_on(const struct study *s, int rung);
/* The lowest rung that is not over; n_rungs when all are. */
int study_rung_now(const struct study *s);
const struct pruner *study_pruner(const struct study *s, int rung);
int study_running(const struct study *s); /* trials that a worker holds */
/* Why no new trial will be begun, as far as is known now. */
enum study_end study_end(const struct study *s);
/* Nothing is running and nothing more will be. */
bool study_over(const struct study *s);
/* A value in the user's direction. */
double study_value(const struct study *s, double internal);

/* The database that study.warm_start speaks of: of a study under runs, or of a folder. HPO_ECONFIG:
 * there is none. In a. */
int study_warm_start_find(const struct study_config *c, const char *runs, struct arena *a,
                          const char **ret, struct hpo_err *err);

/* runs/<name>/trials/0007; in a. */
const char *study_trial_dir(const char *dir, int number, struct arena *a);
/* runs/<name>/oof/0007.oof: the out-of-fold predictions of a COMPLETE trial; in a. */
const char *study_oof_path(const char *dir, int number, struct arena *a);

#endif
