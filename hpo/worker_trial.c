/* A slot of a worker: a thread that runs trials, and what it says of them. */
#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "hpo/worker_impl.h"

#define PROGRESS_EVERY_S 0.2

void worker_send(struct worker *w, cJSON *m)
{
    pthread_mutex_lock(&w->lock);
    message_send(w->fd, m); /* a lost controller shows up as the end of its messages */
    pthread_mutex_unlock(&w->lock);
}

static cJSON *slot_message(const struct slot *s, const char *op)
{
    cJSON *m = message_new(op);

    json_put_number(m, "slot", s->index);
    json_put_number(m, "trial", s->trial);
    return m;
}

bool worker_stopping(void *arg)
{
    struct worker *w = arg;

    return atomic_load(&w->pause);
}

/* What was said to a slot from outside outranks what was answered to its report. */
static enum objective_verdict outranked(struct slot *s, enum objective_verdict v)
{
    if (v == OBJECTIVE_GO && atomic_load(&s->w->pause))
        return OBJECTIVE_PAUSE;
    return v == OBJECTIVE_GO && atomic_load(&s->stop) ? OBJECTIVE_PRUNE : v;
}

static enum objective_verdict on_report(void *arg, const struct objective_report *r)
{
    struct slot *s = arg;
    struct worker *w = s->w;
    cJSON *m = slot_message(s, "report");
    int verdict;

    message_put_report(m, r);
    pthread_mutex_lock(&w->lock);
    s->verdict = -1;
    message_send(w->fd, m);
    while (s->verdict < 0 && !atomic_load(&w->pause))
        pthread_cond_wait(&s->wake, &w->lock);
    verdict = s->verdict < 0 ? OBJECTIVE_PAUSE : s->verdict;
    pthread_mutex_unlock(&w->lock);
    return outranked(s, (enum objective_verdict)verdict);
}

/* Where the trial is, and what all trials of this worker got done. Under the lock. */
static void send_progress(struct slot *s, const struct objective_progress *p)
{
    const struct load *l = &s->w->load;
    cJSON *m = slot_message(s, "progress");

    json_put_number(m, "fold", p->fold);
    json_put_number(m, "folds", p->folds);
    json_put_number(m, "epoch", p->epoch);
    json_put_number(m, "step", p->step);
    json_put_number(m, "steps", p->steps);
    json_put_number(m, "rate", p->rate);
    json_put_number(m, "loss", p->loss);
    if (p->work > 0) {
        json_put_number(m, "training", l->begins ? 0 : l->trains);
        json_put_number(m, "seconds", l->seconds[l->trains]);
        json_put_number(m, "work", l->work[l->trains]);
        json_put_number(m, "bytes", p->bytes);
        json_put_number(m, "bytes_free", p->bytes_free);
    }
    message_send(s->w->fd, m);
}

static enum objective_verdict on_poll(void *arg, const struct objective_progress *p)
{
    struct slot *s = arg;

    if (p) {
        double now = clock_monotonic();

        pthread_mutex_lock(&s->w->lock);
        load_progress(&s->w->load, s->index, p->work, now);
        if (now - s->last_progress >= PROGRESS_EVERY_S) {
            s->last_progress = now;
            send_progress(s, p);
        }
        pthread_mutex_unlock(&s->w->lock);
    }
    return outranked(s, OBJECTIVE_GO);
}

static void on_wait(void *arg, const char *why)
{
    struct slot *s = arg;
    cJSON *m = slot_message(s, "waits");

    json_put_string(m, "why", why);
    pthread_mutex_lock(&s->w->lock);
    load_set(&s->w->load, s->index, why ? LOAD_IDLE : LOAD_BEGINS, clock_monotonic());
    message_send(s->w->fd, m);
    pthread_mutex_unlock(&s->w->lock);
}

static void run_trial(struct slot *s)
{
    struct objective *o = &s->w->objective;
    struct objective_result result = {0};
    struct objective_trial t = {
        .number = s->trial,
        .rung = s->rung,
        .values = s->values,
        .past = s->past,
        .n_past = s->n_past,
        .dir = s->dir,
        .oof = s->oof,
        .report = on_report,
        .poll = on_poll,
        .waits = on_wait,
        .arg = s,
    };
    struct hpo_err err = {0};
    int rc = o->ops->needs_dir ? file_mkdirs(s->dir, &err) : 0;
    cJSON *m;

    if (!rc)
        rc = o->ops->run(o, s->state, &t, &result, &err);
    if (!rc) {
        m = slot_message(s, "done");
        message_put_result(m, &result);
    } else if (rc == HPO_ESTOPPED) {
        m = slot_message(s, result.pruned ? "pruned" : "paused");
        json_put_number(m, "seconds", result.seconds);
    } else {
        m = slot_message(s, "failed");
        json_put_number(m, "rc", rc);
        json_put_string(m, "reason", err.rc ? err.msg : hpo_rc_text(rc));
        json_put_number(m, "seconds", result.seconds);
    }
    pthread_mutex_lock(&s->w->lock);
    if (rc == HPO_EDEVICE) {
        /* What else this process has on the device is lost with it, and only another process gets
         * it back: nothing of this one is worth waiting for. Checkpoints are whole at any moment.
         */
        message_send(s->w->fd, m);
        _exit(1);
    }
    /* The next trial may be handed out as soon as the message is sent: its values go into the
     * arena. */
    arena_release(&s->arena);
    s->trial = -1;
    load_set(&s->w->load, s->index, LOAD_IDLE, clock_monotonic());
    message_send(s->w->fd, m);
    pthread_mutex_unlock(&s->w->lock);
}

void *worker_slot_main(void *arg)
{
    struct slot *s = arg;
    struct objective *o = &s->w->objective;

    for (;;) {
        pthread_mutex_lock(&s->w->lock);
        while (s->trial < 0 && !s->quit)
            pthread_cond_wait(&s->wake, &s->w->lock);
        pthread_mutex_unlock(&s->w->lock);
        if (s->trial < 0)
            break;
        run_trial(s);
    }
    if (o->ops->close_slot)
        o->ops->close_slot(o, s->state);
    return NULL;
}
