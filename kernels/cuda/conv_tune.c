/* The fastest of a few plans, by measurement. */
#include <cuda_runtime_api.h>
#include "kernels/cuda/conv_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int check(cudaError_t e, const char *what, struct hpo_err *err)
{
    if (e == cudaSuccess)
        return 0;
    return hpo_fail(err, e == cudaErrorMemoryAllocation ? HPO_ENOMEM : HPO_EDEVICE, "%s: %s", what,
                    cudaGetErrorString(e));
}

/* How many are measured. The first of them are the heuristics' favourites whatever they copy, since
 * that is our guess about them against cuDNN's. */
enum { MOST = 8, FAVOURITES = 2 };

struct candidate {
    struct cu_conv c;
    int rank;
    int place; /* in the heuristics' order */
    char *text;
};

struct candidates {
    struct candidate *at;
    int n, cap;
};

/* What is measured with. */
struct bench {
    const struct cu_dnn *d;
    cudaStream_t stream;
    cudaEvent_t begin, end;
    void *const *buffers;
    void *workspace;
};

/* ---- candidates ---- */

static void add(struct candidates *l, struct cu_conv *c, int rank, int place)
{
    struct str text = {0};

    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->at = xrealloc(l->at, (size_t)l->cap * sizeof(*l->at));
    }
    cu_conv_text(c, &text, NULL); /* without one it is not recognised as another one's double */
    l->at[l->n++] = (struct candidate){*c, rank, place, text.s};
}

static void drop(struct candidates *l, int i)
{
    cu_conv_release(&l->at[i].c);
    free(l->at[i].text);
    memmove(&l->at[i], &l->at[i + 1], (size_t)(--l->n - i) * sizeof(*l->at));
}

/* What a mode proposes that fits, at places first, first + step, ... */
static void gather(struct candidates *l, const struct cu_dnn *d, const struct cu_conv_op *op,
                   cudnnBackendHeurMode_t mode, size_t limit, int first, int step)
{
    struct cu_tally tally = {0};
    struct cu_configs configs;
    struct cu_conv c;
    int place = first;

    if (cu_configs_init(&configs, d, op, mode, NULL))
        return;
    for (int i = 0; i < configs.n; i++) {
        if (!cu_conv_take(d, op, &configs.d[i], &tally, &c))
            continue;
        if (c.workspace <= limit)
            add(l, &c, cu_conv_rank(&c, &op->s, limit), place);
        else
            cu_conv_release(&c);
        place += step;
    }
    cu_configs_release(&configs);
}

static int by_place(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return x->place - y->place;
}

static int by_rank(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return x->rank != y->rank ? x->rank - y->rank : x->place - y->place;
}

static bool is_double(const struct candidates *l, int i)
{
    for (int k = 0; k < i; k++)
        if (l->at[i].text && l->at[k].text && l->at[i].c.parts == l->at[k].c.parts &&
            !strcmp(l->at[i].text, l->at[k].text))
            return true;
    return false;
}

/* The few that are worth measuring, likely ones first. */
static void list(struct candidates *l, const struct cu_dnn *d, const struct cu_conv_shape *s,
                 enum cu_pass pass, size_t limit)
{
    struct cu_conv_op all = {*s, pass, 1}, each = {*s, pass, s->models};
    int modes = s->models > 1 ? 3 : 2;

    /* B is slower to ask and knows more; A knows some that B does not. */
    gather(l, d, &all, CUDNN_HEUR_MODE_B, limit, 0, modes);
    gather(l, d, &all, CUDNN_HEUR_MODE_A, limit, 1, modes);
    if (s->models > 1)
        gather(l, d, &each, CUDNN_HEUR_MODE_A, limit, 2, modes);
    if (!l->n)
        gather(l, d, &all, CUDNN_HEUR_MODE_FALLBACK, limit, 0, 1);
    if (!l->n)
        return;
    qsort(l->at, (size_t)l->n, sizeof(*l->at), by_place);
    for (int i = 1; i < l->n;)
        if (is_double(l, i))
            drop(l, i);
        else
            i++;
    if (l->n > FAVOURITES)
        qsort(l->at + FAVOURITES, (size_t)(l->n - FAVOURITES), sizeof(*l->at), by_rank);
    while (l->n > MOST)
        drop(l, l->n - 1);
}

/* ---- measuring ---- */

