/* Losses, optimizers, the loss scale and casts on a device, against kernels/math/. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <float.h>

#include "tests/kernels/cuda/ops_run_rest.h"

#define EACH_RUN(t, models)                         \
    for (enum cu_type t = CU_F32; t <= CU_F16; t++) \
        for (int models = 1; models <= MODELS; models += MODELS - 1)

/* ---- losses ---- */

#define LABELS 17

enum { DLOGITS, ROW_LOSS, LOSS_SUM };

static int loss(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_loss(a, r->in.c, r->in.stored, src(r, 0, first), (const int32_t *)src(r, 1, 0),
                   (const int32_t *)src(r, 2, first),
                   r->kernel ? (const struct cu_scaler *)io(r, 3, first) : NULL,
                   io(r, DLOGITS, first), io(r, ROW_LOSS, first), io(r, LOSS_SUM, first), err);
}

static const struct kn_loss losses[] = {{KN_CROSS_ENTROPY, 0, 0, 0}, {KN_CROSS_ENTROPY, 0.1f, 0, 0},
                                        {KN_FOCAL, 0, 2, 0.25f},     {KN_FOCAL, 0.2f, 1.5f, 1},
                                        {KN_FOCAL, 0, 0, 1},         {KN_FOCAL, 0, 0.5f, 1}};

/* scaled: with a loss scale of 4 to begin with. */
static void check_loss(enum cu_type t, int models, int rows, int classes, size_t kind, bool scaled)
{
    struct run r = run_begin(t, models, rows);
    struct cu_scaler scaler[MODELS];
    double *sum = xcalloc(MODELS, sizeof(*sum)), got;
    int32_t labels[LABELS], *index = xcalloc((size_t)(models * rows), sizeof(*index));
    char *ret[4];
    float *z, *dz, row_loss;
    size_t n, k = (size_t)classes;

    r.in = shape(t, 1, 1, classes);
    r.kernel = scaled;
    r.launch = loss;
    for (int m = 0; m < models; m++) {
        r.hyper[m].loss = losses[(kind + (size_t)m) % HPO_LEN(losses)];
        scaler[m] = (struct cu_scaler){.scale = (float)(4 << m)};
        sum[m] = 0.5 + m;
    }
    run_send(&r);
    n = count_of(&r, &r.in);
    z = noise(&r, &r.in, 12, false);
    for (size_t i = 0; i < n * (size_t)models; i++)
        z[i] *= kind % 2 ? 8 : 128; /* exp(128) is no number of fp32 */
    for (int i = 0; i < LABELS; i++)
        labels[i] = (int32_t)((i * 7 + 1) % classes);
    for (int i = 0; i < models * rows; i++)
        index[i] = (int32_t)((i * 5 + 2) % LABELS);
    dz = xcalloc(n * (size_t)models, sizeof(*dz));
    source(&r, 0, t, z, n);
    source_bytes(&r, 1, labels, sizeof(labels), true);
    source_bytes(&r, 2, index, sizeof(*index) * (size_t)rows, false);
    marked(&r, t, n);
    marked(&r, CU_F32, (size_t)rows);
    written_bytes(&r, (char *)sum, sizeof(*sum));
    if (scaled) {
        char *own = xmalloc(sizeof(scaler));

        memcpy(own, scaler, sizeof(scaler));
        written_bytes(&r, own, sizeof(*scaler));
    }
    run_all(&r, ret);
    for (int m = 0; m < models; m++) {
        double mean = 0;

        if (sits_out(&r, m))
            continue;
        for (int i = 0; i < rows; i++) {
            size_t row = (size_t)(m * rows + i);

            row_loss = kn_loss_row(&r.hyper[m].loss, NULL, z + row * (size_t)r.in.stored, classes,
                                   (struct kn_label){labels[index[row]], 0, 1, 0},
                                   (scaled ? scaler[m].scale : 1.0f) / (float)rows,
                                   dz + row * (size_t)r.in.stored);
            mean += (double)row_loss / rows;
        }
        got = ((double *)ret[LOSS_SUM])[m] - 0.5 - m;
        if (!(fabs(got - mean) <= 2e-6 * (1 + fabs(mean))))
            fail_msg("%d rows, %d classes, loss %zu: %g, not %g", rows, classes, kind, got, mean);
        for (size_t i = 0; i < n; i++) /* padding is exactly 0 */
            if (i % (size_t)r.in.stored >= k)
                assert_true(ref_get(t, ret[DLOGITS], n * (size_t)m + i) == 0);
    }
    same(&r, DLOGITS, t, ret[DLOGITS], dz, 4e-6);
    for (int i = 0; i < r.n_io; i++)
        free(ret[i]);
    run_release(&r);
    free(z);
    free(dz);
    free(index);
}

