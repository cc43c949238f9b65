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
#include <unistd.h>

#include "base/file.h"

#define TICK_S 0.1
#define PAUSE_LIMIT_S 1.6 /* with what follows, an interrupt ends within two seconds */
#define MAX_DEVICES 256

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
        rc = run_worker_gone(r, w, err);
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

static int loop(struct run *r, struct hpo_err *err)
{
    double timeout = r->study->config->study.timeout, last_tick = 0;

    for (;;) {
        double now = clock_monotonic(), wait = TICK_S;
        int rc = 0;

        if (!r->pausing) {
            rc = run_start_due_workers(r, now, err);
            if (!rc)
                rc = run_hand_out(r, err);
            if (rc)
                return rc;
            if (study_over(r->study)) {
                r->end = why_over(r);
                return 0;
            }
            if (!anyone_left(r))
                return hpo_fail(err, HPO_EDEVICE, "no device is left to train on");
            run_stop_trials(r, now);
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

        *w = (struct worker_proc){
            .device = &r->o->device[k], .fd = -1, .slot = &r->slot[n], .fault_trial = -1};
        packing_init(&w->packing, w->device->slots);
        for (int i = 0; i < w->device->slots; i++, n++) {
            run_vacate(&r->slot[n]);
            r->slot[n].device = w->device->name;
            r->slot[n].spare = w->device->packed && i;
        }
    }
}

/* What a worker was writing when it was killed: a whole file has a name without this. */
static void tidy_predictions(struct run *r)
{
    DIR *d = opendir(arena_printf(&r->arena, "%s/oof", r->study->dir));
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (strstr(e->d_name, ".tmp-"))
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
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
    const char *no_gpu = devices_missing(r->study->config);
    int lag = r->study->config->sampler.lag;

    if (no_gpu)
        run_note(r, "trials run on the CPU: %s", no_gpu);
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
    tidy_predictions(&r);
    control_open(&r.control, o->study->dir);
    run_emit(&r, (struct run_event){.kind = RUN_START});
    say_how(&r);
    if (!study_over(r.study)) {
        for (int k = 0; k < r.n_workers && !rc; k++)
            rc = run_start_worker(&r, &r.worker[k], err);
    } else {
        r.end = why_over(&r);
    }
    if (!rc)
        rc = loop(&r, err);
    control_close(&r.control);
    run_stop_workers(&r);
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
