/* How many folds of a job train side by side when its caller leaves that open. */
#include "trainer/session_impl.h"

/* Of the device's memory, for the networks of one session. */
#define MEMORY_SHARE 0.8
/* Multiply-adds of a step, forward, of all models together. Below, a step takes a millisecond or
 * less on a GPU of today, and launches, small layers and the optimizer are most of it (ResNet-20 on
 * 32 x 32 pixels with batches of 128 has 5e9). */
#define BUSY_MACS 2e10

static bool fits(struct tr_session *s, const struct tr_job *job, const struct kn_net *net,
                 int models, int sessions)
{
    const struct optimizer_ops *optimizer = job->config->optimizer.part.ops;
    int batch = job->config->batch_size;
    struct kn_plan_desc desc = {
        .net = net,
        .batch = batch,
        .eval_batch = tr_eval_batch(s->backend, batch, (int)(job->folds->start[job->run] / job->run)),
        .models = models,
        .threads = 1,
        .precision = (enum kn_precision)job->config->precision,
        .optim = optimizer->kind,
        .averaged = ((const struct averaging_ops *)job->config->average.ops)->averages,
        .accumulate = job->config->optimizer.accumulate > 1,
    };

    return s->memory <= 0 ||
           s->backend->estimate(s->dev, &desc) <= MEMORY_SHARE * s->memory / sessions;
}

int tr_folds_at_once(struct tr_session *s, const struct tr_job *job)
{
    bool side_by_side = job->order == TR_EPOCH_FIRST;
    int sessions = room_sessions(s->room), n = job->run * job->config->seeds;
    struct kn_net net = {0};

    if (!side_by_side && (!s->backend->async || sessions > 1))
        return 1;
    if (tr_build_net(job->config, &job->data->images, &net, NULL))
        n = 1;
    while (n > 1 && !side_by_side && n * kn_net_macs(&net) * job->config->batch_size > BUSY_MACS)
        n--;
    while (n > 1 && !fits(s, job, &net, n, sessions))
        n--;
    kn_net_release(&net);
    return n;
}
