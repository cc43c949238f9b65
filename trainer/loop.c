/* The training loop: steps in lock-step over the models of a group. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "trainer/job.h"
#include "trainer/mixing.h"

/* The progress line's images per second are those of the last this many seconds. */
#define RATE_WINDOW 0.5
/* A pause or a verdict is heard of within this time. */
#define ASK_EVERY_S 0.03

/* The order of an epoch does not depend on those before it, so a resumed epoch finds its own. */
void run_shuffle(const struct tr_run *r, struct tr_member *m)
{
    struct hpo_rng rng = hpo_rng_for(r->job->seed, -1, m->fold, "order", (uint64_t)r->place.epoch);

    memcpy(m->order, m->rows, (size_t)m->n_rows * sizeof(int32_t));
    hpo_rng_shuffle(&rng, m->order, m->n_rows);
}

static struct schedule_at schedule_place(const struct tr_run *r, const struct tr_member *m,
                                         int step)
{
    const double *row = run_row(r, m->fold, 0);

    return (struct schedule_at){
        .t = r->place.epoch + (double)step / m->steps,
        .epochs = r->config->epochs,
        .step = 1.0 / m->steps,
        .objective = row + r->job->objective,
        .train_loss = row + r->n_metrics,
        .stride = (size_t)r->n_metrics + 1,
        .maximize = metric_registry[r->job->objective]->maximize,
    };
}

static double rate_at(const struct tr_run *r, const struct tr_member *m, int step)
{
    const struct schedule_at at = schedule_place(r, m, step);

    return r->optimizer->lr(r->config->optimizer.part.priv) *
           r->schedule->factor(r->config->schedule.priv, &at);
}

static double momentum_at(const struct tr_run *r, const struct tr_member *m, int step)
{
    const struct schedule_at at = schedule_place(r, m, step);

    return r->schedule->momentum && r->has_momentum
               ? r->schedule->momentum(r->config->schedule.priv, &at)
               : 0;
}

/* A batch's place among those that make one optimizer step; the last step of an epoch may have
 * fewer. Steps do not reach over the end of an epoch. */
static void place_among(const struct tr_run *r, const struct tr_member *m, int step,
                        struct kn_batch *ret)
{
    int each = r->config->optimizer.accumulate, first = step / each * each;
    int left = m->steps - first, in_epoch = (m->steps + each - 1) / each;
    uint32_t epoch = (uint32_t)r->place.epoch, updates;
    uint32_t begun = run_freezes(r, r->place.epoch) || !run_freezes(r, 0)
                         ? 0
                         : (uint32_t)r->config->model.unfreeze_epoch;

    ret->step = epoch * (uint32_t)m->steps + (uint32_t)step;
    ret->micro = step - first;
    ret->micros = left < each ? left : each;
    updates = (epoch - begun) * (uint32_t)in_epoch; /* since the optimizer began */
    ret->behind = ret->step - (updates + (uint32_t)(step / each));
}

static void place_average(const struct tr_run *r, const struct tr_member *m, int step,
                          struct kn_batch *ret)
{
    const struct averaging_ops *ops = r->averaging;
    const void *opts = r->config->average.priv;
    int each = r->config->optimizer.accumulate;
    const struct averaging_at at = {
        .updates = (int64_t)ret->step - ret->behind + 1,
        .total = (int64_t)r->config->epochs * ((m->steps + each - 1) / each),
        .epoch = r->place.epoch,
        .epochs = r->config->epochs,
        .last = step + 1 == m->steps,
    };

    ret->average = ops->averages ? (float)ops->decay(opts, &at) : 1.0f;
    ret->adopt = ops->adopts && ops->adopts(opts, &at);
}

/* A member whose epoch is shorter than its neighbours' sits the last steps out; a model that is
 * nobody's sits out all of them. */
