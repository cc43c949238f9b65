/* The life of workers: they start, get trials, die, are stopped. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "hpo/controller_impl.h"
#include "hpo/spawn.h"

#define GOODBYE_LIMIT_S 0.3
#define MAX_DEATHS 3
#define FAULT_PAUSE_S 1.0
/* For a trial that was told to stop; then its worker is taken for stuck. */
#define STOP_LIMIT_S 10

int run_start_worker(struct run *r, struct worker_proc *w, struct hpo_err *err)
{
    int rc = spawn_worker(r->o->program, r->o->lock_fd, &w->pid, &w->fd, err);
    cJSON *m;

    if (rc)
        return rc;
    w->ready = false;
    packing_restart(&w->packing);
    m = message_new("open");
    json_put_string(m, "study", r->o->study_file);
    json_put_string(m, "device", w->device->name);
    json_put_string(m, "backend", w->device->kind);
    json_put_number(m, "index", w->device->index);
    json_put_number(m, "threads", w->device->threads);
    json_put_number(m, "slots", w->device->slots);
    message_send(w->fd, m); /* a worker that is gone already shows up in poll */
    return 0;
}

int run_start_due_workers(struct run *r, double now, struct hpo_err *err)
{
    int rc = 0;

    for (int k = 0; k < r->n_workers && !rc; k++) {
        struct worker_proc *w = &r->worker[k];

        if (w->start_at > 0 && now >= w->start_at && !w->given_up) {
            w->start_at = 0;
            rc = run_start_worker(r, w, err);
        }
    }
    return rc;
}

void run_device_failed(struct worker_proc *w, int trial, const char *reason)
{
    snprintf(w->fault, sizeof(w->fault), "%s", reason && *reason ? reason : "no reason was given");
    w->faults++;
    w->fault_spread |= trial >= 0 && w->fault_trial >= 0 && trial != w->fault_trial;
    if (trial >= 0)
        w->fault_trial = trial;
}

/* What becomes of the trial that it was training. */
static int lose_trial(struct run *r, struct worker_proc *w, struct run_slot *s, const char *how,
                      struct hpo_err *err)
{
    struct study_trial *t = run_held_by(r, s);
    char reason[512];

    if (s->stopped > 0) /* it was to end anyway, and may be why the worker hung */
        return run_end_stopped(r, s, clock_monotonic() - s->since, err);
    if (r->pausing || ++t->idle_deaths < MAX_DEATHS) {
        if (!r->pausing)
            run_note(r, "%s%s %s while training trial %d: it goes on from its checkpoint",
                     *w->fault ? "" : "the worker on ", w->device->name, how, t->t.number);
        study_release(r->study, t);
        run_vacate(s);
        return 0;
    }
    if (*w->fault)
        snprintf(reason, sizeof(reason), "its device failed %d times, the last time: %s",
                 MAX_DEATHS, w->fault);
    else
        snprintf(reason, sizeof(reason), "its worker died %d times, the last time it %s",
                 MAX_DEATHS, how);
    return run_end_trial(r, s, HPO_TRIAL_FAIL, NULL, reason, t->t.seconds, err);
}

/* A device of which nothing is heard but failures, whatever is tried on it. */
static bool is_lost(struct worker_proc *w, const char *how, struct run *r)
{
    if (!w->ready && ++w->early_deaths >= MAX_DEATHS) {
        if (*w->fault)
            run_note(r, "%s cannot be used: %s", w->device->name, w->fault);
        else
            run_note(r,
                     "the worker on %s %s before it was ready, %d times: going on without this "
                     "device",
                     w->device->name, how, MAX_DEATHS);
        return true;
    }
    if (w->faults >= MAX_DEATHS && w->fault_spread) {
        run_note(r, "%s failed %d times in a row, with more than one trial: going on without it",
                 w->device->name, w->faults);
        return true;
    }
    return false;
}

int run_worker_gone(struct run *r, struct worker_proc *w, struct hpo_err *err)
{
    char how[sizeof(w->fault) + 16];
    int status = 0, rc = 0;

    close(w->fd);
    w->fd = -1;
    kill(w->pid, SIGKILL); /* it may have closed its end and be stuck */
    waitpid(w->pid, &status, 0);
    message_reader_release(&w->in);
    if (*w->fault)
        snprintf(how, sizeof(how), "failed (%s)", w->fault);
    else
        describe_exit(status, how, sizeof(how));
    for (int i = 0; i < w->device->slots && !rc; i++) {
        w->slot[i].ready = false;
        if (w->slot[i].trial)
            rc = lose_trial(r, w, &w->slot[i], how, err);
    }
    if (!rc && !r->pausing && !w->given_up) {
        w->given_up = is_lost(w, how, r);
        /* A device that failed is given a moment: a driver that recovers, memory that somebody else
         * lets go. */
        if (!w->given_up && *w->fault) {
            if (!w->ready)
                run_note(r, "%s %s: it is tried again", w->device->name, how);
            w->start_at = clock_monotonic() + FAULT_PAUSE_S;
        }
        if (!w->given_up && !*w->fault)
            rc = run_start_worker(r, w, err);
    }
    *w->fault = '\0';
    w->ready = false;
    return rc;
}

