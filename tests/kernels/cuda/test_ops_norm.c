/* Batch norm on a device, against plain loops in double. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/kernels/cuda/ops_run_rest.h"
#include "tests/kernels/cuda/ops_ref_norm.h"

#define EACH_RUN(t, models)                         \
    for (enum cu_type t = CU_F32; t <= CU_F16; t++) \
        for (int models = 1; models <= MODELS; models += MODELS - 1)

#define EPS 1e-5f
#define MOMENTUM 0.1f
#define GUARD 512 /* bytes behind the scratch memory */

/* rows are images of h x w. One launch, two, and with many vectors three; whole lines of memory,
 * and what is left of one. */
struct size {
    int rows, h, w, c;
};
static const struct size sizes[] = {
    {2, 1, 1, 3},   {7, 1, 1, 64},  {3, 5, 3, 24},   {1, 3, 1, 8},
    {8, 16, 8, 32}, {41, 5, 5, 32}, {16, 16, 16, 5}, {33, 16, 16, 16},
    {4, 9, 7, 520}, {64, 9, 9, 40}, {5, 41, 43, 72}, {3, 3, 1, 2048},
    {32, 8, 8, 12}, {32, 8, 8, 20}, {32, 8, 8, 9},   {17, 23, 11, 130}};
static const struct size many = {4, 513, 514, 3};

struct form {
    const char *name;
    bool relu, res, eval;               /* forward */
    bool no_dx, dx_add, dres, dres_add; /* backward */
    bool in_place;                      /* dx is dy */
    bool self;                          /* dx is dres */
    double center, spread;
    bool outlier; /* the first row lies far away */
    bool nan;
};
static struct form form;

/* A problem: arrays of all models. */
struct norm {
    size_t count, stored, stride; /* elements of a tensor; floats from model to model of vectors */
    float *x, *y, *dy, *res;
    float *vec;     /* (models, weight | bias | gap) */
    float *running; /* (models, mean | variance | gap) */
    float *saved;
};

/* Misaligned on purpose: a model's parameters need not lie on 16 bytes. */
static size_t stride_of(const struct run *r)
{
    return 2 * (size_t)r->in.stored + 3;
}

static struct ref_norm ref_of(const struct run *r, const struct norm *p, int model)
{
    const float *vec = p->vec + p->stride * (size_t)model;

    return (struct ref_norm){.rows = p->count / p->stored,
                             .stored = p->stored,
                             .eps = EPS,
                             .momentum = MOMENTUM,
                             .relu = form.relu,
                             .weight = vec,
                             .bias = vec + r->in.stored};
}

/* Vectors of a channel each, 0 beyond the channels. */
static float *vectors(const struct run *r, uint64_t seed, double from, double to)
{
    struct hpo_rng rng = hpo_rng_for(seed, 0, 0, "vectors", 0);
    size_t stride = stride_of(r), stored = (size_t)r->in.stored;
    float *p = xcalloc((size_t)r->a.models * stride, sizeof(*p));

    for (size_t i = 0; i < (size_t)r->a.models * stride; i++) {
        double v = from + (to - from) * hpo_rng_uniform(&rng);

        if (i % stride < 2 * stored && (int)(i % stride % stored) < r->in.c)
            p[i] = (float)v;
    }
    return p;
}

static float *values(const struct run *r, uint64_t seed)
{
    float *p = noise(r, &r->in, seed, false);
    size_t n = count_of(r, &r->in), stored = (size_t)r->in.stored;

    for (size_t i = 0; i < n * (size_t)r->a.models && form.spread > 0; i++)
        if ((int)(i % stored) < r->in.c)
            p[i] = ref_round(r->a.type,
                             (float)(form.center + form.spread * (double)p[i] +
                                     (form.outlier && i % n < stored ? 1000 * form.spread : 0)));
    return p;
}

static void problem(struct run *r, struct norm *p, struct cu_shape s)
{
    r->in = s;
    *p = (struct norm){.count = count_of(r, &s), .stored = (size_t)s.stored};
    p->stride = stride_of(r);
    p->x = values(r, 1);
    p->res = noise(r, &s, 2, false);
    p->y = noise(r, &s, 3, false);
    p->dy = noise(r, &s, 4, false);
    p->vec = vectors(r, 5, -1, 1.5);
    p->running = vectors(r, 6, 0.1, 2);
    p->saved = xcalloc(4 * p->stored * (size_t)r->a.models, sizeof(*p->saved));
    if (form.nan) {
        p->x[p->stored] = NAN;
        p->y[p->stored + 1] = NAN;
        p->dy[2 * p->stored + 2] = NAN;
    }
    for (int m = 0; m < r->a.models; m++) {
        struct ref_norm n = ref_of(r, p, m);

        ref_norm_saved(&n, p->x + p->count * (size_t)m, p->saved + 4 * p->stored * (size_t)m);
    }
    run_send(r);
}