void run_fill(const struct tr_run *r, int step, struct kn_batch *ret)
{
    const struct kn_images *images = &r->job->data->images;

    for (int i = 0; i < r->models; i++) {
        const struct tr_member *m = &r->member[i];

        ret[i] = (struct kn_batch){0};
        if (i >= r->members || step >= m->steps)
            continue;
        ret[i] = (struct kn_batch){
            .index = m->order + (size_t)step * (size_t)r->batch,
            .n = r->batch,
            .epoch = (uint32_t)r->place.epoch,
            .lr = (float)rate_at(r, m, step),
            .momentum = (float)momentum_at(r, m, step),
        };
        place_among(r, m, step, &ret[i]);
        ret[i].mix = tr_mix(&r->config->augment, r->job->seed, m->fold, ret[i].step, images->h,
                            images->w);
        place_average(r, m, step, &ret[i]);
    }
}

static int not_finite(const struct tr_run *r, const struct tr_member *m, int step,
                      struct hpo_err *err)
{
    return hpo_fail(err, HPO_ENUMERIC,
                    "the loss became NaN or infinite in fold %d, epoch %d of %d, step %d of %d, at "
                    "learning rate %.4g",
                    m->fold, r->place.epoch + 1, r->config->epochs, step + 1, m->steps,
                    rate_at(r, m, step));
}

static void measure_rate(struct tr_run *r, int images)
{
    double now = clock_monotonic();

    r->rate_images += images;
    r->work += images;
    if (now - r->rate_clock >= RATE_WINDOW || r->rate == 0) {
        r->rate = (double)r->rate_images / (now - r->rate_clock);
        r->rate_clock = now;
        r->rate_images = 0;
    }
}

/* The loss of every step, at once. */
static int train_and_wait(struct tr_run *r, const struct kn_batch *next, int step, double *ret_mean,
                          struct hpo_err *err)
{
    double sum = 0;
    int training = 0;
    int rc = r->plan->ops->train(r->plan, r->now, next, r->loss, err);

    for (int i = 0; i < r->members && !rc; i++) {
        if (!r->now[i].n)
            continue;
        if (!isfinite(r->loss[i]))
            return not_finite(r, &r->member[i], step, err);
        r->at.loss_sum[r->member[i].fold] += r->loss[i];
        sum += r->loss[i];
        training++;
    }
    *ret_mean = sum / training;
    return rc;
}

/* A device that works by itself is not waited for but now and then, and at the end of an epoch.
 * *ret_mean: NaN when it was not. */
static int train_ahead(struct tr_run *r, const struct kn_batch *next, int step, bool whole,
                       double *ret_mean, struct hpo_err *err)
{
    double now = clock_monotonic(), sum = 0;
    int rc = r->plan->ops->train(r->plan, r->now, next, NULL, err);

    r->since++;
    *ret_mean = NAN;
    if (rc || (next && (!whole || now - r->asked < ASK_EVERY_S)))
        return rc;
    rc = r->plan->ops->losses(r->plan, r->loss, err);
    for (int i = 0; i < r->members && !rc; i++) {
        double *before = &r->at.loss_sum[r->member[i].fold];

        if (!isfinite(r->loss[i]))
            return not_finite(r, &r->member[i], step, err);
        sum += r->loss[i] - *before;
        *before = r->loss[i];
    }
    *ret_mean = sum / r->members / r->since;
    r->asked = clock_monotonic();
    r->since = 0;
    return rc;
}

static int step_once(struct tr_run *r, int step, int steps, struct hpo_err *err)
{
    const struct kn_batch *next = step + 1 < steps ? r->next : NULL;
    /* Gradients of half an optimizer step stand in no checkpoint: it is stopped between two. */
    bool whole = !next || (step + 1) % r->config->optimizer.accumulate == 0;
    double mean = 0;
    int training = 0, rc;

    run_fill(r, step, r->now);
    if (next)
        run_fill(r, step + 1, r->next);
    rc = r->plan->ops->async ? train_ahead(r, next, step, whole, &mean, err)
                             : train_and_wait(r, next, step, &mean, err);
    if (rc)
        return rc;
    for (int i = 0; i < r->members; i++)
        training += r->now[i].n > 0;
    r->place.step = step + 1;
    run_arrive(r);
    measure_rate(r, training * r->batch);
    /* Only when every loss so far is in the sums may it be paused: they are part of its state. */
    return isnan(mean) || !whole ? 0 : run_poll(r, mean, err);
}

