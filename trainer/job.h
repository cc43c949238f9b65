/* trainer/job.h - inside the trainer: one call of tr_train, while it runs.
 *
 * Folds are trained in *groups*: some of them that have reached the same place, side by side, as
 * models of one plan. Fold-first, a group goes through all epochs; epoch-first, through one. Who is
 * next follows from the places alone (run_next_group), so a training that was stopped may go on
 * with groups of another size. Everything is allocated before the first step. */
#ifndef HPO_TRAINER_JOB_H
#define HPO_TRAINER_JOB_H

#include "trainer/checkpoint.h"
#include "trainer/metric.h"
#include "trainer/pretrained.h"
#include "trainer/oof.h"
#include "trainer/session.h"
#include "trainer/timing.h"
#include "trainer/trainer.h"

/* A model of the group at hand. */
struct tr_member {
    int fold;
    int32_t *rows;  /* its training rows, in sample order */
    int32_t *order; /* this epoch's permutation of them */
    int n_rows, steps;
    const int32_t *valid;
    int n_valid;
    float *probs; /* (n_valid, classes): logits, then probabilities */
};

struct tr_run {
    struct tr_session *session;
    const struct tr_job *job;
    const struct tr_config *config;
    const struct optimizer_ops *optimizer;
    const struct schedule_ops *schedule;
    const struct averaging_ops *averaging;
    bool has_momentum; /* that a schedule may change */
    float rates[KN_MAX_RATES];
    int batch, folds, n_metrics;
    int models; /* of the plan; a group has at most as many members, and the rest sits out */
    struct kn_plan *plan;
    bool frozen; /* the plan trains the head alone */
    struct tr_pretrained pretrained;

    struct ckpt ckpt;
    struct ckpt_rest at; /* places, loss sums, curve: what is done */
    struct timing timing;
    struct oof_run oof;

    struct tr_member member[TR_MAX_FOLDS];
    int members;
    struct ckpt_place place; /* of every member */
    int32_t *indices;        /* of all members: rows and order */
    float *logits;           /* of all members */
    int32_t *labels, *pred;  /* of one member's validation rows */
    int64_t *confusion;
    struct tr_metric_room metric_room;
    float *class_weights;      /* room for one a class */
    struct kn_factor *factors; /* room for one a parameter of the network */
    struct kn_batch now[TR_MAX_FOLDS], next[TR_MAX_FOLDS];
    double loss[TR_MAX_FOLDS];
    double asked; /* clock: when the losses of a device that works by itself were last asked for */
    int since;    /* steps since */

    double started;          /* clock: of this attempt */
    double earlier;          /* seconds of the attempts before */
    double epoch_started;    /* clock: of what this attempt trained of the epoch */
    double epoch_before;     /* seconds that the members trained of it before */
    double rate_clock, rate; /* images per second over the last moments, for progress */
    int64_t rate_images;
    double work;       /* images of this attempt, see tr_progress */
    double need, room; /* bytes of the plan; free on the device when it was made */
    bool told_wait;
    bool pruned;
};

/* trainer/job.c */
int run_split(const struct tr_job *job, int fold);
int run_init(struct tr_run *r, struct tr_session *s, const struct tr_job *job, struct hpo_err *err);
void run_release(struct tr_run *r);
double run_seconds(const struct tr_run *r);
/* Seconds spent on the epoch at hand, those before a pause included. */
double run_epoch_seconds(const struct tr_run *r);
/* The row of the curve: n_metrics values, then the training loss. And its timing: seconds, rate. */
double *run_row(const struct tr_run *r, int fold, int epoch);
double *run_timing(const struct tr_run *r, int fold, int epoch);
/* Verdict -> 0, or HPO_ESTOPPED. saved: the checkpoint on disk is that of this place. */
int run_obey(struct tr_run *r, enum tr_verdict v, bool saved, struct hpo_err *err);
/* Ask the caller's poll; loss: the mean of the last step. */
int run_poll(struct tr_run *r, double loss, struct hpo_err *err);

/* In this epoch, does the head alone train? The first epoch in which everything does is where the
 * optimizer begins anew. */
bool run_freezes(const struct tr_run *r, int epoch);
bool run_unfreezes(const struct tr_run *r, int epoch);
/* The plan that trains the epoch of r->place. */
int run_choose_plan(struct tr_run *r, struct hpo_err *err);
/* The epochs that a fold trains, as far as its curve tells: all, or those until it stopped early.
 */
int run_epochs_of(const struct tr_run *r, int fold);

/* trainer/factors.c: what the parameters' rates and decays are multiplied by in an epoch (in
 * r->factors; NULL: by 1, all of them); and is that something else than in the epoch before? */
const struct kn_factor *run_factors(struct tr_run *r, int epoch);
bool run_factors_change(const struct tr_run *r, int epoch);

/* trainer/group.c: choose who is trained next; false: all folds are done. */
bool run_next_group(struct tr_run *r);
/* The members' rows, and what they are on the device. */
int run_enter_group(struct tr_run *r, struct hpo_err *err);
/* The members have reached r->place. */
void run_arrive(struct tr_run *r);
/* Write the checkpoint of the places that the folds have reached. */
int run_fetch(struct tr_run *r, struct hpo_err *err); /* states of the members, from the device */
int run_save(struct tr_run *r, struct hpo_err *err);

/* trainer/loop.c: the rest of the epoch that the group is in, evaluation included, into the rows of
 * the curve. The place is moved behind it. */
int run_epoch(struct tr_run *r, struct hpo_err *err);
/* This epoch's order of a member's rows, and the batches of a step of it, one a model. */
void run_shuffle(const struct tr_run *r, struct tr_member *m);
void run_fill(const struct tr_run *r, int step, struct kn_batch *ret);

/* trainer/evaluate.c: the metrics of every member on its validation rows, into its row. */
int run_evaluate(struct tr_run *r, struct hpo_err *err);

#endif
