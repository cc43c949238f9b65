/* Optimizers, the loss scale, clipping, Muon, sums and averages on a device, against kernels/math/.
 */
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

/* ---- optimizers ---- */

enum { W, M, V, COPY, SQUARES, FACTOR, SCALER };

/* Parts of a model's arrays, each piece another; models have different factors. */
#define PARTS 5

static struct cu_part part_of(int model, int which)
{
    static const struct cu_part parts[PARTS] = {{1, 1, CU_PLAIN},
                                                {0.5f, 1, CU_PLAIN},
                                                {1, 1, CU_MATRIX},
                                                {0.25f, 0, CU_PLAIN},
                                                {1, 1, CU_FROZEN}};

    return parts[(which + 3 * model) % PARTS];
}

static int which(size_t i)
{
    return (int)(i / CU_PIECE * 7 % PARTS);
}

static void send_parts(struct run *r, size_t n)
{
    int32_t *of = xcalloc(n / CU_PIECE + 1, sizeof(*of));
    struct cu_part parts[MODELS * PARTS];

    for (size_t i = 0; i < n; i++)
        of[i / CU_PIECE] = which(i);
    for (int i = 0; i < MODELS * PARTS; i++)
        parts[i] = part_of(i / PARTS, i % PARTS);
    source_bytes(r, 1, of, (n / CU_PIECE + 1) * sizeof(*of), true);
    source_bytes(r, 2, parts, PARTS * sizeof(*parts), false);
    free(of);
}

static struct cu_flat flat_of(const struct run *r, int first)
{
    struct cu_flat f = {.w = io(r, W, first),
                        .g = (float *)(uintptr_t)src(r, 0, first),
                        .slot = {io(r, M, first), io(r, V, first)},
                        .copy = r->a.type == CU_F32 ? NULL : io(r, COPY, first),
                        .n = r->io[W].bytes / sizeof(float),
                        .kind = r->kind,
                        .which = src(r, 1, 0),
                        .part = src(r, 2, first),
                        .parts = PARTS,
                        .clip = r->clip,
                        .squares = io(r, SQUARES, first),
                        .factor = io(r, FACTOR, first)};

    if (r->add) /* with a scaler */
        f.scaler = io(r, SCALER, first);
    return f;
}

static int optim(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const struct cu_flat f = flat_of(r, first);

    return cu_optim(a, &f, err);
}

static const struct kn_optim optims[] = {
    {.kind = KN_SGD},
    {.kind = KN_SGD, .weight_decay = 5e-4f, .momentum = 0.9f},
    {.kind = KN_SGD, .weight_decay = 1e-2f, .momentum = 0.8f, .nesterov = 1, .clip = 3},
    {.kind = KN_ADAMW, .weight_decay = 1e-2f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f},
    {.kind = KN_ADAM,
     .weight_decay = 1e-2f,
     .beta1 = 0.9f,
     .beta2 = 0.99f,
     .eps = 1e-8f,
     .clip = 1e30f},
    {.kind = KN_RMSPROP, .weight_decay = 1e-2f, .momentum = 0.9f, .beta2 = 0.99f, .eps = 1e-8f},
    {.kind = KN_RMSPROP, .beta2 = 0.9f, .eps = 1e-6f},
    {.kind = KN_LION, .weight_decay = 1e-2f, .beta1 = 0.9f, .beta2 = 0.99f, .clip = 1},
    {.kind = KN_MUON, .weight_decay = 1e-2f, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f}};

