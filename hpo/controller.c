#include "hpo/controller_impl.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "hpo/spawn.h"

#define TICK_S 0.1
#define PAUSE_LIMIT_S 1.6 /* with what follows, an interrupt ends within two seconds */
#define GOODBYE_LIMIT_S 0.3
#define MAX_DEATHS 3
#define MAX_DEVICES 256
#define STOP_LIMIT_S 10 /* for a trial that was told to stop; then its worker is taken for stuck \
                         */

const char *run_end_name(enum run_end end)
{
    static const char *const names[] = {
        [RUN_DONE] = "done",
        [RUN_EXHAUSTED] = "exhausted",
        [RUN_TIMEOUT] = "timeout",
        [RUN_FAILURES] = "failures",
        [RUN_TARGET] = "target",
        [RUN_PATIENCE] = "patience",
        [RUN_INTERRUPTED] = "interrupted",
    };

    return names[end];
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
    json_put_string(m, "device", w->device->name);
    json_put_string(m, "backend", w->device->kind);
    json_put_number(m, "index", w->device->index);
    json_put_number(m, "threads", w->device->threads);
    json_put_number(m, "slots", w->device->slots);
    message_send(w->fd, m); /* a worker that is gone already shows up in poll */
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
        struct study_trial *t = run_held_by(r, &w->slot[i]);
        char reason[256];

        w->slot[i].ready = false;
        if (!t)
            continue;
        if (w->slot[i].stopped > 0) { /* it was to end anyway, and may be why the worker hung */
            rc = run_end_stopped(r, &w->slot[i], clock_monotonic() - w->slot[i].since, err);
            continue;
        }
        if (r->pausing || ++t->idle_deaths < MAX_DEATHS) {
            if (!r->pausing)
                run_note(
                    r,
                    "the worker on %s %s while training trial %d: it goes on from its checkpoint",
                    w->device->name, how, t->t.number);
            study_release(r->study, t);
            run_vacate(&w->slot[i]);
        } else {
            snprintf(reason, sizeof(reason), "its worker died %d times, the last time it %s",
                     MAX_DEATHS, how);
            rc = run_end_trial(r, &w->slot[i], HPO_TRIAL_FAIL, NULL, reason, t->t.seconds, err);
        }
    }
    if (rc || r->pausing || w->given_up)
        return rc;
    if (!w->ready && ++w->early_deaths >= MAX_DEATHS) {
        w->given_up = true;
        run_note(r,
                 "the worker on %s %s before it was ready, %d times: going on without this device",
                 w->device->name, how, MAX_DEATHS);
        return 0;
    }
    return start_worker(r, w, err);
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

static bool is_idle(const struct worker_proc *w)
{
    for (int i = 0; i < w->device->slots; i++)
        if (w->slot[i].trial)
            return false;
    return true;
}

/* What an earlier attempt reported; only an objective that cannot know asks for it. */
static void put_past(const struct run *r, cJSON *m, const struct hpo_trial *t)
{
    if (objective_of(r->study->config)->wants_past)
        message_put_points(m, t->points, t->n_points, r->study->config->study.direction == 1);
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
            if (holds_suspect(r, w))
                break;
            rc = study_next(r->study, &t, err);
            if (rc || !t)
                return rc;
            if (is_suspect(t) && !is_idle(w))
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
            message_put_values(m, t->t.values, r->study->config->space.n);
            put_past(r, m, &t->t);
            json_put_string(m, "dir", study_trial_dir(r->dir, t->t.number, &r->arena));
            message_send(w->fd, m);
            run_emit(r, (struct run_event){.kind = RUN_TRIAL_START, .slot = s, .trial = s->trial});
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
    run_emit(r, (struct run_event){.kind = RUN_PAUSING});
}

