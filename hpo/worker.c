#include "hpo/worker.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "hpo/devices.h"
#include "hpo/worker_impl.h"

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
        if (!rc && pthread_create(&s->thread, NULL, worker_slot_main, s))
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
    if (!study || !backend || !device || w->n_slots < 1 || w->n_slots > LOAD_SLOTS)
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
        .stopping = worker_stopping,
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
    s->oof = arena_strdup(&s->arena, json_get_string(m, "oof"));
    s->rung = message_int(m, "rung", 0);
    s->n_past = message_get_points(m, &s->arena, &s->past);
    atomic_store(&s->stop, false);
    if (s->dir && message_get_values(m, s->values, n))
        s->trial = message_int(m, "trial", -1);
    if (s->trial >= 0)
        load_set(&w->load, s->index, LOAD_BEGINS, clock_monotonic());
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
    const struct objective_site *site = &w->objective.site;
    cJSON *broken, *ready;

    if (!rc) {
        w->opened = true;
        ready = message_new("ready");
        if (w->objective.ops->trains)
            json_put_string(ready, "about", device_says(site->backend, site->index, &w->arena));
        worker_send(w, ready);
        return 0;
    }
    broken = message_new("broken");
    json_put_number(broken, "rc", rc);
    json_put_string(broken, "reason", err->msg);
    worker_send(w, broken);
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