/* What a step does to one model; false: a gradient is not finite. */
static bool step_on_cpu(const struct kn_optim_step *step, const struct kn_optim *o, int model,
                        bool scaled, float scale, const float *g, float *w, float *m, float *v,
                        size_t n)
{
    double squares = 0;
    float factor = 1;

    for (size_t i = 0; i < n; i++)
        if (part_of(model, which(i)).how != CU_FROZEN) {
            squares += pow((double)g[i] / (double)scale, 2);
            if (scaled && !isfinite(g[i]))
                return false;
        }
    factor = kn_clip_factor(o->clip, squares) / scale;
    for (size_t i = 0; i < n; i++) {
        struct cu_part part = part_of(model, which(i));
        struct kn_optim_step s = kn_optim_part(step, part.lr, part.decay);
        float d = g[i] * factor;

        if (part.how != CU_PLAIN)
            continue;
        if (o->kind == KN_SGD)
            kn_sgd(&s, d, &w[i], &m[i]);
        else if (o->kind == KN_ADAM)
            kn_adam(&s, d, &w[i], &m[i], &v[i]);
        else if (o->kind == KN_RMSPROP)
            kn_rmsprop(&s, d, &w[i], &m[i], &v[i]);
        else if (o->kind == KN_LION)
            kn_lion(&s, d, &w[i], &m[i]);
        else
            kn_adamw(&s, d, &w[i], &m[i], &v[i]);
    }
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
    char *ret[7];

    r.kind = optims[kind].kind;
    r.add = scaled;
    r.clip = optims[kind].clip > 0;
    r.launch = optim;
    for (int m = 0; m < models; m++) {
        r.step[m].optim = kn_optim_begin(&optims[kind], 0.1f + 0.01f * (float)m, step);
        r.hyper[m].optim = optims[kind];
        r.step[m].micros = 3;
        r.step[m].micro = m == 2 && step == 1 ? 1 : 2; /* once there is more to come */
    }
    run_send(&r);
    source(&r, 0, CU_F32, g, n);
    send_parts(&r, n);
    written(&r, CU_F32, tr->w, n);
    written(&r, CU_F32, tr->slot[0], n);
    written(&r, CU_F32, tr->slot[1], n);
    marked(&r, t, n);
    written_bytes(&r, xcalloc((size_t)(cu_flat_blocks(n) * models), sizeof(double)),
                  (size_t)cu_flat_blocks(n) * sizeof(double));
    written_bytes(&r, xcalloc((size_t)models, sizeof(float)), sizeof(float));
    if (scaled) {
        char *own = xmalloc(sizeof(tr->scaler));

        memcpy(own, tr->scaler, sizeof(tr->scaler));
        written_bytes(&r, own, sizeof(*tr->scaler));
    }
    run_all(&r, ret);
    for (int m = 0; m < models; m++) {
        size_t at = n * (size_t)m;
        struct cu_scaler *s = &tr->scaler[m];
        bool good;

        if (sits_out(&r, m) || r.step[m].micro + 1 < r.step[m].micros)
            continue;
        scale[m] = scaled ? s->scale : 1;
        good = step_on_cpu(&r.step[m].optim, &optims[kind], m, scaled, scale[m], g + at, tr->w + at,
                           tr->slot[0] + at, tr->slot[1] + at, n);
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
            assert_true(ref_get(t, ret[COPY], i) ==
                        (good && part_of(m, which(i - at)).how == CU_PLAIN ? ref_round(t, tr->w[i])
                                                                           : MARK));
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
                train(&tr, CU_F16, MODELS, 1 + j % 3, step++, g, true);
                step += step == 1; /* in which model 2 waits */
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
        if (n > 3) { /* frozen numbers do not count */
            assert_int_equal(part_of(0, which(33)).how, CU_FROZEN);
            gradients(g, n * MODELS, step, 1);
            g[33] = NAN;
            train(&tr, CU_F16, MODELS, 2, step++, g, true);
            assert_false(tr.scaler[0].found);
        }
        free(g);
        training_release(&tr);
    }
    assert_int_equal(cu_flat_blocks(0), 0);
    assert_true(cu_flat_blocks((size_t)1 << 30) > cu_flat_blocks(64));
}

/* ---- Muon ---- */

#define ROWS 12
#define COLS 20
#define AT 32 /* of the matrix in its model's arrays */
#define ITERATIONS 3
#define MATRIX 1 /* its part, of which model 0 has half the rate */