static void test_loss(void **state)
{
    static const int cases[][2] = {{1, 2},   {7, 3},    {128, 10}, {130, 16}, {512, 10}, {515, 9},
                                   {33, 17}, {64, 100}, {70, 100}, {5, 1000}, {3, 33}};

    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++)
        for (size_t kind = 0; kind < HPO_LEN(losses); kind += 1 + (cases[i][0] > 100))
            check_loss(t, models, cases[i][0], cases[i][1], kind, t == CU_F16);
}

/* A row that is not a number makes the loss one that is none, and no more than its row. */
static void test_nan_loss(void **state)
{
    enum { ROWS = 9, CLASSES = 5 };

    for (int at = 0; at < CLASSES; at++) {
        struct run r = run_begin(CU_F32, 1, ROWS);
        int32_t labels[LABELS] = {0}, index[ROWS] = {0};
        char *ret[3];
        float *z, *dz;

        r.in = shape(CU_F32, 1, 1, CLASSES);
        r.launch = loss;
        r.hyper[0].loss = losses[at % 3];
        run_send(&r);
        z = noise(&r, &r.in, 13, false);
        z[4 * r.in.stored + at] = NAN;
        source(&r, 0, CU_F32, z, count_of(&r, &r.in));
        source_bytes(&r, 1, labels, sizeof(labels), true);
        source_bytes(&r, 2, index, sizeof(index), false);
        marked(&r, CU_F32, count_of(&r, &r.in));
        marked(&r, CU_F32, ROWS);
        written_bytes(&r, xcalloc(1, sizeof(double)), sizeof(double));
        run_all(&r, ret);
        assert_true(isnan(*(double *)ret[LOSS_SUM]));
        dz = (float *)ret[DLOGITS];
        for (int i = 0; i < ROWS * r.in.stored; i++)
            assert_int_equal(isnan(dz[i]) != 0, i / r.in.stored == 4 && i % r.in.stored < CLASSES);
        for (int i = 0; i < 3; i++)
            free(ret[i]);
        free(z);
        run_release(&r);
    }
}

static int logits(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_logits(a, r->in.c, r->in.stored, src(r, 0, first), io(r, 0, first), err);
}

static void test_logits(void **state)
{
    static const int cases[][2] = {{1, 2}, {70, 10}, {33, 1000}};

    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++) {
        struct run r = run_begin(t, models, cases[i][0]);
        size_t k = (size_t)cases[i][1], rows = (size_t)(cases[i][0] * models);
        float *z, *want = xmalloc(sizeof(*want) * k * rows);

        r.in = shape(t, 1, 1, cases[i][1]);
        r.launch = logits;
        z = noise(&r, &r.in, 14, false);
        for (size_t j = 0; j < k * rows; j++)
            want[j] = z[j / k * (size_t)r.in.stored + j % k];
        source(&r, 0, t, z, count_of(&r, &r.in));
        marked(&r, CU_F32, k * (size_t)cases[i][0]);
        run_check(&r, CU_F32, want, 0);
        free(z);
        free(want);
    }
}

/* ---- optimizers ---- */

enum { W, M, V, COPY, SCALER, BAD };

static int optim(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    struct cu_flat f = {.w = io(r, W, first),
                        .g = (float *)(uintptr_t)src(r, 0, first),
                        .slot = {io(r, M, first), io(r, V, first)},
                        .copy = r->a.type == CU_F32 ? NULL : io(r, COPY, first),
                        .n = r->io[W].bytes / sizeof(float),
                        .kind = r->kind};

    if (r->add) { /* with a scaler */
        f.scaler = io(r, SCALER, first);
        f.bad = io(r, BAD, first);
    }
    return cu_optim(a, &f, err);
}

static const struct kn_optim optims[] = {
    {.kind = KN_SGD},
    {.kind = KN_SGD, .weight_decay = 5e-4f, .momentum = 0.9f},
    {.kind = KN_SGD, .weight_decay = 1e-2f, .momentum = 0.8f, .nesterov = 1},
    {.kind = KN_ADAMW, .weight_decay = 1e-2f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f}};

/* What a step does to one model; false: a gradient is not finite. */
static bool step_on_cpu(const struct kn_optim_step *s, enum kn_optim_kind kind, float scale,
                        const float *g, float *w, float *m, float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(g[i]))
            return false;
    for (size_t i = 0; i < n; i++)
        if (kind == KN_ADAMW)
            kn_adamw(s, g[i] / scale, &w[i], &m[i], &v[i]);
        else
            kn_sgd(s, g[i] / scale, &w[i], &m[i]);
    return true;
}

/* Everything that a step writes, of all models, carried from step to step. */
struct training {
    size_t n; /* weights of a model */
    float *w, *slot[2];
    struct cu_scaler scaler[MODELS];
};