/* Microseconds of `reps` launches in a row. */
static int measure(const struct bench *b, const struct cu_conv *c, int reps, float *ret,
                   struct hpo_err *err)
{
    float ms = 0;
    int rc = check(cudaEventRecord(b->begin, b->stream), "an event", err);

    for (int i = 0; i < reps && !rc; i++)
        rc = cu_conv_run(b->d, c, b->buffers[0], b->buffers[1], b->buffers[2], b->workspace, err);
    if (!rc)
        rc = check(cudaEventRecord(b->end, b->stream), "an event", err);
    if (!rc)
        rc = check(cudaEventSynchronize(b->end), "measuring a convolution", err);
    if (!rc)
        rc = check(cudaEventElapsedTime(&ms, b->begin, b->end), "an event", err);
    if (!rc)
        *ret = ms * 1000;
    return rc;
}

/* Microseconds of one launch: the median of three runs, each long enough for the clock. best: of
 * those before; one that is far from it is not measured in full. */
static int time_plan(const struct bench *b, const struct cu_conv *c, float best, float *ret,
                     struct hpo_err *err)
{
    float t[3], once;
    int reps;
    int rc = measure(b, c, 1, &once, err); /* loads the kernel, fills the pointers */

    if (!rc)
        rc = measure(b, c, 1, &once, err);
    if (rc)
        return rc;
    if (best > 0 && once > 4 * best + 50) { /* + what one launch takes on an idle stream */
        *ret = once;
        return HPO_OK;
    }
    reps = once > 1000 ? 1 : once > 100 ? (int)(1000 / once) : 10;
    for (int i = 0; i < 3; i++) {
        rc = measure(b, c, reps, &t[i], err);
        if (rc)
            return rc;
    }
    *ret = fmaxf(fminf(t[0], t[1]), fminf(fmaxf(t[0], t[1]), t[2])) / (float)reps;
    return HPO_OK;
}

static int bench_init(struct bench *b, const struct cu_dnn *d, struct hpo_err *err)
{
    cudnnStatus_t st = cudnnGetStream(d->handle, &b->stream);
    int rc = st ? cu_dnn_fail(err, st, "the stream") : HPO_OK;

    b->d = d;
    if (!rc)
        rc = check(cudaEventCreate(&b->begin), "an event", err);
    if (!rc)
        rc = check(cudaEventCreate(&b->end), "an event", err);
    return rc;
}

static void bench_release(struct bench *b)
{
    if (b->begin)
        cudaEventDestroy(b->begin);
    if (b->end)
        cudaEventDestroy(b->end);
}

/* Move the fastest one out of the list; *ret_us its time. One that fails to run is passed over;
 * when all do, that is the failure. */
static int fastest(const struct bench *b, struct candidates *l, struct cu_conv *ret, float *ret_us,
                   struct hpo_err *err)
{
    struct hpo_err last = {0};
    float best = 0, us;
    int at = -1;

    for (int i = 0; i < l->n; i++) {
        if (time_plan(b, &l->at[i].c, best, &us, &last)) {
            cudaGetLastError(); /* an error that does not last is not the next one's */
        } else if (at < 0 || us < best) {
            best = us;
            at = i;
        }
    }
    if (at < 0)
        return hpo_fail(err, last.rc, "%s", last.msg);
    *ret = l->at[at].c;
    *ret_us = best;
    l->at[at].c = (struct cu_conv){0};
    return HPO_OK;
}

int cu_conv_tune(const struct cu_dnn *d, const struct cu_conv_shape *s, enum cu_pass pass,
                 size_t limit, void *const buffers[3], void *workspace, struct cu_conv *ret,
                 struct hpo_err *err)
{
    struct bench b = {.buffers = buffers, .workspace = workspace};
    struct candidates l = {0};
    float us = 0;
    int rc = cu_conv_check(s, pass, err);

    if (rc || !cu_cache_load(d, s, pass, limit, ret))
        return rc;
    if (d->handle)
        list(&l, d, s, pass, limit);
    if (!l.n)
        return cu_conv_choose(d, s, pass, limit, ret, err);
    rc = bench_init(&b, d, err);
    if (!rc)
        rc = fastest(&b, &l, ret, &us, err);
    if (!rc)
        cu_cache_store(d, s, pass, ret, us);
    bench_release(&b);
    while (l.n)
        drop(&l, l.n - 1);
    free(l.at);
    return rc;
}
