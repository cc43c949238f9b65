/* The next batch, gathered and augmented by a thread of its own while this one trains. What it
 * makes is what the model would make itself, so using it or not changes no bit. */
#include <errno.h>
#include <string.h>

#include "kernels/cpu/plan.h"

static void fetch(struct cpu_plan *p, int model)
{
    struct cpu_model *m = &p->model[model];
    struct cpu_batch *b = &m->batch[!m->front];

    cpu_gather(p, m,
               &(struct cpu_pick){.index = b->index,
                                  .n = p->base.batch,
                                  .augment = true,
                                  .epoch = b->epoch,
                                  .mix = b->mix},
               b->x);
    b->n = p->base.batch;
}

static void *fetcher_main(void *arg)
{
    struct cpu_plan *p = arg;
    struct cpu_fetcher *f = &p->fetch;

    pthread_mutex_lock(&f->lock);
    for (;;) {
        while (!f->stop && !f->busy)
            pthread_cond_wait(&f->wake, &f->lock);
        if (f->stop)
            break;
        pthread_mutex_unlock(&f->lock);
        for (int i = 0; i < f->n_todo; i++)
            fetch(p, f->todo[i]);
        pthread_mutex_lock(&f->lock);
        f->busy = false;
        pthread_cond_signal(&f->done);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

int cpu_fetch_start(struct cpu_plan *p, struct hpo_err *err)
{
    struct cpu_fetcher *f = &p->fetch;
    int e;

    f->todo = xcalloc((size_t)p->base.models, sizeof(*f->todo));
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->wake, NULL);
    pthread_cond_init(&f->done, NULL);
    e = pthread_create(&f->thread, NULL, fetcher_main, p);
    if (e) {
        pthread_mutex_destroy(&f->lock);
        pthread_cond_destroy(&f->wake);
        pthread_cond_destroy(&f->done);
        return hpo_fail(err, e == EAGAIN ? HPO_ENOMEM : HPO_EDEVICE, "a thread: %s", strerror(e));
    }
    f->started = true;
    return HPO_OK;
}

void cpu_fetch_stop(struct cpu_plan *p)
{
    struct cpu_fetcher *f = &p->fetch;

    if (!f->started)
        return;
    cpu_fetch_wait(p);
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->wake);
    pthread_cond_destroy(&f->done);
    f->started = false;
}

void cpu_fetch_wait(struct cpu_plan *p)
{
    struct cpu_fetcher *f = &p->fetch;

    pthread_mutex_lock(&f->lock);
    while (f->busy)
        pthread_cond_wait(&f->done, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

/* Nothing else may be on its way. The indices are copied: the next train call compares. */
void cpu_fetch_next(struct cpu_plan *p, const struct kn_batch *next)
{
    struct cpu_fetcher *f = &p->fetch;

    f->n_todo = 0;
    for (int i = 0; i < p->base.models; i++) {
        struct cpu_model *m = &p->model[i];
        struct cpu_batch *b = &m->batch[!m->front];

        b->n = 0;
        if (!next || !next[i].n)
            continue;
        memcpy(b->index, next[i].index, sizeof(*b->index) * (size_t)p->base.batch);
        b->epoch = next[i].epoch;
        b->mix = next[i].mix;
        b->version = m->version;
        f->todo[f->n_todo++] = i;
    }
    if (!f->n_todo)
        return;
    pthread_mutex_lock(&f->lock);
    f->busy = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
}
