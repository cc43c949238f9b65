#include "hpo/worker.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "hpo/message.h"
#include "hpo/objective.h"

#define PROGRESS_EVERY_S 0.2

struct worker;

struct slot {
    struct worker *w;
    int index;
    pthread_t thread;
    void *state;        /* the objective's */
    struct arena arena; /* of the trial at hand */
    int trial;          /* -1: idle */
    double *values;
    const struct hpo_point *past;
    int n_past;
    char *dir;
    bool quit;
    atomic_bool stop; /* the trial at hand takes too long */
    int verdict;      /* the answer to a report: an enum objective_verdict, or -1 while waiting */
    double last_progress;
    pthread_cond_t wake;
};

struct worker {
    int fd;
    pthread_mutex_t lock; /* of everything below, and of sending; never held for long */
    atomic_bool pause;
    struct study_config config;
    struct objective objective;
    struct arena arena; /* as long as the worker */
    bool opened;
    struct slot *slot;
    int n_slots;
};

static void send_message(struct worker *w, cJSON *m)
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

static bool stopping(void *arg)
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

static enum objective_verdict on_poll(void *arg, const struct objective_progress *p)
{
    struct slot *s = arg;
    double now;

    if (p && (now = clock_monotonic()) - s->last_progress >= PROGRESS_EVERY_S) {
        cJSON *m = slot_message(s, "progress");

        s->last_progress = now;
        json_put_number(m, "fold", p->fold);
        json_put_number(m, "epoch", p->epoch);
        json_put_number(m, "step", p->step);
        json_put_number(m, "steps", p->steps);
        json_put_number(m, "rate", p->rate);
        json_put_number(m, "loss", p->loss);
        send_message(s->w, m);
    }
    return outranked(s, OBJECTIVE_GO);
}

