/* Training a network with cross validation: what a trial is when the study file says nothing else.
 *
 * Steps. Fold-first: a report's step is fold * max_epochs + epoch, its value the fold's metric.
 * Epoch-first: the step is the epoch, the value the mean over folds. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/objective.h"
#include "trainer/metric.h"
#include "trainer/oof_images.h"

/* A data set and its folds; more than one only when image_size is searched, or rungs have their
 * own.
 */
struct data {
    struct data *next;
    int image_size, limit;
    bool listed; /* the list of its images lies beside the predictions */
    struct tr_dataset set;
    struct tr_folds folds;
};

struct training {
    const struct kn_backend_ops *backend;
    pthread_mutex_t lock;      /* of the list */
    pthread_mutex_t data_lock; /* held while images are decoded: one at a time, others go on */
    pthread_mutex_t list_lock; /* held while a list of images is written */
    struct data *data;
    struct tr_room *room; /* of the slots' sessions */
};

struct training_slot {
    struct tr_session *session;
};

static bool epoch_first(const struct study_config *c)
{
    return c->folds.order == TR_EPOCH_FIRST;
}

static void steps(const struct study_config *c, int *ret_folds, int *ret_fold_steps)
{
    *ret_folds = epoch_first(c) ? 1 : study_config_trainings(c);
    *ret_fold_steps = c->max_epochs;
}

/* ---------------------------------------------------------------- data */

/* Decoding can take minutes: it is given up when the run ends. */
static bool on_decode(void *arg, int64_t done, int64_t total)
{
    const struct objective *o = arg;

    (void)done;
    (void)total;
    return !o->stopping(o->arg);
}

static struct data *find_data(struct training *t, int image_size, int limit)
{
    struct data *d;

    pthread_mutex_lock(&t->lock);
    for (d = t->data; d && (d->image_size != image_size || d->limit != limit); d = d->next)
        ;
    pthread_mutex_unlock(&t->lock);
    return d;
}

static int open_data(struct objective *o, const struct study_config *c, int image_size,
                     struct hpo_err *err)
{
    struct training *t = o->state;
    struct tr_data_spec spec = {
        .path = c->data.path,
        .cache = c->data.cache,
        .image_size = image_size,
        .limit = c->data.limit,
        .seed = (uint64_t)c->study.seed,
        .resize = (enum tr_resize)c->data.resize,
        .on_error = (enum tr_on_error)c->data.on_error,
    };
    struct data *d = xcalloc(1, sizeof(*d));
    int rc = tr_dataset_open(&d->set, &spec, on_decode, o, err);

    d->image_size = image_size;
    d->limit = c->data.limit;
    if (!rc)
        rc = study_config_make_folds(c, &d->set, &d->folds, err);
    if (rc) {
        tr_dataset_close(&d->set);
        free(d);
        return rc;
    }
    pthread_mutex_lock(&t->lock);
    d->next = t->data;
    t->data = d;
    pthread_mutex_unlock(&t->lock);
    return 0;
}

/* The data set of this image size on a rung, opened at its first use and kept. HPO_ESTOPPED:
 * paused.
 */
static int get_data(struct objective *o, const struct study_config *c, int image_size,
                    struct data **ret, struct hpo_err *err)
{
    struct training *t = o->state;
    struct data *d = find_data(t, image_size, c->data.limit);
    int rc = 0;

    if (!d) {
        pthread_mutex_lock(&t->data_lock);
        if (!find_data(t, image_size, c->data.limit)) /* while we waited */
            rc = open_data(o, c, image_size, err);
        pthread_mutex_unlock(&t->data_lock);
        d = find_data(t, image_size, c->data.limit);
    }
    if (!rc)
        *ret = d;
    return rc;
}

/* ---------------------------------------------------------------- opening */

static int open_training(struct objective *o, struct hpo_err *err)
{
    const struct study_config *first = study_config_rung(o->config, 0);
    struct training *t = o->state;
    struct data *d;

    pthread_mutex_init(&t->lock, NULL);
    pthread_mutex_init(&t->data_lock, NULL);
    pthread_mutex_init(&t->list_lock, NULL);
    t->room = tr_room_new();
    t->backend = hpo_registry_find((const void *const *)kn_backend_registry, o->site.backend);
    if (!t->backend)
        return hpo_fail(err, HPO_EDEVICE, "there is no backend '%s'", o->site.backend);
    /* The usual data set is there before the first trial is asked for. */
    return get_data(o, first, first->data.image_size, &d, err);
}

static void close_training(struct objective *o)
{
    struct training *t = o->state;

    while (t->data) {
        struct data *d = t->data;

        t->data = d->next;
        tr_folds_release(&d->folds);
        tr_dataset_close(&d->set);
        free(d);
    }
    tr_room_free(t->room);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->data_lock);
    pthread_mutex_destroy(&t->list_lock);
}

static int open_slot(struct objective *o, void *slot, struct hpo_err *err)
{
    const struct training *t = o->state;
    struct training_slot *s = slot;
    int rc = tr_session_open(t->backend, o->site.index, o->site.threads, &s->session, err);

    if (!rc)
        tr_session_join(s->session, t->room);
    return rc;
}

static void close_slot(struct objective *o, void *slot)
{
    struct training_slot *s = slot;

    (void)o;
    tr_session_close(s->session);
    s->session = NULL;
}

/* ---------------------------------------------------------------- a trial */

struct run {
    const struct study_config *config;
    const struct objective_trial *trial;
};