/* The next step of every model: run, compare, and go on with what has come out. g: (models, n). */
static void train(struct training *tr, enum cu_type t, int models, size_t kind, uint32_t step,
                  const float *g, bool scaled)
{
    struct run r = run_begin(t, models, 4);
    size_t n = tr->n, all = n * (size_t)models;
    float scale[MODELS];
    char *ret[6];

    r.kind = optims[kind].kind;
    r.add = scaled;
    r.launch = optim;
    for (int m = 0; m < models; m++)
        r.step[m].optim = kn_optim_begin(&optims[kind], 0.1f + 0.01f * (float)m, step);
    run_send(&r);
    source(&r, 0, CU_F32, g, n);
    written(&r, CU_F32, tr->w, n);
    written(&r, CU_F32, tr->slot[0], n);
    written(&r, CU_F32, tr->slot[1], n);
    marked(&r, t, n);
    if (scaled) {
        char *own = xmalloc(sizeof(tr->scaler));

        memcpy(own, tr->scaler, sizeof(tr->scaler));
        written_bytes(&r, own, sizeof(*tr->scaler));
        written_bytes(&r, xcalloc((size_t)(cu_flat_blocks(n) * models), sizeof(int)),
                      (size_t)cu_flat_blocks(n) * sizeof(int));
    }
    run_all(&r, ret);
    for (int m = 0; m < models; m++) {
        size_t at = n * (size_t)m;
        struct cu_scaler *s = &tr->scaler[m];
        bool good;

        if (sits_out(&r, m))
            continue;
        scale[m] = scaled ? s->scale : 1;
        good = step_on_cpu(&r.step[m].optim, r.kind, scale[m], g + at, tr->w + at, tr->slot[0] + at,
                           tr->slot[1] + at, n);
        s->found = !good;
        s->good = good ? s->good + 1 : 0;
        if (!good)
            s->scale = fmaxf(s->scale / 2, FLT_MIN);
        else if (s->good == 2000)
            s->scale = fminf(s->scale * 2, 0x1p126f);
        s->good %= 2000;
        if (scaled)
            assert_memory_equal(s, (struct cu_scaler *)ret[SCALER] + m, sizeof(*s));
        /* The copy is written with the weights, or not at all. */
        for (size_t i = at; i < at + n && t != CU_F32; i++)
            assert_true(ref_get(t, ret[COPY], i) == (good ? ref_round(t, tr->w[i]) : MARK));
    }
    same(&r, W, CU_F32, ret[W], tr->w, 0);
    same(&r, M, CU_F32, ret[M], tr->slot[0], 0);
    same(&r, V, CU_F32, ret[V], tr->slot[1], 0);
    memcpy(tr->w, ret[W], sizeof(float) * all);
    for (int i = 0; i < r.n_io; i++)
        free(ret[i]);
    run_release(&r);
}

static struct training training_begin(size_t n)
{
    struct hpo_rng rng = hpo_rng_for(15, 0, 0, "ops", n);
    struct training tr = {.n = n};

    tr.w = xcalloc(n * MODELS, sizeof(float));
    for (int i = 0; i < 2; i++)
        tr.slot[i] = xcalloc(n * MODELS, sizeof(float));
    for (size_t i = 0; i < n * MODELS; i++)
        tr.w[i] = i % 5 == 4 ? 0 : (float)(2 * hpo_rng_uniform(&rng) - 1);
    for (int m = 0; m < MODELS; m++)
        tr.scaler[m] = (struct cu_scaler){.scale = 65536};
    return tr;
}

/* Gradients, that of padding 0. */
static void gradients(float *g, size_t n, uint32_t step, float scale)
{
    struct hpo_rng rng = hpo_rng_for(16, 0, 0, "ops", step);

    for (size_t i = 0; i < n; i++)
        g[i] = i % 5 == 4 ? 0 : scale * (float)(2 * hpo_rng_uniform(&rng) - 1);
}

static void training_release(struct training *tr)
{
    free(tr->w);
    free(tr->slot[0]);
    free(tr->slot[1]);
}

static void test_optimizers(void **state)
{
    static const size_t sizes[] = {1, 64, 4096, 5003, 12352};

    EACH_RUN(t, models)
    for (size_t kind = 0; kind < HPO_LEN(optims); kind++)
        for (size_t i = 0; i < HPO_LEN(sizes); i++) {
            struct training tr = training_begin(sizes[i]);
            float *g = xcalloc(sizes[i] * MODELS, sizeof(*g));

            for (uint32_t step = 0; step < 4; step++) {
                gradients(g, sizes[i] * MODELS, step, t == CU_F16 ? 65536 : 1);
                train(&tr, t, models, kind, step, g, t == CU_F16);
            }
            for (size_t j = 4; j < sizes[i]; j += 5) /* model 0's padding */
                assert_true(tr.w[j] == 0 && tr.slot[0][j] == 0 && tr.slot[1][j] == 0);
            free(g);
            training_release(&tr);
        }
}

