/* trainer/job.h - inside the trainer: one call of tr_train, while it runs.
 *
 * Both orders are one loop: *groups* of models are trained one group after the other, the models of
 * a group side by side. Fold-first has a group a fold, of one model; epoch-first has one group of
 * all the folds. Everything is allocated before the first step. */
#ifndef HPO_TRAINER_JOB_H
#define HPO_TRAINER_JOB_H

#include "trainer/checkpoint.h"
#include "trainer/metric.h"
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
    float rates[KN_MAX_RATES];
    int batch, models, groups, n_metrics;
    struct kn_plan *plan;

    struct ckpt ckpt;
    struct ckpt_rest at; /* place, loss sums, curve: what is done */
    struct timing timing;

    struct tr_member member[TR_MAX_FOLDS];
    int32_t *indices; /* of all members: rows and order */
    float *logits;    /* of all members */
    int32_t *labels, *pred; /* of one member's validation rows */
    int64_t *confusion;
    struct kn_batch now[TR_MAX_FOLDS], next[TR_MAX_FOLDS];
    double loss[TR_MAX_FOLDS];
    double asked;  /* clock: when the losses of a device that works by itself were last asked for */
    int since;     /* steps since */

    double started;       /* clock: of this attempt */
    double earlier;       /* seconds of the attempts before */
    double epoch_started; /* clock: of what this attempt trained of the epoch */
    double rate_clock, rate; /* images per second over the last moments, for progress */
    int64_t rate_images;
    bool pruned;
};

/* trainer/job.c */
int run_init(struct tr_run *r, struct tr_session *s, const struct tr_job *job, struct hpo_err *err);
void run_release(struct tr_run *r);
/* Who is in the group, with their rows. */
void run_enter_group(struct tr_run *r, int group);
double run_seconds(const struct tr_run *r);
/* Seconds spent on the epoch at hand, those before a pause included. */
double run_epoch_seconds(const struct tr_run *r);
/* The row of the curve: n_metrics values, then the training loss. And its timing: seconds, rate. */
double *run_row(const struct tr_run *r, int group, int epoch, int model);
double *run_timing(const struct tr_run *r, int group, int epoch, int model);
/* Write the checkpoint of the place that the run has reached. */
int run_save(struct tr_run *r, struct hpo_err *err);
/* Verdict -> 0, or HPO_ESTOPPED. saved: the checkpoint on disk is that of this place. */
int run_obey(struct tr_run *r, enum tr_verdict v, bool saved, struct hpo_err *err);
/* Ask the caller's poll; loss: the mean of the last step. */
int run_poll(struct tr_run *r, double loss, struct hpo_err *err);

/* trainer/loop.c: the rest of the epoch that the place is in, evaluation included, into its row of
 * the curve. The place is moved behind it. */
int run_epoch(struct tr_run *r, struct hpo_err *err);

/* trainer/evaluate.c: the metrics of every member on its validation rows, into its row. */
int run_evaluate(struct tr_run *r, struct hpo_err *err);

#endif