static void on_signal(struct run *r)
{
    struct signalfd_siginfo info;

    if (read(r->o->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    /* A terminal that closes sends SIGHUP, and so does its shell: that is nobody's impatience. */
    if (r->pausing && r->end == RUN_INTERRUPTED && info.ssi_signo != SIGHUP)
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
        rc = run_handle(r, w, m, err);
        cJSON_Delete(m);
    }
    if (!rc && bad)
        rc =
            hpo_fail(err, HPO_EFORMAT, "the worker on %s sent what is no message", w->device->name);
    if (!rc && got <= 0)
        rc = worker_gone(r, w, err);
    return rc;
}

static int wait_and_serve(struct run *r, double timeout_s, struct hpo_err *err)
{
    struct pollfd fds[1 + CONTROL_FDS + MAX_DEVICES];
    int which[1 + CONTROL_FDS + MAX_DEVICES], n = 0, first, rc = 0;

    fds[n++] = (struct pollfd){.fd = r->o->signal_fd, .events = POLLIN};
    n += control_poll(&r->control, fds + n);
    first = n;
    for (int k = 0; k < r->n_workers; k++) {
        if (r->worker[k].fd < 0)
            continue;
        which[n] = k;
        fds[n++] = (struct pollfd){.fd = r->worker[k].fd, .events = POLLIN};
    }
    if (poll(fds, (nfds_t)n, timeout_s > 0 ? (int)(timeout_s * 1000) + 1 : 0) < 0) {
        if (errno == EINTR)
            return 0;
        return hpo_fail(err, HPO_EIO, "waiting for the workers: %s", strerror(errno));
    }
    if (fds[0].revents & POLLIN)
        on_signal(r);
    for (int i = first; i < n && !rc; i++)
        if (fds[i].revents)
            rc = serve_worker(r, &r->worker[which[i]], err);
    if (rc)
        run_settle(r, NULL); /* what was done before it went wrong is kept */
    else
        rc = run_settle(r, err);
    if (!rc)
        control_serve(&r->control, fds + 1, run_answer, r);
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
    switch (study_end(r->study)) {
    case STUDY_FAILURES:
        return RUN_FAILURES;
    case STUDY_EXHAUSTED:
        return RUN_EXHAUSTED;
    case STUDY_TARGET:
        return RUN_TARGET;
    case STUDY_PATIENCE:
        return RUN_PATIENCE;
    case STUDY_DONE:
    case STUDY_GOES_ON:
        break;
    }
    return RUN_DONE;
}

/* Trials that take too long, and all of them when the study has what it was looking for. With a lag
 * they run on: a study that can be repeated does not depend on when they were stopped. */
static void stop_trials(struct run *r, double now)
{
    const struct study_config *c = r->study->config;
    enum study_end end = study_end(r->study);
    bool all = (end == STUDY_TARGET || end == STUDY_PATIENCE) && !c->sampler.lag;

    for (int k = 0; k < r->n_workers; k++) {
        struct worker_proc *w = &r->worker[k];

        for (int i = 0; i < w->device->slots && w->fd >= 0; i++) {
            struct run_slot *s = &w->slot[i];
            bool late = isfinite(c->study.max_seconds) && now - s->since > c->study.max_seconds;

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
            stop_trials(r, now);
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
            run_emit(r, (struct run_event){.kind = RUN_TICK});
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
    r->ended = ARENA_ARRAY(&r->arena, const struct hpo_trial *, n);
    r->ended_slot = ARENA_ARRAY(&r->arena, const struct run_slot *, n);
    r->best = r->study->best;
    r->view = (struct run_view){r->study, r->slot, n, clock_monotonic(), study_finished(r->study)};
    n = 0;
    for (int k = 0; k < r->n_workers; k++) {
        struct worker_proc *w = &r->worker[k];

        *w = (struct worker_proc){.device = &r->o->device[k], .fd = -1, .slot = &r->slot[n]};
        for (int i = 0; i < w->device->slots; i++, n++) {
            run_vacate(&r->slot[n]);
            r->slot[n].device = w->device->name;
        }
    }
}

/* A run that was killed between the end of a trial and the removal of its checkpoint left that. */
static void tidy_leftovers(struct run *r)
{
    DIR *d = opendir(arena_printf(&r->arena, "%s/trials", r->study->dir));
    struct dirent *e;
    int64_t number;

    while (d && (e = readdir(d)))
        if (str_to_int(e->d_name, &number) && number >= 0 && number < r->study->n)
            run_tidy(r, &r->study->trial[number]->t);
    if (d)
        closedir(d);
}

/* How the study goes about it: what a person may want to know before it begins. */
static void say_how(struct run *r)
{
    const struct sampler *s = &r->study->sampler;
    const char *how = s->ops->describe ? s->ops->describe(s) : NULL;
    int lag = r->study->config->sampler.lag;

    if (lag && lag < r->view.n_slots)
        run_note(r, "sampler.lag is %d: of %d trials that could run at once, at most %d do", lag,
                 r->view.n_slots, lag);
    if (how)
        run_note(r, "sampler %s", how);
    if (*r->study->note)
        run_note(r, "%s", r->study->note);
}

int run_study(const struct run_options *o, enum run_end *ret, int *ret_signal, struct hpo_err *err)
{
    struct run r = {.o = o, .study = o->study};
    char *real;
    int rc = 0;

    if (o->n_devices > MAX_DEVICES)
        return hpo_fail(err, HPO_ECONFIG, "at most %d devices can be used at once", MAX_DEVICES);
    real = realpath(o->study->dir, NULL);
    r.dir = arena_strdup(&r.arena, real ? real : o->study->dir);
    free(real);
    lay_out_slots(&r);
    tidy_leftovers(&r);
    control_open(&r.control, o->study->dir);
    run_emit(&r, (struct run_event){.kind = RUN_START});
    say_how(&r);
    if (!study_over(r.study)) {
        for (int k = 0; k < r.n_workers && !rc; k++)
            rc = start_worker(&r, &r.worker[k], err);
    } else {
        r.end = why_over(&r);
    }
    if (!rc)
        rc = loop(&r, err);
    control_close(&r.control);
    stop_workers(&r);
    for (int i = 0; i < r.study->n; i++)
        study_release(r.study, r.study->trial[i]);
    /* The last trial may have ended while everybody was being stopped. */
    if (r.pausing && study_over(r.study))
        r.end = why_over(&r);
    if (!rc)
        rc = study_mark(r.study, r.end == RUN_INTERRUPTED || r.end == RUN_TIMEOUT, err);
    if (!rc) {
        *ret = r.end;
        *ret_signal = r.signal;
        run_emit(&r, (struct run_event){.kind = RUN_END, .text = run_end_name(r.end)});
    }
    arena_release(&r.arena);
    return rc;
}
