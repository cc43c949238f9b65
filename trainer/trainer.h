/* trainer/trainer.h - trains one configuration on the folds of a data set, and reports.
 *
 * It does not know that it is being tuned. Fold-first trains fold 0 through all its epochs, then
 * fold 1; epoch-first trains all folds an epoch each. After each epoch a checkpoint is written,
 * then the epoch is reported; the answer says whether to go on. A training that was stopped, or
 * killed at any point, continues from its checkpoint with the same bits.
 *
 * Some folds may train side by side, as an array of models of one plan. How many shows in no
 * result: what is reported, in which order, and after how many reports a training ends, is what it
 * is when they train one by one. (On the CPU to the last bit, because the threads of a model do not
 * depend on it either. A GPU may sum in another order.) Fold-first, what later folds have done is
 * reported when the earlier ones are through, and thrown away if an answer ends the training
 * before.
 *
 * Epochs take floor(rows / batch) batches of a fresh permutation; the rest of the permutation sits
 * the epoch out (PyTorch's drop_last). When the smallest fold has fewer training rows than a batch,
 * the batch is that many, in every fold: a fold's bits do not depend on the order, nor on what is
 * trained beside it.
 *
 * A fold may stop early (config->early_stopping). Fold-first its remaining epochs are not reported;
 * epoch-first they are, as `over`, as long as another fold trains. */
#ifndef HPO_TRAINER_TRAINER_H
#define HPO_TRAINER_TRAINER_H

#include "base/str.h"
#include "kernels/backend.h"
#include "trainer/config.h"
#include "trainer/data/dataset.h"
#include "trainer/data/folds.h"

enum tr_order { TR_FOLD_FIRST, TR_EPOCH_FIRST };

enum tr_verdict {
    TR_GO,    /* train on */
    TR_PRUNE, /* this configuration is not worth more: end now, keep nothing */
    TR_PAUSE  /* write a checkpoint and return HPO_ESTOPPED; to be continued later */
};

#define TR_MAX_METRICS 32

/* With config->seeds above 1, a fold is trained several times. Each of these trainings is called a
 * fold in what follows and in all that is reported: number seed * job->run + fold. The first
 * job->run of them are, to the bit, those of one seed. */

/* One epoch of one fold is done. values[i] belongs to metric_registry[i]; NaN: that metric does not
 * apply. Then train_loss. */
struct tr_epoch {
    int fold, epoch; /* from 0 */
    int n_values;
    double values[TR_MAX_METRICS];
    double train_loss;   /* mean over the batches of the epoch */
    double seconds;      /* of training and evaluation; folds side by side share the time equally */
    double images_per_s; /* training images of this fold, per second of training */
    bool over;           /* it stopped early, before this epoch: these are its last values */
};

/* An image that is evaluated is a third of the arithmetic of one that is trained: forward alone. */
#define TR_EVAL_WORK (1.0 / 3)

/* While an epoch runs: where it is. */
struct tr_progress {
    int fold, epoch, step, steps; /* fold: the first of those that train side by side; step ==
                                     steps: it is evaluating */
    int folds;                    /* side by side */
    double images_per_s, loss;    /* of all that train side by side: sum, mean of the last step */
    double work;       /* of this call of tr_train so far, in images trained; see TR_EVAL_WORK */
    double bytes;      /* of its networks, by the backend's estimate; 0: unknown */
    double bytes_free; /* on the device when they were there; 0: unknown */
};

/* After an epoch; in epoch-first order called once per epoch with all n folds, else with one.
 * `again`: read back from the checkpoint of an earlier attempt, already answered TR_GO then. An
 * epoch may also come a second time with again false, the same numbers: the attempt before died
 * when it had written it, and nobody knows whether it was answered. */
typedef enum tr_verdict tr_report_fn(void *arg, const struct tr_epoch *e, int n, bool again);
/* After each batch, of training and of evaluation: must be quick. TR_PAUSE is obeyed at once. p
 * NULL: it waits for memory. */
typedef enum tr_verdict tr_poll_fn(void *arg, const struct tr_progress *p);
/* It waits until others that share the device let memory go, or (why NULL) goes on. */
typedef void tr_waits_fn(void *arg, const char *why);

