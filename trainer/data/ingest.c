#include "trainer/data/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "trainer/data/image.h"

#define TICK_NS (100 * 1000 * 1000) /* between two calls of progress */
#define CHUNK 8                     /* samples that a thread takes at once */

struct pool {
    struct ingest *job;
    atomic_llong next, done, unreadable;
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t finished;
    int running;        /* under lock */
    int rc;             /* under lock: the first failure that ends it all */
    struct hpo_err err; /* of rc */
};

struct worker {
    struct pool *pool;
    struct tr_decoder *decoder;
    uint8_t *bytes;
    size_t cap;
};

static bool reserve(struct worker *w, size_t n)
{
    uint8_t *p;

    if (n <= w->cap)
        return true;
    n = n < 64 << 10 ? 64 << 10 : n + n / 2;
    p = malloc(n);
    if (!p)
        return false;
    free(w->bytes);
    w->bytes = p;
    w->cap = n;
    return true;
}

/* 0, or an errno value. It reads what is there now, whatever stat said before. */
static int read_file(struct worker *w, const char *path, int64_t expected, size_t *ret_n)
{
    int fd, error = 0;
    size_t n = 0;

    /* O_NONBLOCK: it could have become a pipe since it was looked at. */
    fd = openat(w->pool->job->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno;
    if (!reserve(w, (size_t)expected + 1))
        error = ENOMEM;
    while (!error && n <= (size_t)expected) {
        ssize_t got = read(fd, w->bytes + n, (size_t)expected + 1 - n);

        if (got < 0 && errno != EINTR)
            error = errno;
        if (got == 0)
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    if (!error && n > (size_t)expected)
        error = ESTALE;
    *ret_n = n;
    return error;
}

static char *reason_of(const char *fmt, const char *what)
{
    size_t n = strlen(fmt) + strlen(what) + 1;
    char *s = xmalloc(n);

    snprintf(s, n, "%s%s", fmt, what);
    return s;
}

static char *reason_unread(const struct file_facts *f)
{
    if (f->error == ENOENT)
        return reason_of("does not exist", "");
    if (f->error)
        return reason_of("cannot be read: ", strerror(f->error));
    if (f->is_folder)
        return reason_of("is a folder", "");
    if (f->size < 0)
        return reason_of("is not a file", "");
    return reason_of("is too large (over 256 MiB)", "");
}

/* In rows of 48 bytes, whose columns are added up side by side: interleaved channels keep the
 * compiler from using vectors, 48 columns of 32 bits do not. */
#define COLUMNS 48
#define ROWS ((size_t)32768) /* 255 * 255 * ROWS fits in 32 bits */

static void sum_channels(const uint8_t *p, size_t pixels, uint64_t ret[3][2])
{
    size_t left = pixels * 3;

    memset(ret, 0, 6 * sizeof(uint64_t));
    while (left >= COLUMNS) {
        uint32_t sum[COLUMNS] = {0}, square[COLUMNS] = {0};
        size_t rows = left / COLUMNS < ROWS ? left / COLUMNS : ROWS;

        left -= rows * COLUMNS;
        for (; rows; rows--, p += COLUMNS) {
            for (size_t i = 0; i < COLUMNS; i++) {
                sum[i] += p[i];
                square[i] += (uint32_t)p[i] * p[i];
            }
        }
        for (size_t i = 0; i < COLUMNS; i++) {
            ret[i % 3][0] += sum[i];
            ret[i % 3][1] += square[i];
        }
    }
    for (size_t i = 0; i < left; i++) { /* what is left starts at a red byte */
        ret[i % 3][0] += p[i];
        ret[i % 3][1] += (uint64_t)p[i] * p[i];
    }
}

/* One sample. Not 0 only for what ends the whole run. */
static int ingest_one(struct worker *w, int64_t i, struct hpo_err *err)
{
    struct ingest *job = w->pool->job;
    const struct file_facts *f = &job->facts[i];
    size_t n = 0, area = (size_t)job->size * (size_t)job->size;
    XXH128_canonical_t hash;
    int error, rc;

    if (f->error || f->size < 0 || (uint64_t)f->size > TR_IMAGE_MAX_BYTES) {
        if (f->error && f->error != ENOENT)
            atomic_fetch_add(&w->pool->unreadable, 1);
        job->reason[i] = reason_unread(f);
        return 0;
    }
    error = read_file(w, job->sample[i].path, f->size, &n);
    if (error == ENOMEM)
        return hpo_fail(err, HPO_ENOMEM, "%s: out of memory (%lld bytes)", job->sample[i].path,
                        (long long)f->size);
    if (error) {
        atomic_fetch_add(&w->pool->unreadable, 1);
        job->reason[i] = error == ESTALE ? reason_of("changed while it was read", "")
                                         : reason_of("cannot be read: ", strerror(error));
        return 0;
    }
    XXH128_canonicalFromHash(&hash, XXH3_128bits(w->bytes, n));
    memcpy(job->hash[i], hash.digest, 16);
    if (!job->pixels)
        return 0;
    rc = tr_image_decode_box(w->decoder, w->bytes, n, &job->sample[i].box, job->size, job->resize,
                             job->pixels + (size_t)i * area * 3, err);
    if (rc == HPO_ENOMEM) {
        hpo_fail_at(err, "%s", job->sample[i].path);
        return rc;
    }
    if (rc)
        job->reason[i] = reason_of(err->msg, "");
    else
        sum_channels(job->pixels + (size_t)i * area * 3, area, job->sums[i]);
    return 0;
}

static void *work(void *arg)
{
    struct pool *pool = arg;
    struct worker w = {.pool = pool, .decoder = tr_decoder_new()};
    struct hpo_err err = {0};
    int rc = w.decoder ? 0 : hpo_fail(&err, HPO_ENOMEM, "out of memory for an image decoder");

    while (!rc && !atomic_load(&pool->stop)) {
        int64_t from = atomic_fetch_add(&pool->next, CHUNK), to = from + CHUNK;

        if (from >= pool->job->n)
            break;
        to = to < pool->job->n ? to : pool->job->n;
        for (int64_t i = from; i < to && !rc && !atomic_load(&pool->stop); i++) {
            rc = ingest_one(&w, i, &err);
            atomic_fetch_add(&pool->done, 1);
        }
    }
    free(w.bytes);
    tr_decoder_free(w.decoder);
    pthread_mutex_lock(&pool->lock);
    if (rc && !pool->rc) {
        pool->rc = rc;
        pool->err = err;
        atomic_store(&pool->stop, true);
    }
    if (--pool->running == 0)
        pthread_cond_signal(&pool->finished);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int ingest_cores(void)
{
    cpu_set_t set;

    if (!sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    return 1;
}

/* The threads run without signals: those are for the one who called. */
static int start(struct pool *pool, pthread_t *thread, int threads)
{
    sigset_t all, before;
    int n = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&pool->lock);
    while (n < threads && !pthread_create(&thread[n], NULL, work, pool))
        n++;
    pool->running = n;
    pthread_mutex_unlock(&pool->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

static void wait_for(struct pool *pool)
{
    struct ingest *job = pool->job;

    pthread_mutex_lock(&pool->lock);
    while (pool->running) {
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TICK_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&pool->finished, &pool->lock, &until);
        if (!pool->running || !job->progress || atomic_load(&pool->stop))
            continue;
        pthread_mutex_unlock(&pool->lock);
        if (!job->progress(job->arg, atomic_load(&pool->done), job->n))
            atomic_store(&pool->stop, true);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

int ingest_run(struct ingest *job, struct hpo_err *err)
{
    struct pool pool = {.job = job};
    int threads = job->threads > 0 ? job->threads : ingest_cores(), n;
    pthread_condattr_t attr;
    pthread_t *thread;

    threads = job->n < (int64_t)threads * CHUNK ? (int)((job->n + CHUNK - 1) / CHUNK) : threads;
    thread = xcalloc((size_t)threads, sizeof(*thread));
    pthread_mutex_init(&pool.lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool.finished, &attr);
    pthread_condattr_destroy(&attr);
    n = start(&pool, thread, threads);
    if (!n && threads)
        pool.rc = hpo_fail(&pool.err, HPO_ENOMEM, "cannot start a thread to decode images");
    wait_for(&pool);
    for (int i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
    pthread_cond_destroy(&pool.finished);
    pthread_mutex_destroy(&pool.lock);
    free(thread);
    job->unreadable = atomic_load(&pool.unreadable);
    if (pool.rc)
        return hpo_fail(err, pool.rc, "%s", pool.err.msg);
    if (atomic_load(&pool.stop) && atomic_load(&pool.done) < job->n)
        return hpo_fail(err, HPO_ESTOPPED, "stopped while decoding images");
    if (job->progress && !job->progress(job->arg, job->n, job->n))
        return hpo_fail(err, HPO_ESTOPPED, "stopped while decoding images");
    return 0;
}