enum { GRADIENT = 7 };

static int muon_begin(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const struct cu_matrix m = {AT, ROWS * COLS, ROWS - 1, COLS, MATRIX};
    struct cu_flat f = flat_of(r, first);

    f.g = io(r, GRADIENT, first);
    return cu_muon_begin(a, &f, &m, io(r, V, first), err);
}

static int muon_end(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const struct cu_matrix m = {AT, ROWS * COLS, ROWS - 1, COLS, MATRIX};
    const struct cu_flat f = flat_of(r, first);

    return cu_muon_end(a, &f, &m, f.g + AT, f.n, ITERATIONS, err);
}

/* Everything but the products; model 2's gradients are not finite, where there is a scaler. */
static void check_muon(enum cu_type t, int models, bool end)
{
    static const struct kn_optim o = {.kind = KN_MUON,
                                      .weight_decay = 0.1f,
                                      .momentum = 0.9f,
                                      .nesterov = 1,
                                      .ns_steps = ITERATIONS};
    enum { ALL = ROWS * COLS + 64 };
    struct training tr = training_begin(ALL);
    struct run r = run_begin(t, models, 4);
    float g[MODELS * ALL], factor[MODELS] = {0.5f, 0.5f, 0.5f};
    char *ret[8];

    gradients(g, MODELS * ALL, 1, 1);
    r.kind = KN_MUON;
    r.add = r.clip = true;
    r.launch = end ? muon_end : muon_begin;
    for (int m = 0; m < models; m++) {
        r.step[m].optim = kn_optim_begin(&o, 0.1f, 5);
        r.hyper[m].optim = o;
        tr.scaler[m].found = m == 2;
    }
    r.hyper[0].optim.ns_steps += models > 1 && !end;
    run_send(&r);
    source(&r, 0, CU_F32, g, ALL);
    send_parts(&r, ALL);
    written(&r, CU_F32, tr.w, ALL);
    written(&r, CU_F32, tr.slot[0], ALL);
    written_bytes(&r, xcalloc((size_t)models, sizeof(double)), sizeof(double));
    marked(&r, t, ALL);
    written_bytes(&r, xcalloc((size_t)models, sizeof(double)), sizeof(double));
    written(&r, CU_F32, factor, 1);
    {
        char *own = xmalloc(sizeof(tr.scaler));

        memcpy(own, tr.scaler, sizeof(tr.scaler));
        written_bytes(&r, own, sizeof(*tr.scaler));
    }
    written(&r, CU_F32, g, ALL);
    run_all(&r, ret);
    for (int m = 0; m < models; m++) {
        size_t at = (size_t)m * ALL + AT;
        double squares = 0;

        if (sits_out(&r, m) || m == 2)
            continue;
        for (size_t i = at; i < at + ROWS * COLS && end; i++) {
            tr.w[i] = (1 - 0.05f * 0.1f) * tr.w[i] - 0.05f * kn_muon_factor(ROWS - 1, COLS) * g[i];
            if (t != CU_F32)
                assert_float_equal(ref_get(t, ret[COPY], i), ref_round(t, tr.w[i]), 1e-2);
        }
        for (size_t i = at; i < at + ROWS * COLS && !end; i++) {
            g[i] = kn_muon_momentum(&r.step[m].optim, 0.5f * g[i], &tr.slot[0][i]);
            squares += (double)g[i] * (double)g[i];
        }
        for (size_t i = at; i < at + ROWS * COLS && !end; i++)
            g[i] *= (float)(1 / sqrt(squares));
    }
    same(&r, W, CU_F32, ret[W], tr.w, end ? 1e-6 : 0);
    same(&r, M, CU_F32, ret[M], tr.slot[0], 0);
    same(&r, GRADIENT, CU_F32, ret[GRADIENT], g, 1e-6);
    for (int i = 0; i < r.n_io; i++)
        free(ret[i]);
    run_release(&r);
    training_release(&tr);
}