static void run_trial(struct slot *s)
{
    struct objective *o = &s->w->objective;
    struct objective_result result = {0};
    struct objective_trial t = {
        .number = s->trial,
        .values = s->values,
        .past = s->past,
        .n_past = s->n_past,
        .dir = s->dir,
        .report = on_report,
        .poll = on_poll,
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
    message_send(s->w->fd, m);
    pthread_mutex_unlock(&s->w->lock);
}

static void *slot_main(void *arg)
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

static int open_slots(struct worker *w, struct hpo_err *err)
{
    struct objective *o = &w->objective;
    int rc = 0;

    w->slot = xcalloc((size_t)w->n_slots, sizeof(*w->slot));
    for (int i = 0; i < w->n_slots && !rc; i++) {
        struct slot *s = &w->slot[i];

        *s = (struct slot){.w = w, .index = i, .trial = -1};
        s->state = arena_alloc(&w->arena, o->ops->slot_size ? o->ops->slot_size : 1);
        pthread_cond_init(&s->wake, NULL);
        if (o->ops->open_slot)
            rc = o->ops->open_slot(o, s->state, err);
        if (!rc && pthread_create(&s->thread, NULL, slot_main, s))
            rc = hpo_fail(err, HPO_ENOMEM, "a thread could not be started");
    }
    return rc;
}

static int read_study(struct worker *w, const char *path, struct hpo_err *err)
{
    struct arena a = {0};
    struct diags diags = {.arena = &a};
    int rc = study_config_read(&w->config, path, NULL, 0, &diags, err);

    if (rc && diags.n) {
        struct str text = {0};

        diag_print(&diags, &text);
        hpo_fail(err, rc, "%s", str_c(&text));
        str_release(&text);
    }
    arena_release(&a);
    return rc;
}

static int open_study(struct worker *w, const cJSON *m, struct hpo_err *err)
{
    const char *study = json_get_string(m, "study"), *backend = json_get_string(m, "backend");
    const char *device = json_get_string(m, "device");
    struct objective *o = &w->objective;
    int rc;

    w->n_slots = message_int(m, "slots", 1);
    if (!study || !backend || !device || w->n_slots < 1 || w->n_slots > 64)
        return hpo_fail(err, HPO_EFORMAT, "the opening message is wrong");
    rc = read_study(w, study, err);
    if (rc)
        return rc;
    *o = (struct objective){
        .ops = w->config.objective.ops,
        .config = &w->config,
        .site = {.device = arena_strdup(&w->arena, device),
                 .backend = arena_strdup(&w->arena, backend),
                 .index = message_int(m, "index", 0),
                 .threads = message_int(m, "threads", 1),
                 .slots = w->n_slots},
        .stopping = stopping,
        .arg = w,
    };
    o->state = arena_alloc(&w->arena, o->ops->state_size ? o->ops->state_size : 1);
    /* The device and the usual data set are opened before the first trial is asked for. */
    if (o->ops->open)
        rc = o->ops->open(o, err);
    return rc ? rc : open_slots(w, err);
}

static enum objective_verdict verdict_of(const char *word)
{
    return !strcmp(word, "go")      ? OBJECTIVE_GO
           : !strcmp(word, "prune") ? OBJECTIVE_PRUNE
                                    : OBJECTIVE_PAUSE;
}

static void start_trial(struct worker *w, struct slot *s, const cJSON *m)
{
    int n = w->config.space.n;

    s->values = ARENA_ARRAY(&s->arena, double, n + 1);
    s->dir = arena_strdup(&s->arena, json_get_string(m, "dir"));
    s->n_past = message_get_points(m, &s->arena, &s->past);
    atomic_store(&s->stop, false);
    s->last_progress = clock_monotonic();
    if (s->dir && message_get_values(m, s->values, n))
        s->trial = message_int(m, "trial", -1);
    pthread_cond_signal(&s->wake);
}

static void handle(struct worker *w, const cJSON *m)
{
    const char *op = json_get_string(m, "op"), *verdict = json_get_string(m, "verdict");
    int index = message_int(m, "slot", -1);
    struct slot *s = index >= 0 && index < w->n_slots ? &w->slot[index] : NULL;

    pthread_mutex_lock(&w->lock);
    if (!strcmp(op, "train") && s && s->trial < 0) {
        start_trial(w, s, m);
    } else if (!strcmp(op, "answer") && s && verdict) {
        s->verdict = verdict_of(verdict);
        pthread_cond_signal(&s->wake);
    } else if (!strcmp(op, "stop") && s && s->trial == message_int(m, "trial", -2)) {
        atomic_store(&s->stop, true);
    } else if (!strcmp(op, "pause")) {
        atomic_store(&w->pause, true);
        for (int i = 0; i < w->n_slots; i++)
            pthread_cond_broadcast(&w->slot[i].wake);
    }
    pthread_mutex_unlock(&w->lock);
}

static void quit_slots(struct worker *w)
{
    atomic_store(&w->pause, true);
    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < w->n_slots; i++) {
        w->slot[i].quit = true;
        pthread_cond_broadcast(&w->slot[i].wake);
    }
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->n_slots; i++)
        pthread_join(w->slot[i].thread, NULL);
}

static void release(struct worker *w)
{
    struct objective *o = &w->objective;

    if (o->ops->close)
        o->ops->close(o);
    free(w->slot);
    study_config_release(&w->config);
    arena_release(&w->arena);
    pthread_mutex_destroy(&w->lock);
}

/* The first message opens everything; the answer is `ready`, or `broken` with the reason. */
static int open_worker(struct worker *w, const cJSON *m, struct hpo_err *err)
{
    int rc = open_study(w, m, err);
    cJSON *broken;

    if (!rc) {
        w->opened = true;
        send_message(w, message_new("ready"));
        return 0;
    }
    broken = message_new("broken");
    json_put_number(broken, "rc", rc);
    json_put_string(broken, "reason", err->msg);
    send_message(w, broken);
    return rc;
}

int worker_main(int fd, struct hpo_err *err)
{
    struct worker w = {.fd = fd};
    struct message_reader reader = {0};
    bool bad = false;
    sigset_t none;
    int rc = 0;

    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* it came with these blocked: hpo/spawn.c */
    pthread_mutex_init(&w.lock, NULL);
    while (!rc && message_fill(&reader, fd) > 0) {
        cJSON *m;

        while (!rc && (m = message_next(&reader, &bad))) {
            if (w.opened)
                handle(&w, m);
            else
                rc = open_worker(&w, m, err);
            cJSON_Delete(m);
        }
        if (bad)
            rc = hpo_fail(err, HPO_EFORMAT, "a message from the controller makes no sense");
    }
    message_reader_release(&reader);
    if (!w.opened)
        _exit(rc ? 1 : 0); /* some slots may be running: nothing of theirs is worth waiting for */
    quit_slots(&w);
    release(&w);
    return rc;
}