static void problem_release(struct norm *p)
{
    free(p->x);
    free(p->res);
    free(p->y);
    free(p->dy);
    free(p->vec);
    free(p->running);
    free(p->saved);
}

/* vec: device, of the first model. */
static struct cu_norm norm_of(const struct run *r, const float *vec, float *running, float *saved,
                              void *partial)
{
    size_t stored = (size_t)r->in.stored;
    float *weight = (float *)(uintptr_t)vec;

    return (struct cu_norm){.s = r->in,
                            .eps = EPS,
                            .momentum = MOMENTUM,
                            .weight = weight,
                            .bias = weight + stored,
                            .running_mean = running,
                            .running_var = running ? running + stored : NULL,
                            .weights_stride = stride_of(r),
                            .buffers_stride = stride_of(r),
                            .saved = saved,
                            .partial = partial,
                            .relu = form.relu};
}

/* Scratch memory holds NaN, and what lies behind it must stay. */
static void *scratch_take(const struct cu_array *a, const struct run *r)
{
    size_t bytes = cu_norm_scratch(a, &r->in) + GUARD;
    void *p;

    must(cudaMalloc(&p, bytes));
    must(cudaMemset(p, 0xff, bytes));
    must(cudaDeviceSynchronize());
    return p;
}

static void scratch_give(const struct cu_array *a, const struct run *r, void *p)
{
    unsigned char guard[GUARD];

    must(cudaStreamSynchronize(a->stream));
    must(cudaMemcpy(guard, (char *)p + cu_norm_scratch(a, &r->in), GUARD, cudaMemcpyDeviceToHost));
    for (int i = 0; i < GUARD; i++)
        assert_int_equal(guard[i], 0xff);
    must(cudaFree(p));
}

/* What begins as 0 beyond the network's channels stays so, without rounding. */
static void padding_is_zero(const struct run *r, enum cu_type t, const char *got, size_t n)
{
    size_t stored = (size_t)r->in.stored;

    for (size_t i = 0; i < n; i++)
        if ((int)(i % stored) >= r->in.c && fabsf(ref_get(t, got, i)) > 0)
            fail_msg("padding channel %zu is %g", i % stored, (double)ref_get(t, got, i));
}

/* Everything with one model in fp32; of the rest a third of the forms of each size, another of the
 * next. */
static bool left_out(enum cu_type t, int models, size_t size, size_t k)
{
    return (t != CU_F32 || models > 1) && (size + k + (size_t)t) % 3;
}

/* ---- forward ---- */

/* src: x, res, vectors; io: y, running, saved. */
static int forward(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    void *partial = form.eval ? NULL : scratch_take(a, r);
    struct cu_norm n =
        norm_of(r, src(r, 2, first), io(r, 1, first), form.eval ? NULL : io(r, 2, first), partial);
    int rc = (form.eval ? cu_norm_eval : cu_norm_train)(
        a, &n, src(r, 0, first), form.res ? src(r, 1, first) : NULL, io(r, 0, first), err);

    if (partial)
        scratch_give(a, r, partial);
    return rc;
}

/* The two parts of a mean are compared as the number that they are. */
static void check_saved(const struct norm *p, const float *got, const float *want)
{
    size_t n = p->stored;
    double spread = form.spread > 0 ? form.spread : 1, far = form.outlier ? 1000 * spread : 0;

    for (size_t c = 0; c < n; c++) {
        double g = (double)got[c] + (double)got[n + c], w = (double)want[c] + (double)want[n + c];

        if (fabs(g - w) > 1e-6 * (spread + far))
            fail_msg("mean of channel %zu is off by %g", c, g - w);
        for (size_t i = 2 * n + c; i < 4 * n; i += n)
            if (fabs((double)got[i] - (double)want[i]) > 1e-5 * fabs((double)want[i]))
                fail_msg("saved %zu: %g, not %g", i, (double)got[i], (double)want[i]);
    }
}