/* When a worker dies, all that trained in it are suspected. Those that lost all deaths but the last
 * without a report in between train alone the next time, so that only the guilty one fails. */
static bool is_suspect(const struct study_trial *t)
{
    return t->idle_deaths >= MAX_DEATHS - 1;
}

static bool holds_suspect(const struct run *r, const struct worker_proc *w)
{
    for (int i = 0; i < w->device->slots; i++) {
        const struct study_trial *t = run_held_by(r, &w->slot[i]);

        if (t && is_suspect(t))
            return true;
    }
    return false;
}

static int running_on(const struct worker_proc *w)
{
    int n = 0;

    for (int i = 0; i < w->device->slots; i++)
        n += w->slot[i].trial != NULL;
    return n;
}

/* How many trials may run on it now. */
static int open_slots(const struct worker_proc *w)
{
    return w->device->packed ? w->packing.n : w->device->slots;
}

/* A trial that failed with this device twice is tried on another one, if there is one that works:
 * then either the trial fails there as well, or the device with other trials. */
static bool blames(const struct run *r, const struct worker_proc *w, const struct study_trial *t)
{
    if (w->faults == 0 || w->fault_trial != t->t.number || !is_suspect(t))
        return false;
    for (int k = 0; k < r->n_workers; k++)
        if (&r->worker[k] != w && !r->worker[k].given_up && r->worker[k].faults == 0)
            return true;
    return false;
}

/* What an earlier attempt reported; only an objective that cannot know asks for it. */
static void put_past(const struct run *r, cJSON *m, const struct hpo_trial *t)
{
    if (objective_of(r->study->config)->wants_past)
        message_put_points(m, t->points, t->n_points, r->study->config->study.direction == 1);
}

int run_hand_out(struct run *r, struct hpo_err *err)
{
    for (int k = 0; k < r->n_workers; k++) {
        struct worker_proc *w = &r->worker[k];

        for (int i = 0; i < w->device->slots && w->ready && !w->given_up; i++) {
            struct run_slot *s = &w->slot[i];
            struct study_trial *t = NULL;
            cJSON *m;
            int rc;

            if (s->trial)
                continue;
            if (holds_suspect(r, w) || running_on(w) >= open_slots(w))
                break;
            rc = study_next(r->study, &t, err);
            if (rc || !t)
                return rc;
            if (is_suspect(t) && (running_on(w) || blames(r, w, t)))
                break; /* it was there already, and is offered to the next worker */
            rc = study_start(r->study, t, w->device->name, w->pid, err);
            if (rc)
                return rc;
            run_vacate(s);
            s->trial = &t->t;
            s->since = clock_monotonic();
            m = message_new("train");
            json_put_number(m, "slot", i);
            json_put_number(m, "trial", t->t.number);
            json_put_number(m, "rung", t->t.rung);
            message_put_values(m, t->t.values, r->study->config->space.n);
            put_past(r, m, &t->t);
            json_put_string(m, "dir", study_trial_dir(r->dir, t->t.number, &r->arena));
            json_put_string(m, "oof", study_oof_path(r->dir, t->t.number, &r->arena));
            message_send(w->fd, m);
            run_emit(r, (struct run_event){.kind = RUN_TRIAL_START, .slot = s, .trial = s->trial});
        }
    }
    return 0;
}

/* Trials that take too long, and all of them when the study has what it was looking for. With a lag
 * they run on: a study that can be repeated does not depend on when they were stopped. */
void run_stop_trials(struct run *r, double now)
{
    const struct study_config *c = r->study->config;
    enum study_end end = study_end(r->study);
    bool all = (end == STUDY_TARGET || end == STUDY_PATIENCE) && !c->sampler.lag;

    for (int k = 0; k < r->n_workers; k++) {
        struct worker_proc *w = &r->worker[k];

        for (int i = 0; i < w->device->slots && w->fd >= 0; i++) {
            struct run_slot *s = &w->slot[i];
            bool late = isfinite(c->study.max_seconds) && !s->waits &&
                        now - s->since > c->study.max_seconds;

            if (!s->trial)
                continue;
            if (s->stopped <= 0 && (all || late)) {
                run_stop(r, w, s, late);
            } else if (s->stopped > 0 && now - s->stopped > STOP_LIMIT_S) {
                run_note(r, "the worker on %s does not answer: it is killed", w->device->name);
                kill(w->pid, SIGKILL); /* what follows: worker_gone */
                s->stopped = now;
            }
        }
    }
}

/* Workers leave when their socket closes; those that do not are killed. Their checkpoints are whole
 * at any moment. */
void run_stop_workers(struct run *r)
{
    double limit = clock_monotonic() + (r->at_once ? 0 : GOODBYE_LIMIT_S);

    for (int k = 0; k < r->n_workers; k++)
        if (r->worker[k].fd >= 0)
            close(r->worker[k].fd);
    for (int k = 0; k < r->n_workers; k++) {
        struct worker_proc *w = &r->worker[k];

        if (w->fd < 0)
            continue;
        while (waitpid(w->pid, NULL, WNOHANG) == 0) {
            if (clock_monotonic() >= limit)
                kill(w->pid, SIGKILL);
            usleep(1000);
        }
        w->fd = -1;
        message_reader_release(&w->in);
    }
}
