#include "hpo/controller.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "hpo/message.h"
#include "hpo/spawn.h"

#define TICK_S 0.1
#define PAUSE_LIMIT_S 1.6 /* with what follows, an interrupt ends within two seconds */
#define GOODBYE_LIMIT_S 0.3
#define MAX_DEATHS 3

struct worker_proc {
    const struct device_spec *device;
    pid_t pid;
    int fd; /* -1: not running */
    struct message_reader in;
    struct run_slot *slot; /* device->slots of them */
    bool ready, given_up;
    int early_deaths; /* before it was ready */
};

struct run {
    const struct run_options *o;
    struct study *study;
    struct worker_proc *worker;
    int n_workers;
    struct run_slot *slot;
    struct run_view view;
    struct arena arena;
    bool pausing;
    double pause_deadline;
    enum run_end end;
    int signal;
    bool at_once; /* a second signal: do not wait for anyone */
};

static void emit(struct run *r, struct run_event e)
{
    if (r->o->event)
        r->o->event(r->o->arg, &e, &r->view);
}

static void note(struct run *r, const char *fmt, ...) HPO_PRINTF(2, 3);
static void note(struct run *r, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    emit(r, (struct run_event){.kind = RUN_NOTE, .text = text});
}

static struct study_trial *held_by(const struct run *r, const struct run_slot *s)
{
    return s->trial ? r->study->trial[s->trial->number] : NULL;
}

static void vacate(struct run_slot *s)
{
    s->trial = NULL;
    s->progress = (struct tr_progress){0};
    s->value = NAN;
    s->first_step = 0;
}

/* Of finished trials, only the best one's checkpoint is kept. */
static void tidy_trial(struct run *r, const struct hpo_trial *t)
{
    const struct hpo_trial *best = hpo_history_best(&r->study->history);
    struct arena a = {0};

    if (hpo_trial_finished(t) && t != best)
        file_remove_tree(study_trial_dir(r->study->dir, t->number, &a), NULL);
    arena_release(&a);
}

static void tidy(struct run *r, const struct hpo_trial *ended, const struct hpo_trial *best_before)
{
    tidy_trial(r, ended);
    if (best_before)
        tidy_trial(r, best_before);
}

static int start_worker(struct run *r, struct worker_proc *w, struct hpo_err *err)
{
    int rc = spawn_worker(r->o->program, r->o->lock_fd, &w->pid, &w->fd, err);
    cJSON *m;

    if (rc)
        return rc;
    w->ready = false;
    m = message_new("open");
    json_put_string(m, "study", r->o->study_file);
    json_put_string(m, "backend", w->device->backend->plugin.name);
    json_put_number(m, "index", w->device->index);
    json_put_number(m, "threads", w->device->threads);
    json_put_number(m, "slots", w->device->slots);
    message_send(w->fd, m); /* a worker that is gone already shows up in poll */
    return 0;
}

static int end_trial(struct run *r, struct run_slot *s, enum hpo_trial_state state,
                     const struct tr_result *result, const char *reason, double seconds,
                     struct hpo_err *err)
{
    struct study_trial *t = held_by(r, s);
    const struct hpo_trial *best = hpo_history_best(&r->study->history);
    int rc = study_finish(r->study, t, state, result, reason, seconds, err);

    if (rc)
        return rc;
    emit(r, (struct run_event){.kind = RUN_TRIAL_END, .slot = s, .trial = &t->t});
    vacate(s);
    tidy(r, &t->t, best);
    return 0;
}

