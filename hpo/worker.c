#include "hpo/worker.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "hpo/config.h"
#include "hpo/message.h"

#define PROGRESS_EVERY_S 0.2

/* A data set and its folds; more than one only when image_size is searched. */
struct data {
    struct data *next;
    int image_size;
    struct tr_dataset set;
    struct tr_folds folds;
};

struct worker;

struct slot {
    struct worker *w;
    int index;
    pthread_t thread;
    struct tr_session *session;
    struct arena arena; /* of the trial at hand */
    int trial;          /* -1: idle */
    double *values;
    char *dir;
    bool quit;
    int verdict; /* the answer to a report: an enum tr_verdict, or -1 while waiting */
    double last_progress;
    pthread_cond_t wake;
};

struct worker {
    int fd;
    pthread_mutex_t lock;      /* of everything below, and of sending; never held for long */
    pthread_mutex_t data_lock; /* held while images are decoded: one at a time, others go on */
    atomic_bool pause;
    struct study_config config;
    const struct kn_backend_ops *backend;
    int device_index, threads;
    struct data *data;
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

static enum tr_verdict on_report(void *arg, const struct tr_epoch *e, int n, bool again)
{
    struct slot *s = arg;
    struct worker *w = s->w;
    cJSON *m = slot_message(s, "epoch");
    int verdict;

    cJSON_AddBoolToObject(m, "again", again);
    message_put_epochs(m, e, n);
    pthread_mutex_lock(&w->lock);
    s->verdict = -1;
    message_send(w->fd, m);
    while (s->verdict < 0 && !atomic_load(&w->pause))
        pthread_cond_wait(&s->wake, &w->lock);
    verdict = s->verdict < 0 ? TR_PAUSE : s->verdict;
    pthread_mutex_unlock(&w->lock);
    return verdict == TR_GO && atomic_load(&w->pause) ? TR_PAUSE : (enum tr_verdict)verdict;
}

static enum tr_verdict on_poll(void *arg, const struct tr_progress *p)
{
    struct slot *s = arg;
    double now;

    if (atomic_load(&s->w->pause))
        return TR_PAUSE;
    now = clock_monotonic();
    if (now - s->last_progress >= PROGRESS_EVERY_S) {
        cJSON *m = slot_message(s, "progress");

        s->last_progress = now;
        json_put_number(m, "fold", p->fold);
        json_put_number(m, "epoch", p->epoch);
        json_put_number(m, "step", p->step);
        json_put_number(m, "steps", p->steps);
        json_put_number(m, "rate", p->images_per_s);
        json_put_number(m, "loss", p->loss);
        send_message(s->w, m);
    }
    return TR_GO;
}

/* Decoding can take minutes: it is given up when the run ends. */
static bool on_decode(void *arg, int64_t done, int64_t total)
{
    struct worker *w = arg;

    (void)done;
    (void)total;
    return !atomic_load(&w->pause);
}

static struct data *find_data(struct worker *w, int image_size)
{
    struct data *d;