struct tr_job {
    const struct tr_config *config;
    const struct tr_dataset *data;
    const struct tr_folds *folds;
    int run; /* how many of the folds are trained (config->seeds times), from fold 0; run * seeds is
                TR_MAX_FOLDS at most */
    enum tr_order order;
    int parallel; /* folds side by side, at most; fewer when memory lacks. 0: one by one fold-first,
                     all of them epoch-first */
    uint64_t seed;   /* of the study: folds' weights, order, augmentation; not of the trial */
    int objective;   /* index into metric_registry: what "best epoch" means */
    bool last_epoch; /* a fold's value is its last epoch's, not its best's */
    const char *dir; /* the checkpoint's folder; must exist */
    const char *oof; /* where the out-of-fold predictions of the epochs that count go when all folds
                        are done (trainer/oof_file.h); NULL: they are not kept */
    tr_report_fn *report;
    tr_poll_fn *poll;   /* may be NULL */
    tr_waits_fn *waits; /* may be NULL */
    void *arg;
};

struct tr_fold_result {
    int fold, epoch; /* the epoch that counts */
    double value;    /* of the objective */
    double seconds;
};

struct tr_result {
    int n_folds;
    struct tr_fold_result fold[TR_MAX_FOLDS];
    double value, std; /* mean and population standard deviation (numpy's) over folds */
    double seconds;    /* over every attempt */
};

/* A device with what is kept from job to job: compiled plans and uploaded data sets. */
struct tr_session;
/* threads: CPU threads for everything this session does; 0: as many as the device has. */
int tr_session_open(const struct kn_backend_ops *backend, int device_index, int threads,
                    struct tr_session **ret, struct hpo_err *err);
void tr_session_close(struct tr_session *s); /* NULL is allowed */

/* Sessions of this process that share a device. Of what idle plans may hold of its memory each has
 * its part; what is idle makes room for whoever needs it; and a job that would fit alone, but not
 * beside the others, waits for them instead of failing. Those that wait are served in the order in
 * which they came, and nobody else is served before them: so a job that waits has the device to
 * itself in the end, however large it is. */
struct tr_room;
struct tr_room *tr_room_new(void);
void tr_room_free(struct tr_room *r); /* when its sessions are closed; NULL is allowed */
/* Before its first job; a session is in one room at most. Closing it takes it out. */
void tr_session_join(struct tr_session *s, struct tr_room *r);

/* How many folds this job had better train side by side, for tr_job.parallel. Epoch-first: all that
 * memory holds. Fold-first: 1 on a processor, where they would wait for each other's cores; on a
 * device that works by itself as many as memory holds and as leave it idle one by one, by their
 * arithmetic; but 1 where other sessions share it, since whole jobs fill it as well, and nothing
 * that they do is thrown away. A job that cannot be trained: 1. */
int tr_folds_at_once(struct tr_session *s, const struct tr_job *job);

/* Train. 0: *ret is filled; on failure only ret->seconds is. HPO_ESTOPPED: paused (checkpoint
 * written) or pruned (*ret_pruned says which). HPO_ENUMERIC: the loss became NaN or infinite.
 * HPO_ENOMEM: the device is too small for it; the message has the numbers. A checkpoint that is
 * damaged, or of another training, is not used: the one before it is, or the training begins again.
 * The last checkpoint stays in job->dir after success too: the caller decides what is kept. */
int tr_train(struct tr_session *s, const struct tr_job *job, struct tr_result *ret,
             bool *ret_pruned, struct hpo_err *err);

/* Can this configuration's network be built for this data at all, and does the backend train in its
 * precision? HPO_ECONFIG says why not. */
int tr_check(const struct kn_backend_ops *backend, const struct tr_config *c,
             const struct tr_dataset *data, struct hpo_err *err);

/* The mean and deviation that images are scaled by: of these training rows, or ImageNet's. */
void tr_normalization(const struct tr_config *c, const struct tr_dataset *data, const int32_t *rows,
                      int64_t n, float ret_mean[3], float ret_std[3]);

/* What model.pretrained brings for this configuration, as a part of a sentence; nothing when it is
 * not set. *ret_whole: all of the backbone. HPO_ECONFIG: it cannot be used. */
int tr_pretrained_report(const struct tr_config *c, const struct tr_dataset *data, struct str *ret,
                         bool *ret_whole, struct hpo_err *err);
/* Of the content of a file of weights, or of a folder of them, as 32 hexadecimal digits. */
int tr_pretrained_digest(const char *path, char ret[33], struct hpo_err *err);

/* Multiply-adds of one image forward, weights, and bytes on the device, for `hpo check`. */
struct tr_cost {
    double macs, weights, bytes;
};
int tr_cost(const struct kn_backend_ops *backend, const struct tr_config *c,
            const struct tr_dataset *data, struct tr_cost *ret, struct hpo_err *err);

#endif