static int polynomial(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_muon_polynomial(a, r->kernel, src(r, 0, first), io(r, 0, first), err);
}

static void test_muon(void **state)
{
    EACH_RUN(t, models)
    {
        check_muon(t, models, false);
        check_muon(t, models, true);
    }
    for (int side = 4; side < 40; side += 24) {
        struct run r = run_begin(CU_F32, MODELS, 1);
        size_t n = (size_t)side * (size_t)side;
        float *gram, *square;

        r.in = shape(CU_F32, side, side, 1);
        r.in.stored = 1;
        r.kernel = side;
        r.launch = polynomial;
        run_send(&r);
        gram = noise(&r, &r.in, 18, false);
        square = noise(&r, &r.in, 19, false);
        source(&r, 0, CU_F32, gram, n);
        written(&r, CU_F32, square, n);
        for (size_t i = 0; i < MODELS * n; i++)
            square[i] = KN_MUON_B * gram[i] + KN_MUON_C * square[i] +
                        (i % n / (size_t)side == i % (size_t)side ? KN_MUON_A : 0);
        run_check(&r, CU_F32, square, 1e-6);
        free(gram);
        free(square);
    }
}

/* ---- sums and averages ---- */

static int accumulate(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_accumulate(a, io(r, 0, first), io(r, 1, first), (size_t)r->in.h, err);
}

static int moving(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_moving_average(a, src(r, 0, first), io(r, 0, first), (size_t)r->in.h, err);
}

/* micro of micros of one model (of several, 1 sits out, and 2 has but one). */
static void check_sums(int models, int n, int micro, int micros)
{
    struct run r = run_begin(CU_F32, models, 1);
    size_t all = (size_t)(n * models);
    float *g, *sum;
    char *ret[2];

    r.in = shape(CU_F32, n, 1, 1);
    r.in.stored = 1;
    r.launch = accumulate;
    r.step[0].micro = micro;
    r.step[0].micros = micros;
    run_send(&r);
    g = noise(&r, &r.in, 20, false);
    sum = noise(&r, &r.in, 21, false);
    written(&r, CU_F32, g, (size_t)n);
    written(&r, CU_F32, sum, (size_t)n);
    run_all(&r, ret);
    for (int i = 0; i < n && micros > 1; i++) {
        float both = micro ? g[i] + sum[i] : g[i];

        *(micro + 1 < micros ? &sum[i] : &g[i]) = both;
    }
    assert_memory_equal(ret[0], g, all * sizeof(float));
    assert_memory_equal(ret[1], sum, all * sizeof(float));
    free(ret[0]);
    free(ret[1]);
    run_release(&r);

    r = run_begin(CU_F32, models, 1);
    r.in = shape(CU_F32, n, 1, 1);
    r.launch = moving;
    r.step[0].average = micros == 3 ? 1 : 0.75f;
    r.step[0].micro = micro;
    r.step[0].micros = micros;
    run_send(&r);
    source(&r, 0, CU_F32, g, (size_t)n);
    written(&r, CU_F32, sum, (size_t)n);
    for (size_t i = 0; i < all; i++) {
        int m = (int)i / n;

        if (m != SITS_OUT && (m || micro + 1 >= micros))
            sum[i] = kn_average(sum[i], g[i], r.step[m].average);
    }
    run_check(&r, CU_F32, sum, 0);
    free(g);
    free(sum);
}

static void test_sums(void **state)
{
    static const int sizes[] = {1, 64, 4099};

    for (int models = 1; models <= MODELS; models += MODELS - 1)
        for (size_t i = 0; i < HPO_LEN(sizes); i++)
            for (int micros = 0; micros < 4; micros++)
                for (int micro = 0; micro < (micros ? micros : 1); micro++)
                    check_sums(models, sizes[i], micro, micros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimizers),
        cmocka_unit_test(test_scaler),
        cmocka_unit_test(test_muon),
        cmocka_unit_test(test_sums),
    };

    return cmocka_run_group_tests(tests, run_setup, NULL);
}