static void check_forward(enum cu_type t, int models, const struct size *size, double tol)
{
    struct run r = run_begin(t, models, size->rows);
    struct norm p;
    char *got[3];
    float *y;

    problem(&r, &p, shape(t, size->h, size->w, size->c));
    if (form.eval)
        r.a.step = NULL;
    r.launch = forward;
    y = xcalloc(p.count * (size_t)models, sizeof(*y));
    source(&r, 0, t, p.x, p.count);
    source(&r, 1, t, p.res, p.count);
    source(&r, 2, CU_F32, p.vec, p.stride);
    marked(&r, t, p.count);
    written(&r, CU_F32, p.running, p.stride);
    marked(&r, CU_F32, 4 * p.stored);
    for (int m = 0; m < models; m++) {
        struct ref_norm n = ref_of(&r, &p, m);
        float *mean = p.running + p.stride * (size_t)m, *var = mean + p.stored;
        size_t at = p.count * (size_t)m;

        ref_norm_apply(&n, p.x + at, form.res ? p.res + at : NULL, form.eval ? mean : NULL,
                       form.eval ? var : NULL, y + at);
        if (!form.eval)
            ref_norm_running(&n, p.x + at, mean, var);
    }
    run_all(&r, got);
    same(&r, 0, t, got[0], y, tol);
    same(&r, 1, CU_F32, got[1], p.running, 1e-5);
    for (int m = 0; m < models && !form.eval && !form.nan; m++)
        if (!sits_out(&r, m))
            check_saved(&p, (const float *)(const void *)got[2] + 4 * p.stored * (size_t)m,
                        p.saved + 4 * p.stored * (size_t)m);
    padding_is_zero(&r, t, got[0], p.count);
    for (int k = 0; k < r.n_io; k++)
        free(got[k]);
    free(y);
    run_release(&r);
    problem_release(&p);
}

static void test_forward(void **state)
{
    static const struct form forms[] = {{.name = "plain"},
                                        {.relu = true},
                                        {.res = true},
                                        {.relu = true, .res = true},
                                        {.eval = true, .relu = true},
                                        {.eval = true, .res = true}};

    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(sizes); i++)
        for (size_t k = 0; k < HPO_LEN(forms); k++) {
            if (left_out(t, models, i, k))
                continue;
            form = forms[k];
            check_forward(t, models, &sizes[i], 1e-5);
        }
}

/* fp32 has few digits left for the spread: sums lose none of them. */
static void test_far_from_zero(void **state)
{
    static const struct form forms[] = {
        {.center = 100, .spread = 0.01},
        {.center = -3e4, .spread = 1, .relu = true},
        {.center = 1, .spread = 1e-2, .outlier = true},
    };

    for (size_t i = 0; i < HPO_LEN(sizes); i++)
        for (size_t k = 0; k < HPO_LEN(forms); k++) {
            form = forms[k];
            check_forward(CU_F32, 1, &sizes[i], form.outlier ? 5e-5 : 1e-5);
        }
}

static void test_nan(void **state)
{
    for (enum cu_type t = CU_F32; t <= CU_F16; t++)
        for (size_t i = 1; i < HPO_LEN(sizes); i++) {
            form = (struct form){.nan = true, .relu = true, .res = i % 2};
            check_forward(t, 1, &sizes[i], 1e-5);
        }
}

/* ---- backward ---- */

/* src: x, y, vectors; io: dx, dres, gradients of the vectors, saved, dy. */
static int backward(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    void *partial = scratch_take(a, r);
    struct cu_norm n = norm_of(r, src(r, 2, first), NULL, io(r, 3, first), partial);
    float *grads = io(r, 2, first);
    void *dx = io(r, 0, first), *dy = form.in_place ? dx : io(r, 4, first);
    void *dres = form.self ? dx : form.dres ? io(r, 1, first) : NULL;
    int rc = cu_norm_backward(a, &n, src(r, 0, first), form.relu ? src(r, 1, first) : NULL, dy,
                              form.no_dx ? NULL : dx, form.dx_add || form.self, dres, form.dres_add,
                              grads, grads + r->in.stored, err);

    scratch_give(a, r, partial);
    return rc;
}

/* What lies in dx and dres at first. */
static double *before(const struct norm *p, int models, bool there, const float *what)
{
    double *d = xcalloc(p->count * (size_t)models, sizeof(*d));

    for (size_t i = 0; i < p->count * (size_t)models && there; i++)
        d[i] = (double)what[i];
    return d;
}