static int worker_gone(struct run *r, struct worker_proc *w, struct hpo_err *err)
{
    char how[128];
    int status = 0, rc = 0;

    close(w->fd);
    w->fd = -1;
    kill(w->pid, SIGKILL); /* it may have closed its end and be stuck */
    waitpid(w->pid, &status, 0);
    message_reader_release(&w->in);
    describe_exit(status, how, sizeof(how));
    for (int i = 0; i < w->device->slots && !rc; i++) {
        struct study_trial *t = held_by(r, &w->slot[i]);
        char reason[256];

        w->slot[i].ready = false;
        if (!t)
            continue;
        if (r->pausing || ++t->idle_deaths < MAX_DEATHS) {
            if (!r->pausing)
                note(r, "the worker on %s %s while training trial %d: it goes on from its checkpoint",
                     w->device->name, how, t->t.number);
            study_release(r->study, t);
            vacate(&w->slot[i]);
        } else {
            snprintf(reason, sizeof(reason), "its worker died %d times, the last time it %s",
                     MAX_DEATHS, how);
            rc = end_trial(r, &w->slot[i], HPO_TRIAL_FAIL, NULL, reason, t->t.seconds, err);
        }
    }
    if (rc || r->pausing || w->given_up)
        return rc;
    if (!w->ready && ++w->early_deaths >= MAX_DEATHS) {
        w->given_up = true;
        note(r, "the worker on %s %s before it was ready, %d times: going on without this device",
             w->device->name, how, MAX_DEATHS);
        return 0;
    }
    return start_worker(r, w, err);
}

static int on_epoch(struct run *r, struct worker_proc *w, struct run_slot *s, const cJSON *m,
                    struct hpo_err *err)
{
    struct tr_epoch e[TR_MAX_FOLDS];
    bool again = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(m, "again")), prune = false;
    int n = message_get_epochs(m, e, TR_MAX_FOLDS), rc;
    struct study_trial *t = held_by(r, s);
    cJSON *answer;

    if (n < 1 || e[0].n_values <= r->study->config->objective)
        return hpo_fail(err, HPO_EFORMAT, "the worker on %s sent a broken report", w->device->name);
    rc = study_report(r->study, t, e, n, &prune, err);
    if (rc)
        return rc;
    s->value = 0;
    for (int i = 0; i < n; i++)
        s->value += e[i].values[r->study->config->objective] / n;
    answer = message_new("answer");
    json_put_number(answer, "slot", (int)(s - w->slot));
    json_put_string(answer, "verdict", prune ? "prune" : r->pausing ? "pause" : "go");
    message_send(w->fd, answer);
    emit(r, (struct run_event){.kind = RUN_EPOCH, .slot = s, .trial = &t->t, .epoch = e,
                               .n_epochs = n, .again = again});
    return 0;
}

static void on_progress(struct run_slot *s, const cJSON *m)
{
    s->progress = (struct tr_progress){
        .fold = message_int(m, "fold", 0),
        .epoch = message_int(m, "epoch", 0),
        .step = message_int(m, "step", 0),
        .steps = message_int(m, "steps", 0),
        .images_per_s = json_get_number(m, "rate"),
        .loss = json_get_number(m, "loss"),
    };
    if (s->first_step == 0)
        s->first_step = clock_monotonic();
}

/* The end of a trial, in one of its four ways. */
static int on_trial_over(struct run *r, struct worker_proc *w, struct run_slot *s, const char *op,
                         const cJSON *m, struct hpo_err *err)
{
    const char *reason = json_get_string(m, "reason");
    double seconds = json_get_number(m, "seconds");
    int rc = message_int(m, "rc", 0);
    struct tr_result result;

    if (!strcmp(op, "done")) {
        if (!message_get_result(m, &result))
            return hpo_fail(err, HPO_EFORMAT, "the worker on %s sent a broken result",
                            w->device->name);
        return end_trial(r, s, HPO_TRIAL_COMPLETE, &result, NULL, result.seconds, err);
    }
    if (!strcmp(op, "pruned"))
        return end_trial(r, s, HPO_TRIAL_PRUNED, NULL, NULL, seconds, err);
    if (!strcmp(op, "failed")) {
        /* Disk full, files gone: not the trial's fault. It stays as it is; the run ends. */
        if (rc == HPO_EIO || rc == HPO_EMISSING)
            return hpo_fail(err, rc, "%s", reason ? reason : hpo_rc_text(rc));
        return end_trial(r, s, HPO_TRIAL_FAIL, NULL, reason ? reason : "no reason was given",
                         isfinite(seconds) ? seconds : 0, err);
    }
    study_release(r->study, held_by(r, s)); /* paused */
    vacate(s);
    return 0;
}