static int train_steps(struct tr_run *r, struct hpo_err *err)
{
    int steps = 0, rc = 0;

    for (int i = 0; i < r->members; i++) {
        run_shuffle(r, &r->member[i]);
        steps = r->member[i].steps > steps ? r->member[i].steps : steps;
    }
    r->since = 0;
    if (r->plan->ops->async) {
        for (int i = 0; i < r->models; i++)
            r->loss[i] = i < r->members ? r->at.loss_sum[r->member[i].fold] : 0;
        rc = r->plan->ops->set_losses(r->plan, r->loss, err);
    }
    for (int step = r->place.step; step < steps && !rc; step++)
        rc = step_once(r, step, steps, err);
    return rc;
}

/* Batch norm statistics for average weights, which no training step has seen: over the epoch's
 * batches, in their order, each counting alike (torch.optim.swa_utils.update_bn). A training that
 * was stopped after its last step does this anew, with the same bits. */
static int estimate(struct tr_run *r, struct hpo_err *err)
{
    int steps = 0, rc = 0;

    if (!r->averaging->averages ||
        !r->averaging->estimates(r->config->average.priv, r->place.epoch, r->config->epochs))
        return 0;
    for (int i = 0; i < r->members; i++)
        steps = r->member[i].steps > steps ? r->member[i].steps : steps;
    for (int step = 0; step < steps && !rc; step++) {
        run_fill(r, step, r->now);
        for (int i = 0; i < r->models; i++)
            r->now[i].estimate = step + 1;
        rc = r->plan->ops->train(r->plan, r->now, NULL, NULL, err);
    }
    return rc;
}

/* The rows of the epoch that is done. Members share its time equally. */
static void write_rows(struct tr_run *r, double training, double whole)
{
    for (int i = 0; i < r->members; i++) {
        const struct tr_member *m = &r->member[i];
        double *timing = run_timing(r, m->fold, r->place.epoch);

        run_row(r, m->fold, r->place.epoch)[r->n_metrics] = r->at.loss_sum[m->fold] / m->steps;
        timing[0] = whole / r->members;
        timing[1] = training > 0 ? (double)m->steps * r->batch / training : 0;
        r->at.loss_sum[m->fold] = 0;
        r->timing.partial[m->fold] = 0;
    }
}

/* A fold that stops is through: in the epochs that are left it stands where it stood. */
static void stop_early(struct tr_run *r)
{
    for (int i = 0; i < r->members; i++) {
        int fold = r->member[i].fold, epochs = run_epochs_of(r, fold);
        const double *last = run_row(r, fold, epochs - 1);

        if (r->place.epoch < epochs)
            continue;
        for (int epoch = epochs; epoch < r->config->epochs; epoch++)
            memcpy(run_row(r, fold, epoch), last, ((size_t)r->n_metrics + 1) * sizeof(*last));
        r->at.place[fold] = (struct ckpt_place){.epoch = r->config->epochs};
    }
}

int run_epoch(struct tr_run *r, struct hpo_err *err)
{
    double training;
    int rc;

    r->epoch_started = r->rate_clock = clock_monotonic();
    r->epoch_before = 0;
    for (int i = 0; i < r->members; i++)
        r->epoch_before += r->timing.partial[r->member[i].fold];
    r->rate_images = 0;
    rc = train_steps(r, err);
    if (rc)
        return rc;
    training = run_epoch_seconds(r);
    rc = estimate(r, err);
    if (!rc)
        rc = run_evaluate(r, err);
    if (rc)
        return rc;
    write_rows(r, training, run_epoch_seconds(r));
    rc = run_oof_keep(r, err);
    if (rc)
        return rc;
    r->place = (struct ckpt_place){.epoch = r->place.epoch + 1};
    run_arrive(r);
    stop_early(r);
    return 0;
}
