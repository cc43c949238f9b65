/* tests/kernels/cuda/ops_run_rest.h - one function of ops.h on a device, in all the ways in which
 * its result must be the same: twice, and each model alone. Only CUDA's runtime is known here, so
 * the tests run on a GPU and, linked with the emulator, without one. */
#ifndef HPO_TESTS_KERNELS_CUDA_OPS_RUN_REST_H
#define HPO_TESTS_KERNELS_CUDA_OPS_RUN_REST_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cuda_runtime_api.h>

#include "base/arena.h"
#include "base/rng.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/ops.h"
#include "tests/kernels/cuda/ops_ref_rest.h"

#define MODELS 3   /* at most; of several, model 1 sits out */
#define SITS_OUT 1 /* of several */
#define MARK 7.5f  /* what outputs are filled with */

/* An array that the function writes, or adds to. */
struct io {
    char *dev;
    char *init;
    size_t bytes; /* of a model */
};

struct run {
    struct cu_array a; /* all models */
    struct cu_shape in, out;
    const char *src[3];
    size_t src_bytes[3]; /* of a model; 0: one for all models */
    struct io io[8];
    int n_io;
    int kernel, stride, pad, layer, samples;
    bool add, clip;
    enum kn_optim_kind kind;
    struct cu_step step[MODELS];
    struct cu_hyper hyper[MODELS];
    int (*launch)(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err);
    void *mine[24]; /* what run_release frees */
    int n_mine;
};

/* The kernels' only wish of the rest of the backend. */
int cu_check(cudaError_t e, const char *what, struct hpo_err *err)
{
    return e ? hpo_fail(err, HPO_EDEVICE, "%s: %s", what, cudaGetErrorString(e)) : HPO_OK;
}

static inline void must(cudaError_t e)
{
    if (e)
        fail_msg("%s", cudaGetErrorString(e));
}

static inline size_t size_of(enum cu_type t)
{
    return t == CU_F32 ? 4 : 2;
}

static inline int unit_of(enum cu_type t)
{
    return t == CU_F32 ? 4 : 8;
}

static inline struct cu_shape shape(enum cu_type t, int h, int w, int c)
{
    return (struct cu_shape){h, w, c, (c + unit_of(t) - 1) / unit_of(t) * unit_of(t)};
}

/* Elements of a model's tensor. */
static inline size_t count_of(const struct run *r, const struct cu_shape *s)
{
    return (size_t)r->a.rows * s->h * s->w * s->stored;
}

static inline void *device(struct run *r, const void *from, size_t bytes)
{
    void *p = NULL;

    must(cudaMalloc(&p, bytes));
    must(cudaMemcpy(p, from, bytes, cudaMemcpyHostToDevice));
    r->mine[r->n_mine++] = p;
    return p;
}

/* n floats as they are stored; xmalloc'd. */
static inline char *stored(enum cu_type t, const float *from, size_t n)
{
    char *p = xmalloc(n * size_of(t) + 1);

    for (size_t i = 0; i < n; i++)
        ref_put(t, p, i, from[i]);
    return p;
}

/* Input k: n floats of each model, or bytes. */
static inline void source(struct run *r, int k, enum cu_type t, const float *from, size_t n)
{
    char *p = stored(t, from, n * (size_t)r->a.models);

    r->src[k] = device(r, p, n * (size_t)r->a.models * size_of(t));
    r->src_bytes[k] = n * size_of(t);
    free(p);
}

static inline void source_bytes(struct run *r, int k, const void *from, size_t bytes, bool shared)
{
    r->src[k] = device(r, from, bytes * (size_t)(shared ? 1 : r->a.models));
    r->src_bytes[k] = shared ? 0 : bytes;
}

/* The next of what is written; `from` is taken over. */
static inline void written_bytes(struct run *r, char *from, size_t bytes)
{
    struct io *io = &r->io[r->n_io++];

    io->init = from;
    io->bytes = bytes;
    io->dev = device(r, from, bytes * (size_t)r->a.models);
}

static inline void written(struct run *r, enum cu_type t, const float *from, size_t n)
{
    written_bytes(r, stored(t, from, n * (size_t)r->a.models), n * size_of(t));
}

static inline void marked(struct run *r, enum cu_type t, size_t n)
{
    float *p = xmalloc(n * (size_t)r->a.models * sizeof(*p) + 1);

    for (size_t i = 0; i < n * (size_t)r->a.models; i++)
        p[i] = MARK;
    written(r, t, p, n);
    free(p);
}

/* Numbers in (-1, 1) as type t has them, padding channels 0. coarse: few different ones. */
static inline float *noise(const struct run *r, const struct cu_shape *s, uint64_t seed,
                           bool coarse)
{
    struct hpo_rng rng = hpo_rng_for(seed, 0, 0, "ops", 0);
    size_t n = count_of(r, s) * (size_t)r->a.models;
    float *p = xcalloc(n, sizeof(*p));

    for (size_t i = 0; i < n; i++) {
        double v = 2 * hpo_rng_uniform(&rng) - 1;

        if ((int)(i % (size_t)s->stored) < s->c)
            p[i] = ref_round(r->a.type, (float)(coarse ? floor(v * 3) / 4 : v));
    }
    return p;
}