static void check_backward(enum cu_type t, int models, const struct size *size, double tol)
{
    struct run r = run_begin(t, models, size->rows);
    struct norm p;
    float *old, *grads, *want;
    double *dx, *dres;
    char *got[5];
    size_t n;

    problem(&r, &p, shape(t, size->h, size->w, size->c));
    n = p.count * (size_t)models;
    r.launch = backward;
    old = noise(&r, &r.in, 7, false);
    want = xmalloc(n * sizeof(*want));
    grads = xmalloc((size_t)models * p.stride * sizeof(*grads));
    for (size_t i = 0; i < (size_t)models * p.stride; i++)
        grads[i] = MARK; /* the gap keeps it */
    dx = before(&p, models, form.dx_add, old);
    dres = before(&p, models, form.dres_add, form.self ? old : p.res);
    source(&r, 0, t, p.x, p.count);
    source(&r, 1, t, p.y, p.count);
    source(&r, 2, CU_F32, p.vec, p.stride);
    written(&r, t, form.in_place ? p.dy : old, p.count);
    written(&r, t, p.res, p.count);
    marked(&r, CU_F32, p.stride);
    written(&r, CU_F32, p.saved, 4 * p.stored);
    written(&r, t, p.dy, p.count);
    for (int m = 0; m < models; m++) {
        struct ref_norm ref = ref_of(&r, &p, m);
        size_t at = p.count * (size_t)m;
        float *g = grads + p.stride * (size_t)m;

        ref_norm_backward(&ref, p.x + at, p.y + at, p.dy + at, dx + at, dres + at, g, g + p.stored);
    }
    run_all(&r, got);
    for (size_t i = 0; i < n; i++)
        want[i] = form.no_dx ? old[i] : (float)(dx[i] + (form.self ? dres[i] : 0));
    same(&r, 0, t, got[0], want, form.no_dx ? 0 : tol);
    for (size_t i = 0; i < n; i++)
        want[i] = form.dres && !form.self ? (float)dres[i] : p.res[i];
    same(&r, 1, t, got[1], want, form.dres ? 1e-6 : 0);
    same(&r, 2, CU_F32, got[2], grads, tol * (1 + 0.02 * sqrt((double)(p.count / p.stored))));
    same(&r, 3, CU_F32, got[3], p.saved, 0);
    same(&r, 4, t, got[4], p.dy, 0);
    padding_is_zero(&r, t, got[0], p.count);
    padding_is_zero(&r, t, got[1], p.count);
    padding_is_zero(&r, CU_F32, got[2], 2 * p.stored);
    for (int k = 0; k < r.n_io; k++)
        free(got[k]);
    free(old);
    free(want);
    free(grads);
    free(dx);
    free(dres);
    run_release(&r);
    problem_release(&p);
}

static const struct form backs[] = {
    {.name = "plain"},
    {.relu = true, .in_place = true},
    {.relu = true, .dx_add = true, .dres = true},
    {.in_place = true, .dres = true, .dres_add = true},
    {.relu = true, .in_place = true, .dres = true, .dres_add = true},
    {.relu = true, .no_dx = true},
    {.relu = true, .no_dx = true, .dres = true},
    {.relu = true, .self = true, .dres = true},
    {.self = true, .dres = true, .dres_add = true},
};

static void test_backward(void **state)
{
    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(sizes); i++)
        for (size_t k = 0; k < HPO_LEN(backs); k++) {
            if (left_out(t, models, i, k))
                continue;
            form = backs[k];
            check_backward(t, models, &sizes[i], 2e-5);
        }
}

static void test_backward_special(void **state)
{
    for (size_t i = 1; i < HPO_LEN(sizes); i++) {
        form = (struct form){.center = 100, .spread = 0.01, .relu = true, .dres = true};
        check_backward(CU_F32, 1, &sizes[i], 5e-5);
        form = (struct form){.nan = true, .relu = true, .dres = true};
        for (enum cu_type t = CU_F32; t <= CU_F16; t++)
            check_backward(t, 1, &sizes[i], 2e-5);
    }
}

/* More than 16 MiB a model. */
static void test_many_rows(void **state)
{
    form = (struct form){.relu = true, .res = true};
    check_forward(CU_F32, 1, &many, 1e-5);
    form = (struct form){.relu = true, .dres = true, .in_place = true};
    check_backward(CU_F32, 1, &many, 2e-5);
    form = (struct form){.center = 100, .spread = 0.01};
    check_forward(CU_F32, 1, &many, 1e-5);
    form = (struct form){.relu = true};
    check_forward(CU_BF16, 1, &many, 1e-5);
    form = (struct form){.no_dx = true};
    check_backward(CU_BF16, 1, &many, 2e-5);
}

/* Sizes are known before there is a device, and grow with the models alone. */
static void test_scratch(void **state)
{
    for (int c = 4; c <= 2048; c *= 2) {
        struct cu_array a = {.models = 1, .rows = 1024, .type = CU_F32};
        struct cu_shape s = {32, 32, c, c};
        size_t one = cu_norm_scratch(&a, &s);

        assert_in_range(one, 2 * sizeof(float) * (size_t)c, (size_t)64 << 20);
        a.models = 5;
        assert_int_equal(cu_norm_scratch(&a, &s), 5 * one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scratch),  cmocka_unit_test(test_forward),
        cmocka_unit_test(test_backward), cmocka_unit_test(test_backward_special),
        cmocka_unit_test(test_nan),      cmocka_unit_test(test_far_from_zero),
        cmocka_unit_test(test_many_rows)};

    return cmocka_run_group_tests(tests, run_setup, NULL);
}