/* Infinities and NaN wherever they are, growth, and the ends of the range. */
static void test_scaler(void **state)
{
    static const size_t sizes[] = {3, 4096, 12345};

    for (size_t i = 0; i < HPO_LEN(sizes); i++) {
        size_t n = sizes[i], places[] = {0, n / 2, n - 1};
        struct training tr = training_begin(n);
        float *g = xcalloc(n * MODELS, sizeof(*g));
        uint32_t step = 0;

        for (size_t j = 0; j < HPO_LEN(places); j++)
            for (int m = 0; m < MODELS; m += 2) {
                gradients(g, n * MODELS, step, 65536);
                g[n * (size_t)m + places[j]] = j == 0 ? NAN : j == 1 ? INFINITY : -INFINITY;
                train(&tr, CU_F16, MODELS, 1 + 2 * (j % 2), step++, g, true);
                assert_true(tr.scaler[m].found && !tr.scaler[2 - m].found);
            }
        assert_true(tr.scaler[0].scale == 8192 && tr.scaler[2].scale == 8192);
        assert_true(tr.scaler[1].scale == 65536); /* sat out */

        tr.scaler[0].good = 1998;
        tr.scaler[2].good = 1999;
        for (int j = 0; j < 3; j++) {
            gradients(g, n * MODELS, step, 8192);
            train(&tr, CU_F16, MODELS, 1, step++, g, true);
        }
        assert_true(tr.scaler[0].scale == 16384 && tr.scaler[0].good == 1);
        assert_true(tr.scaler[2].scale == 16384 && tr.scaler[2].good == 2);

        tr.scaler[0] = (struct cu_scaler){.scale = FLT_MIN};
        tr.scaler[2] = (struct cu_scaler){.scale = 0x1p126f, .good = 1999};
        gradients(g, n * MODELS, step, 1);
        g[n - 1] = NAN;
        train(&tr, CU_F16, MODELS, 0, step++, g, true);
        assert_true(tr.scaler[0].scale == FLT_MIN && tr.scaler[2].scale == 0x1p126f);
        free(g);
        training_release(&tr);
    }
    assert_int_equal(cu_flat_blocks(0), 0);
    assert_true(cu_flat_blocks((size_t)1 << 30) > cu_flat_blocks(64));
}

/* ---- casts ---- */

static int widen(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_widen(a, src(r, 0, first), (size_t)r->in.w, io(r, 0, first), (size_t)r->out.w,
                    (size_t)r->in.c, err);
}

/* One array, knowing nothing of steps. */
static int narrow(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const struct cu_array one = {.models = a->models, .type = a->type, .stream = a->stream};

    return cu_narrow(&one, (const float *)src(r, 0, first), io(r, 0, first), (size_t)r->in.w, err);
}

static void test_casts(void **state)
{
    static const int cases[][3] = {/* count, strides of both */
                                   {1, 1, 1},          {64, 64, 64}, {72, 72, 192},
                                   {4608, 4608, 5120}, {7, 9, 11},   {1001, 1004, 1001},
                                   {8, 9, 12},         {8, 12, 9}};

    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++) {
        size_t count = (size_t)cases[i][0], from = (size_t)cases[i][1], to = (size_t)cases[i][2];
        struct run r = run_begin(t, models, 1);
        float *x, *y = xmalloc(sizeof(*y) * to * (size_t)models);

        r.in = (struct cu_shape){1, cases[i][1], cases[i][0], cases[i][1]};
        r.out = (struct cu_shape){1, cases[i][2], cases[i][0], cases[i][2]};
        r.launch = widen;
        run_send(&r);
        x = noise(&r, &r.in, 17, false);
        for (size_t j = 0; j < to * (size_t)models; j++)
            y[j] = j % to < count ? x[j / to * from + j % to] : MARK;
        source(&r, 0, t, x, from);
        marked(&r, CU_F32, to);
        run_check(&r, CU_F32, y, 0);
        free(y);

        r = run_begin(t, models, 1);
        r.in = (struct cu_shape){1, cases[i][1], cases[i][1], cases[i][1]};
        r.launch = narrow;
        for (size_t j = 0; j < from * (size_t)models; j++)
            x[j] = x[j] * 1.001f + 1e-5f;
        source(&r, 0, CU_F32, x, from);
        marked(&r, t, from);
        run_check(&r, t, x, 0);
        free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),   cmocka_unit_test(test_nan_loss),
        cmocka_unit_test(test_logits), cmocka_unit_test(test_optimizers),
        cmocka_unit_test(test_scaler), cmocka_unit_test(test_casts),
    };

    return cmocka_run_group_tests(tests, run_setup, NULL);
}