static int handle(struct run *r, struct worker_proc *w, const cJSON *m, struct hpo_err *err)
{
    const char *op = json_get_string(m, "op");
    int index = message_int(m, "slot", -1);
    struct run_slot *s = index >= 0 && index < w->device->slots ? &w->slot[index] : NULL;

    if (!strcmp(op, "ready")) {
        w->ready = true;
        for (int i = 0; i < w->device->slots; i++)
            w->slot[i].ready = true;
        return 0;
    }
    if (!strcmp(op, "broken")) {
        const char *reason = json_get_string(m, "reason");

        w->given_up = true;
        note(r, "%s cannot be used: %s", w->device->name, reason ? reason : "no reason was given");
        return 0;
    }
    if (!s || !s->trial || message_int(m, "trial", -1) != s->trial->number)
        return hpo_fail(err, HPO_EFORMAT, "the worker on %s spoke of a trial it does not have",
                        w->device->name);
    if (!strcmp(op, "progress")) {
        on_progress(s, m);
        return 0;
    }
    if (!strcmp(op, "epoch"))
        return on_epoch(r, w, s, m, err);
    return on_trial_over(r, w, s, op, m, err);
}

static int hand_out(struct run *r, struct hpo_err *err)
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
            rc = study_next(r->study, &t, err);
            if (rc || !t)
                return rc;
            rc = study_start(r->study, t, w->device->name, w->pid, err);
            if (rc)
                return rc;
            vacate(s);
            s->trial = &t->t;
            s->since = clock_monotonic();
            m = message_new("train");
            json_put_number(m, "slot", i);
            json_put_number(m, "trial", t->t.number);
            message_put_values(m, t->t.values, r->study->config->space.n);
            json_put_string(m, "dir", study_trial_dir(r->study->dir, t->t.number, &r->arena));
            message_send(w->fd, m);
            emit(r, (struct run_event){.kind = RUN_TRIAL_START, .slot = s, .trial = s->trial});
        }
    }
    return 0;
}

static void pause_all(struct run *r, enum run_end why)
{
    if (r->pausing)
        return;
    r->pausing = true;
    r->end = why;
    r->pause_deadline = clock_monotonic() + PAUSE_LIMIT_S;
    for (int k = 0; k < r->n_workers; k++)
        if (r->worker[k].fd >= 0)
            message_send(r->worker[k].fd, message_new("pause"));
    emit(r, (struct run_event){.kind = RUN_PAUSING});
}

