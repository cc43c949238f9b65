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

/* What a job asks of a plan. net: taken over when the plan is new, else released; either way *net
 * is empty afterwards and the plan's own copy, with the same shape, is plan->net. The plan belongs
 * to the session and is valid until its next call of this function. */
struct tr_plan_request {
    struct kn_net *net;
    const struct tr_dataset *data;
    int batch, models;
    enum kn_precision precision;
    enum kn_optim_kind optim;
};
int tr_session_plan(struct tr_session *s, const struct tr_plan_request *r, struct kn_plan **ret,
                    struct hpo_err *err);

/* For tests: plans compiled since the session was opened. */
int tr_session_compiled(const struct tr_session *s);

/* The rows of an evaluation batch: small training batches would leave the device idle. */
int tr_eval_batch(int batch);

#endif
