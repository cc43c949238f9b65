/* trainer/session.h - inside the trainer: a device with what is kept from job to job.
 *
 * Compiled plans and uploaded data sets are found again by what they were made from. Idle plans
 * stay while they are few, recently used, small beside the device, and not cheap to make again. */
#ifndef HPO_TRAINER_SESSION_H
#define HPO_TRAINER_SESSION_H

#include "kernels/backend.h"
#include "trainer/config.h"
#include "trainer/data/dataset.h"

struct tr_session;

/* The network of a configuration on these images, finished. Release with kn_net_release whether it
 * succeeds or not. */
int tr_build_net(const struct tr_config *c, const struct kn_images *images, struct kn_net *ret,
                 struct hpo_err *err);

/* A fingerprint of everything in a network that a plan depends on: its operations and shapes, not
 * its rates. */
struct tr_net_hash {
    uint64_t lo, hi;
};
struct tr_net_hash tr_hash_net(const struct kn_net *n);

/* CPU threads for each of `models` networks that train side by side on `threads`. */
int tr_cores_for(int models, int threads);

/* The job of this session has to wait for memory. Called again and again while it does, some 30
 * times a second; a failure ends the wait and is passed on. */
typedef int tr_wait_fn(void *arg, const char *why, struct hpo_err *err);

/* What a job asks of a plan. net: taken over when the plan is new, else released; either way *net
 * is empty afterwards and the plan's own copy, with the same shape, is plan->net. The plan belongs
 * to the session and is valid until tr_session_done, or its next call of this function. */
struct tr_plan_request {
    struct kn_net *net;
    const struct tr_dataset *data;
    int batch, models;
    int like;      /* a model gets the threads that it has among so many: its bits depend on them */
    double steps;  /* that the job is to train, all folds together */
    int eval_rows; /* to evaluate after an epoch, of the largest fold; 0: nobody knows */
    enum kn_precision precision;
    enum kn_optim_kind optim;
    bool averaged, accumulate;
    int freeze; /* kn_plan_desc's */

    /* HPO_ENOMEM is answered at once, rather than waited about, unless it is the last that the job
     * can ask for. */
    bool last;
    tr_wait_fn *wait;
    void *arg;
    double ret_bytes, ret_free; /* of the plan; of the device with it. 0: unknown */
};
int tr_session_plan(struct tr_session *s, struct tr_plan_request *r, struct kn_plan **ret,
                    struct hpo_err *err);
/* The job is over: its plan is idle. */
void tr_session_done(struct tr_session *s);

/* For tests: plans compiled since the session was opened. */
int tr_session_compiled(const struct tr_session *s);

/* The rows of an evaluation batch, where a model has so many to evaluate (0: nobody knows). Small
 * training batches would leave the device idle; and one that works by itself is waited for after
 * each batch, so there should be few. */
int tr_eval_batch(const struct kn_backend_ops *b, int batch, int rows);

#endif