    pthread_mutex_lock(&w->lock);
    for (d = w->data; d && d->image_size != image_size; d = d->next)
        ;
    pthread_mutex_unlock(&w->lock);
    return d;
}

static int open_data(struct worker *w, int image_size, struct hpo_err *err)
{
    const struct data_opts *o = &w->config.data;
    struct tr_data_spec spec = {
        .path = o->path,
        .cache = o->cache,
        .image_size = image_size,
        .limit = o->limit,
        .seed = (uint64_t)w->config.study.seed,
        .resize = (enum tr_resize)o->resize,
        .on_error = (enum tr_on_error)o->on_error,
    };
    struct data *d = xcalloc(1, sizeof(*d));
    int rc = tr_dataset_open(&d->set, &spec, on_decode, w, err);

    d->image_size = image_size;
    if (!rc)
        rc = tr_folds_make(&d->folds, d->set.images.labels, d->set.images.n, d->set.images.classes,
                           w->config.folds.k, w->config.folds.stratified,
                           (uint64_t)w->config.study.seed, NULL, err);
    if (rc) {
        tr_dataset_close(&d->set);
        free(d);
        return rc;
    }
    pthread_mutex_lock(&w->lock);
    d->next = w->data;
    w->data = d;
    pthread_mutex_unlock(&w->lock);
    return 0;
}

/* The data set of this image size, opened at its first use and kept. HPO_ESTOPPED: paused. */
static int get_data(struct worker *w, int image_size, struct data **ret, struct hpo_err *err)
{
    struct data *d = find_data(w, image_size);
    int rc = 0;

    if (!d) {
        pthread_mutex_lock(&w->data_lock);
        if (!find_data(w, image_size)) /* while we waited */
            rc = open_data(w, image_size, err);
        pthread_mutex_unlock(&w->data_lock);
        d = find_data(w, image_size);
    }
    if (!rc)
        *ret = d;
    return rc;
}

static int train(struct slot *s, struct tr_result *result, bool *pruned, struct hpo_err *err)
{
    const struct study_config *c = &s->w->config;
    struct trial_config t;
    struct data *d;
    int rc = study_config_trial(c, s->values, &s->arena, &t, err);

    if (!rc)
        rc = get_data(s->w, t.image_size, &d, err);
    if (!rc)
        rc = file_mkdirs(s->dir, err);
    if (!rc && !s->session)
        rc = tr_session_open(s->w->backend, s->w->device_index, s->w->threads, &s->session, err);
    if (rc)
        return rc;

    struct tr_job job = {
        .config = &t.trainer,
        .data = &d->set,
        .folds = &d->folds,
        .run = c->folds.run > 0 ? c->folds.run : c->folds.k,
        .order = (enum tr_order)c->folds.order,
        .seed = (uint64_t)c->study.seed,
        .objective = c->metric,
        .last_epoch = c->study.epoch == 1,
        .dir = s->dir,
        .report = on_report,
        .poll = on_poll,
        .arg = s,
    };
    return tr_train(s->session, &job, result, pruned, err);
}

static void run_trial(struct slot *s)
{
    struct hpo_err err = {0};
    struct tr_result result = {0};
    bool pruned = false;
    int rc = train(s, &result, &pruned, &err);
    cJSON *m;

    if (!rc) {
        m = slot_message(s, "done");
        message_put_result(m, &result);
    } else if (rc == HPO_ESTOPPED) {
        m = slot_message(s, pruned ? "pruned" : "paused");
        json_put_number(m, "seconds", result.seconds);
    } else {
        m = slot_message(s, "failed");
        json_put_number(m, "rc", rc);
        json_put_string(m, "reason", err.rc ? err.msg : hpo_rc_text(rc));
        json_put_number(m, "seconds", result.seconds);
        if (rc == HPO_EDEVICE) {
            /* A device context does not survive a fault: the next trial gets a new session. */
            tr_session_close(s->session);
            s->session = NULL;
        }
    }
    pthread_mutex_lock(&s->w->lock);
    /* The next trial may be handed out as soon as the message is sent: its values go into the arena. */
    arena_release(&s->arena);
    s->trial = -1;
    message_send(s->w->fd, m);
    pthread_mutex_unlock(&s->w->lock);
}

static void *slot_main(void *arg)
{
    struct slot *s = arg;

    for (;;) {
        pthread_mutex_lock(&s->w->lock);
        while (s->trial < 0 && !s->quit)
            pthread_cond_wait(&s->wake, &s->w->lock);
        pthread_mutex_unlock(&s->w->lock);
        if (s->trial < 0)
            break;
        run_trial(s);
    }
    tr_session_close(s->session);
    s->session = NULL;
    return NULL;
}

static int open_study(struct worker *w, const cJSON *m, struct hpo_err *err)
{
    const char *study = json_get_string(m, "study"), *backend = json_get_string(m, "backend");
    struct arena a = {0};
    struct diags diags = {.arena = &a};
    struct data *d;
    int rc;

    if (!study || !backend)
        return hpo_fail(err, HPO_EFORMAT, "the opening message is incomplete");
    w->backend = hpo_registry_find((const void *const *)kn_backend_registry, backend);
    if (!w->backend)
        return hpo_fail(err, HPO_EDEVICE, "there is no backend '%s'", backend);
    w->device_index = message_int(m, "index", 0);
    w->threads = message_int(m, "threads", 1);
    w->n_slots = message_int(m, "slots", 1);
    if (w->n_slots < 1 || w->n_slots > 64)
        return hpo_fail(err, HPO_EFORMAT, "the opening message is wrong");
    rc = study_config_read(&w->config, study, NULL, 0, &diags, err);
    if (rc && diags.n) {
        struct str text = {0};

        diag_print(&diags, &text);
        hpo_fail(err, rc, "%s", str_c(&text));
        str_release(&text);
    }
    arena_release(&a);
    /* The device and the usual data set are opened before the first trial is asked for. */
    if (!rc)
        rc = get_data(w, w->config.data.image_size, &d, err);
    w->slot = xcalloc((size_t)w->n_slots, sizeof(*w->slot));
    for (int i = 0; i < w->n_slots && !rc; i++) {
        struct slot *s = &w->slot[i];

        *s = (struct slot){.w = w, .index = i, .trial = -1};
        pthread_cond_init(&s->wake, NULL);
        rc = tr_session_open(w->backend, w->device_index, w->threads, &s->session, err);
        if (!rc && pthread_create(&s->thread, NULL, slot_main, s))
            rc = hpo_fail(err, HPO_ENOMEM, "a thread could not be started");
    }
    return rc;
}

static void handle(struct worker *w, const cJSON *m)
{
    const char *op = json_get_string(m, "op"), *verdict = json_get_string(m, "verdict");
    int index = message_int(m, "slot", -1);
    struct slot *s = index >= 0 && index < w->n_slots ? &w->slot[index] : NULL;

    pthread_mutex_lock(&w->lock);
    if (!strcmp(op, "train") && s && s->trial < 0) {
        int n = w->config.space.n;

        s->values = ARENA_ARRAY(&s->arena, double, n + 1);
        s->dir = arena_strdup(&s->arena, json_get_string(m, "dir"));
        if (s->dir && message_get_values(m, s->values, n))
            s->trial = message_int(m, "trial", -1);
        s->last_progress = clock_monotonic();
        pthread_cond_signal(&s->wake);
    } else if (!strcmp(op, "answer") && s && verdict) {
        s->verdict = !strcmp(verdict, "go") ? TR_GO : !strcmp(verdict, "prune") ? TR_PRUNE : TR_PAUSE;
        pthread_cond_signal(&s->wake);
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
    while (w->data) {
        struct data *d = w->data;

        w->data = d->next;
        tr_folds_release(&d->folds);
        tr_dataset_close(&d->set);
        free(d);
    }
    free(w->slot);
    study_config_release(&w->config);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->data_lock);
}

int worker_main(int fd, struct hpo_err *err)
{
    struct worker w = {.fd = fd};
    struct message_reader reader = {0};
    bool opened = false, bad = false;
    sigset_t none;
    int rc = 0;

    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* it came with these blocked: hpo/spawn.c */
    pthread_mutex_init(&w.lock, NULL);
    pthread_mutex_init(&w.data_lock, NULL);
    while (!rc && message_fill(&reader, fd) > 0) {
        cJSON *m;

        while (!rc && (m = message_next(&reader, &bad))) {
            if (opened) {
                handle(&w, m);
            } else if (!(rc = open_study(&w, m, err))) {
                opened = true;
                send_message(&w, message_new("ready"));
            } else {
                cJSON *broken = message_new("broken");

                json_put_string(broken, "reason", err->msg);
                send_message(&w, broken);
            }
            cJSON_Delete(m);
        }
        if (bad)
            rc = hpo_fail(err, HPO_EFORMAT, "a message from the controller makes no sense");
    }
    message_reader_release(&reader);
    if (!opened)
        _exit(rc ? 1 : 0); /* some slots may be running: nothing of theirs is worth waiting for */
    quit_slots(&w);
    release(&w);
    return rc;
}