static void on_signal(struct run *r)
{
    struct signalfd_siginfo info;

    if (read(r->o->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (r->pausing && r->end == RUN_INTERRUPTED)
        r->at_once = true;
    r->signal = (int)info.ssi_signo;
    pause_all(r, RUN_INTERRUPTED);
    r->end = RUN_INTERRUPTED;
}

static int serve_worker(struct run *r, struct worker_proc *w, struct hpo_err *err)
{
    int got = message_fill(&w->in, w->fd), rc = 0;
    bool bad = false;
    cJSON *m;

    while (!rc && (m = message_next(&w->in, &bad))) {
        rc = handle(r, w, m, err);
        cJSON_Delete(m);
    }
    if (!rc && bad)
        rc = hpo_fail(err, HPO_EFORMAT, "the worker on %s sent what is no message", w->device->name);
    if (!rc && got <= 0)
        rc = worker_gone(r, w, err);
    return rc;
}

static int wait_and_serve(struct run *r, double timeout_s, struct hpo_err *err)
{
    struct pollfd fds[1 + 256];
    int which[1 + 256], n = 0, rc = 0;

    fds[n++] = (struct pollfd){.fd = r->o->signal_fd, .events = POLLIN};
    for (int k = 0; k < r->n_workers && n < (int)HPO_LEN(fds); k++) {
        if (r->worker[k].fd < 0)
            continue;
        which[n] = k;
        fds[n++] = (struct pollfd){.fd = r->worker[k].fd, .events = POLLIN};
    }
    if (poll(fds, (nfds_t)n, timeout_s > 0 ? (int)(timeout_s * 1000) + 1 : 0) < 0 && errno != EINTR)
        return hpo_fail(err, HPO_EIO, "waiting for the workers: %s", strerror(errno));
    if (fds[0].revents & POLLIN)
        on_signal(r);
    for (int i = 1; i < n && !rc; i++)
        if (fds[i].revents)
            rc = serve_worker(r, &r->worker[which[i]], err);
    return rc;
}

static bool anyone_left(const struct run *r)
{
    for (int k = 0; k < r->n_workers; k++)
        if (!r->worker[k].given_up)
            return true;
    return false;
}

static enum run_end why_over(const struct run *r)
{
    const struct study *s = r->study;
    int limit = s->config->study.max_failures;

    if (limit && s->failures_in_a_row >= limit)
        return RUN_FAILURES;
    return s->exhausted && study_finished(s) < s->config->study.trials ? RUN_EXHAUSTED : RUN_DONE;
}

static int loop(struct run *r, struct hpo_err *err)
{
    double timeout = r->study->config->study.timeout, last_tick = 0;

    for (;;) {
        double now = clock_monotonic(), wait = TICK_S;
        int rc = 0;

        if (!r->pausing) {
            rc = hand_out(r, err);
            if (rc)
                return rc;
            if (study_over(r->study)) {
                r->end = why_over(r);
                return 0;
            }
            if (!anyone_left(r))
                return hpo_fail(err, HPO_EDEVICE, "no device is left to train on");
            if (isfinite(timeout) && now - r->view.started >= timeout)
                pause_all(r, RUN_TIMEOUT);
        }
        if (r->pausing && (r->at_once || study_running(r->study) == 0 || now >= r->pause_deadline))
            return 0;
        rc = wait_and_serve(r, wait, err);
        if (rc)
            return rc;
        now = clock_monotonic();
        if (now - last_tick >= TICK_S) {
            last_tick = now;
            emit(r, (struct run_event){.kind = RUN_TICK});
        }
    }
}

/* Workers leave when their socket closes; those that do not are killed. Their checkpoints are whole
 * at any moment. */
static void stop_workers(struct run *r)
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

static void lay_out_slots(struct run *r)
{
    int n = 0;

    r->n_workers = r->o->n_devices;
    r->worker = ARENA_ARRAY(&r->arena, struct worker_proc, r->n_workers);
    for (int k = 0; k < r->n_workers; k++)
        n += r->o->device[k].slots;
    r->slot = ARENA_ARRAY(&r->arena, struct run_slot, n);
    r->view = (struct run_view){r->study, r->slot, n, clock_monotonic(), study_finished(r->study)};
    n = 0;
    for (int k = 0; k < r->n_workers; k++) {
        struct worker_proc *w = &r->worker[k];

        *w = (struct worker_proc){.device = &r->o->device[k], .fd = -1, .slot = &r->slot[n]};
        for (int i = 0; i < w->device->slots; i++, n++) {
            vacate(&r->slot[n]);
            r->slot[n].device = w->device->name;
        }
    }
}

int run_study(const struct run_options *o, enum run_end *ret, int *ret_signal, struct hpo_err *err)
{
    struct run r = {.o = o, .study = o->study};
    int rc = 0;

    if (o->n_devices > 256)
        return hpo_fail(err, HPO_ECONFIG, "at most 256 devices can be used at once");
    lay_out_slots(&r);
    for (int i = 0; i < r.study->n; i++)
        tidy_trial(&r, &r.study->trial[i]->t);
    emit(&r, (struct run_event){.kind = RUN_START});
    if (!study_over(r.study)) {
        for (int k = 0; k < r.n_workers && !rc; k++)
            rc = start_worker(&r, &r.worker[k], err);
    } else {
        r.end = why_over(&r);
    }
    if (!rc)
        rc = loop(&r, err);
    stop_workers(&r);
    for (int i = 0; i < r.study->n; i++)
        study_release(r.study, r.study->trial[i]);
    if (!rc)
        rc = study_mark(r.study, r.end == RUN_INTERRUPTED || r.end == RUN_TIMEOUT, err);
    if (!rc) {
        *ret = r.end;
        *ret_signal = r.signal;
        emit(&r, (struct run_event){.kind = RUN_END});
    }
    arena_release(&r.arena);
    return rc;
}
