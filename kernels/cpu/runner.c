/* The models of an array side by side: the calling thread and threads of the plan's own take one
 * model after the other, each with an OpenMP team of the plan's size. */
#include <errno.h>
#include <omp.h>
#include <string.h>

#include "kernels/cpu/plan.h"

/* Denormals cost a hundred cycles each and carry nothing: they are flushed to zero, in every thread
 * of a team, for as long as it works for us. */
#if defined(__x86_64__)
#define FLUSH_BITS 0x8040u /* flush to zero, denormals are zero */

static unsigned fp_mode(void)
{
    return __builtin_ia32_stmxcsr();
}

static void set_fp_mode(unsigned mode)
{
    __builtin_ia32_ldmxcsr(mode);
}
#elif defined(__aarch64__)
#define FLUSH_BITS (1u << 24)

static unsigned fp_mode(void)
{
    uint64_t mode;

    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return (unsigned)mode;
}

static void set_fp_mode(unsigned mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode));
}
#else
#define FLUSH_BITS 0u

static unsigned fp_mode(void)
{
    return 0;
}

static void set_fp_mode(unsigned mode HPO_UNUSED)
{
}
#endif

struct cpu_team cpu_team_enter(int threads)
{
    struct cpu_team t = {omp_get_max_threads(), fp_mode()};

    omp_set_num_threads(threads);
    set_fp_mode(t.mode | FLUSH_BITS);
#pragma omp parallel num_threads(threads)
    set_fp_mode(fp_mode() | FLUSH_BITS);
    return t;
}

void cpu_team_leave(struct cpu_team t)
{
    set_fp_mode(t.mode);
    omp_set_num_threads(t.threads);
}

void cpu_each_part(const struct cpu_runner *r, int rows, cpu_rows_fn *fn, const void *arg)
{
    int threads = r->p->threads;

#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++)
        fn(r, arg, cpu_part(rows, t, threads), cpu_part(rows, t + 1, threads));
}

static void work(struct cpu_runner *r)
{
    struct cpu_plan *p = r->p;
    struct cpu_pool *pool = &p->pool;

    for (;;) {
        int m = atomic_fetch_add(&pool->next, 1);
        struct hpo_err err = {0};

        if (m >= p->base.models)
            return;
        if (!pool->fn(r, m, pool->arg, &err))
            continue;
        pthread_mutex_lock(&pool->lock);
        if (pool->failed < 0 || m < pool->failed) {
            pool->failed = m;
            pool->err = err;
        }
        pthread_mutex_unlock(&pool->lock);
    }
}

static void *runner_main(void *arg)
{
    struct cpu_runner *r = arg;
    struct cpu_pool *pool = &r->p->pool;
    unsigned long seen = 0;

    cpu_team_enter(r->p->threads);
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stop && pool->round == seen)
            pthread_cond_wait(&pool->wake, &pool->lock);
        if (pool->stop)
            break;
        seen = pool->round;
        pthread_mutex_unlock(&pool->lock);
        work(r);
        pthread_mutex_lock(&pool->lock);
        if (--pool->running == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int cpu_pool_start(struct cpu_plan *p, struct hpo_err *err)
{
    struct cpu_pool *pool = &p->pool;

    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->ready = true;
    for (int i = 1; i < p->n_runners; i++) {
        int e = pthread_create(&p->runner[i].thread, NULL, runner_main, &p->runner[i]);

        if (e)
            return hpo_fail(err, e == EAGAIN ? HPO_ENOMEM : HPO_EDEVICE, "a thread: %s", strerror(e));
        pool->n_started++;
    }
    return HPO_OK;
}

void cpu_pool_stop(struct cpu_plan *p)
{
    struct cpu_pool *pool = &p->pool;

    if (!pool->ready)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i <= pool->n_started; i++)
        pthread_join(p->runner[i].thread, NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->done);
    pool->ready = false;
}

/* The calling thread is runner 0. */
int cpu_pool_run(struct cpu_plan *p, cpu_job_fn *fn, const void *arg, struct hpo_err *err)
{
    struct cpu_pool *pool = &p->pool;
    struct cpu_team team;

    pool->fn = fn;
    pool->arg = arg;
    pool->failed = -1;
    atomic_store(&pool->next, 0);
    if (pool->n_started) {
        pthread_mutex_lock(&pool->lock);
        pool->running = pool->n_started;
        pool->round++;
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
    team = cpu_team_enter(p->threads);
    work(&p->runner[0]);
    cpu_team_leave(team);
    if (pool->n_started) {
        pthread_mutex_lock(&pool->lock);
        while (pool->running)
            pthread_cond_wait(&pool->done, &pool->lock);
        pthread_mutex_unlock(&pool->lock);
    }
    if (pool->failed < 0)
        return HPO_OK;
    return hpo_fail(err, pool->err.rc, "%s", pool->err.msg);
}