static inline struct run run_begin(enum cu_type type, int models, int rows)
{
    struct run r = {.a = {.models = models, .rows = rows, .type = type}};

    for (int m = 0; m < models; m++) {
        struct cu_hyper *h = &r.hyper[m];

        r.step[m] = (struct cu_step){
            .n = models > 1 && m == SITS_OUT ? 0 : rows, .epoch = 3 + (uint32_t)m, .step = 11};
        *h = (struct cu_hyper){.seed = 0x1234567890abcdefull + (uint64_t)m, .fold = m + 1};
        for (int c = 0; c < 3; c++) {
            h->mean[c] = 0.1f * (float)c + 0.03f * (float)m + 0.4f;
            h->std[c] = 0.2f + 0.01f * (float)(c + m);
        }
    }
    must(cudaStreamCreateWithFlags(&r.a.stream, cudaStreamNonBlocking));
    return r;
}

/* Steps and hyperparameters as they are now. */
static inline void run_send(struct run *r)
{
    r->a.step = device(r, r->step, sizeof(r->step));
    r->a.hyper = device(r, r->hyper, sizeof(r->hyper));
}

static inline bool sits_out(const struct run *r, int model)
{
    return r->a.step && r->step[model].n == 0;
}

static inline const void *src(const struct run *r, int k, int first)
{
    return r->src[k] + r->src_bytes[k] * (size_t)first;
}

static inline void *io(const struct run *r, int k, int first)
{
    return r->io[k].dev + r->io[k].bytes * (size_t)first;
}

/* `models` of them from `first` on, from what was written at first. */
static inline void run_models(const struct run *r, int first, int models)
{
    struct cu_array a = r->a;
    struct hpo_err err = {0};

    for (int k = 0; k < r->n_io; k++)
        must(cudaMemcpy(r->io[k].dev, r->io[k].init, r->io[k].bytes * (size_t)r->a.models,
                        cudaMemcpyHostToDevice));
    a.models = models;
    a.step = a.step ? a.step + first : NULL;
    a.hyper = a.hyper ? a.hyper + first : NULL;
    a.count = a.count ? a.count + first : NULL;
    if (r->launch(r, &a, first, &err))
        fail_msg("%s", err.msg);
    must(cudaStreamSynchronize(r->a.stream));
}

static inline char *result(const struct run *r, int k)
{
    size_t bytes = r->io[k].bytes * (size_t)r->a.models;
    char *p = xmalloc(bytes + 1);

    must(cudaMemcpy(p, r->io[k].dev, bytes, cudaMemcpyDeviceToHost));
    return p;
}

/* All models; again; each of them alone. ret[n_io]: the results, xmalloc'd. */
static inline void run_all(const struct run *r, char **ret)
{
    char *again;

    run_models(r, 0, r->a.models);
    for (int k = 0; k < r->n_io; k++)
        ret[k] = result(r, k);
    for (int m = -1; m < r->a.models; m++) {
        if (m >= 0)
            run_models(r, m, 1);
        else
            run_models(r, 0, r->a.models);
        for (int k = 0; k < r->n_io; k++) {
            size_t at = r->io[k].bytes * (size_t)(m < 0 ? 0 : m);
            size_t bytes = r->io[k].bytes * (size_t)(m < 0 ? r->a.models : 1);

            again = result(r, k);
            if (memcmp(again + at, ret[k] + at, bytes))
                fail_msg("array %d: other bits %s", k, m < 0 ? "the second time" : "alone");
            free(again);
        }
    }
    for (int m = 0; m < r->a.models; m++)
        for (int k = 0; k < r->n_io && sits_out(r, m); k++)
            if (memcmp(ret[k] + r->io[k].bytes * (size_t)m,
                       r->io[k].init + r->io[k].bytes * (size_t)m, r->io[k].bytes))
                fail_msg("array %d: model %d was to sit out", k, m);
}

/* got: as stored; want: floats. tol: of fp32 arithmetic, after which the nearest number of 16 bits
 * may be the next one; 0: the same numbers (NaN is NaN). */
static inline void same(const struct run *r, int k, enum cu_type t, const char *got,
                        const float *want, double tol)
{
    static const double step[] = {[CU_F32] = 0, [CU_BF16] = 0x1p-7, [CU_F16] = 0x1p-10};
    size_t n = r->io[k].bytes / size_of(t);

    for (size_t i = 0; i < n * (size_t)r->a.models; i++) {
        double g = (double)ref_get(t, got, i), w = (double)ref_round(t, want[i]);
        double off = tol > 0 ? (tol + step[t]) * fabs(w) + tol : 0;

        if (sits_out(r, (int)(i / n)) || (isnan(g) && isnan(w)) || g == w || fabs(g - w) <= off)
            continue;
        fail_msg("type %d, array %d, model %zu of %d, element %zu: %g, not %g", (int)t, k, i / n,
                 r->a.models, i % n, g, w);
    }
}

static inline void run_release(struct run *r)
{
    for (int i = 0; i < r->n_mine; i++)
        must(cudaFree(r->mine[i]));
    for (int k = 0; k < r->n_io; k++)
        free(r->io[k].init);
    must(cudaStreamDestroy(r->a.stream));
}

/* Run, compare the first array that is written, and free all of it. */
static inline void run_check(struct run *r, enum cu_type t, const float *want, double tol)
{
    char *got[HPO_LEN(r->io)] = {0};

    run_all(r, got);
    same(r, 0, t, got[0], want, tol);
    for (int k = 0; k < r->n_io; k++)
        free(got[k]);
    run_release(r);
}

/* Of the group: without a GPU all is skipped. */
static inline int run_setup(void **state)
{
    int n = 0;

    if (cudaGetDeviceCount(&n) == cudaSuccess && n > 0)
        return 0;
    print_message("no GPU\n");
    exit(77);
}

#endif