static enum tr_verdict verdict_of(enum objective_verdict v)
{
    return v == OBJECTIVE_GO ? TR_GO : v == OBJECTIVE_PRUNE ? TR_PRUNE : TR_PAUSE;
}

static enum tr_verdict on_report(void *arg, const struct tr_epoch *e, int n, bool again)
{
    struct run *run = arg;
    const struct study_config *c = run->config;
    struct hpo_epoch_report rows[TR_MAX_FOLDS];
    double values[TR_MAX_FOLDS][OBJECTIVE_MAX_METRICS];
    const char *names[OBJECTIVE_MAX_METRICS];
    struct objective_report r = {
        .step = epoch_first(c) ? e[0].epoch : (int64_t)e[0].fold * c->max_epochs + e[0].epoch,
        .rows = rows,
        .again = again,
    };

    for (int i = 0; i < n; i++) {
        int k = 0;

        for (int m = 0; m < e[i].n_values && metric_registry[m]; m++)
            if (!isnan(e[i].values[m])) {
                names[k] = metric_registry[m]->plugin.name;
                values[i][k++] = e[i].values[m];
            }
        names[k] = "train_loss";
        values[i][k++] = e[i].train_loss;
        names[k] = "seconds";
        values[i][k++] = e[i].seconds;
        if (!e[i].over)
            rows[r.n_rows++] =
                (struct hpo_epoch_report){e[i].fold, e[i].epoch, k, names, values[i]};
        r.value += e[i].values[c->metric] / n;
        r.rate += e[i].images_per_s;
    }
    return verdict_of(run->trial->report(run->trial->arg, &r));
}

static enum tr_verdict on_poll(void *arg, const struct tr_progress *p)
{
    const struct run *run = arg;
    struct objective_progress progress;

    if (!p)
        return verdict_of(run->trial->poll(run->trial->arg, NULL));
    progress = (struct objective_progress){
        .fold = p->fold,
        .epoch = p->epoch,
        .step = p->step,
        .steps = p->steps,
        .rate = p->images_per_s,
        .loss = p->loss,
        .folds = p->folds,
        .work = p->work,
        .bytes = p->bytes,
        .bytes_free = p->bytes_free,
    };
    return verdict_of(run->trial->poll(run->trial->arg, &progress));
}

static void on_wait(void *arg, const char *why)
{
    const struct run *run = arg;

    run->trial->waits(run->trial->arg, why);
}

/* Predictions speak of images by their numbers: which these are lies beside them. */
static int list_images(struct objective *o, struct data *d, const char *oof, struct hpo_err *err)
{
    struct training *t = o->state;
    struct arena a = {0};
    int rc = 0;

    pthread_mutex_lock(&t->list_lock);
    if (oof && !d->listed) {
        rc = oof_images_write(arena_printf(&a, "%.*s", (int)(strrchr(oof, '/') - oof), oof),
                              &d->set, err);
        d->listed = !rc;
    }
    pthread_mutex_unlock(&t->list_lock);
    arena_release(&a);
    return rc;
}

static int train(struct objective *o, struct training_slot *s, const struct objective_trial *trial,
                 struct arena *a, struct tr_result *result, bool *pruned, struct hpo_err *err)
{
    const struct study_config *c = study_config_rung(o->config, trial->rung);
    struct run run = {c, trial};
    struct trial_config t;
    struct data *d;
    int rc = study_config_trial(c, trial->values, a, &t, err);

    if (!rc)
        rc = get_data(o, c, t.image_size, &d, err);
    if (!rc)
        rc = list_images(o, d, trial->oof, err);
    if (rc)
        return rc;

    struct tr_job job = {
        .config = &t.trainer,
        .data = &d->set,
        .folds = &d->folds,
        .run = study_config_folds_run(c),
        .order = (enum tr_order)c->folds.order,
        .seed = (uint64_t)c->study.seed,
        .objective = c->metric,
        .last_epoch = c->study.epoch == 1,
        .dir = trial->dir,
        .oof = trial->oof,
        .report = on_report,
        .poll = on_poll,
        .waits = on_wait,
        .arg = &run,
    };
    job.parallel = c->folds.parallel > 0 ? c->folds.parallel : tr_folds_at_once(s->session, &job);
    return tr_train(s->session, &job, result, pruned, err);
}

static int run_trial(struct objective *o, void *slot, const struct objective_trial *t,
                     struct objective_result *ret, struct hpo_err *err)
{
    struct tr_result result = {0};
    struct arena a = {0};
    int rc = train(o, slot, t, &a, &result, &ret->pruned, err);

    arena_release(&a);
    ret->seconds = result.seconds;
    if (rc)
        return rc;
    ret->value = result.value;
    ret->n_folds = result.n_folds;
    for (int i = 0; i < result.n_folds; i++) {
        const struct tr_fold_result *f = &result.fold[i];

        ret->folds[i] = (struct hpo_fold){f->fold, f->value, f->epoch, f->seconds};
    }
    return 0;
}

const struct objective_ops objective_training = {
    .plugin = {.name = "training",
               .help = "train the network of `trainer:` on the folds of `data:`"},
    .trains = true,
    .needs_dir = true,
    .state_size = sizeof(struct training),
    .slot_size = sizeof(struct training_slot),
    .steps = steps,
    .open = open_training,
    .open_slot = open_slot,
    .run = run_trial,
    .close_slot = close_slot,
    .close = close_training,
};
