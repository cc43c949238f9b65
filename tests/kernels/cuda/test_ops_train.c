/* Losses and casts on a device, against kernels/math/. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

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

static const float class_weights[] = {0.25f, 3, 1, 0.5f, 2};

/* What a loss may have beside logits: bits. */
enum { WEIGHTED = 1, MIXED = 2, MICRO = 4, N_EXTRAS = 8 };

/* Of every model another way. */
static void loss_extras(struct run *r, int classes, int extras)
{
    float *w = xcalloc((size_t)classes, sizeof(*w));
    const float *dev;

    for (int c = 0; c < classes; c++)
        w[c] = class_weights[c % (int)HPO_LEN(class_weights)];
    dev = device(r, w, sizeof(*w) * (size_t)classes);
    free(w);
    for (int m = 0; m < r->a.models; m++) {
        if (extras & WEIGHTED && m < 2)
            r->hyper[m].class_weights = dev;
        if (extras & MIXED)
            r->step[m].mix =
                (struct kn_mix){.kind = m ? KN_CUTMIX : KN_MIXUP, .lambda = 0.3f + 0.7f * (m > 1)};
        if (extras & MICRO)
            r->step[m].micros = 1 + m;
    }
}

static struct kn_label label_of(const struct run *r, int model, const int32_t *labels,
                                const int32_t *index, int row)
{
    const struct kn_mix *mix = &r->step[model].mix;
    struct kn_label t = {labels[index[row]], labels[index[r->a.rows - 1 - row]], 1,
                         mix->kind != KN_MIX_NONE};

    t.mix = t.soft && t.a != t.b ? mix->lambda : 1;
    return t;
}

static const struct kn_loss losses[] = {{KN_CROSS_ENTROPY, 0, 0, 0}, {KN_CROSS_ENTROPY, 0.1f, 0, 0},
                                        {KN_FOCAL, 0, 2, 0.25f},     {KN_FOCAL, 0.2f, 1.5f, 1},
                                        {KN_FOCAL, 0, 0, 1},         {KN_FOCAL, 0, 0.5f, 1}};

/* scaled: with a loss scale of 4 to begin with. */
static void check_loss(enum cu_type t, int models, int rows, int classes, size_t kind, bool scaled,
                       int extras)
{
    struct run r = run_begin(t, models, rows);
    struct cu_scaler scaler[MODELS];
    double *sum = xcalloc(MODELS, sizeof(*sum)), got;
    int32_t labels[LABELS], *index = xcalloc((size_t)(models * rows), sizeof(*index));
    char *ret[4];
    float *z, *dz, row_loss, weights[1024];
    size_t n, k = (size_t)classes;

    for (int c = 0; c < classes; c++)
        weights[c] = class_weights[c % (int)HPO_LEN(class_weights)];
    loss_extras(&r, classes, extras);
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
        const struct kn_loss *l = &r.hyper[m].loss;
        const float *w = r.hyper[m].class_weights ? weights : NULL;
        const int32_t *own = index + m * rows;
        double mean = 0, weight = 0;
        float scale;

        if (sits_out(&r, m))
            continue;
        for (int i = 0; i < rows; i++)
            weight += (double)kn_row_weight(l, w, label_of(&r, m, labels, own, i));
        scale = (scaled ? scaler[m].scale : 1.0f) / (float)weight;
        if (r.step[m].micros > 1)
            scale /= (float)r.step[m].micros;
        for (int i = 0; i < rows; i++) {
            size_t row = (size_t)(m * rows + i);

            row_loss =
                kn_loss_row(l, w, z + row * (size_t)r.in.stored, classes,
                            label_of(&r, m, labels, own, i), scale, dz + row * (size_t)r.in.stored);
            mean += (double)row_loss / weight;
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
            for (int extras = 0; extras < N_EXTRAS;
                 extras += 1 + 6 * (cases[i][0] * cases[i][1] > 300))
                check_loss(t, models, cases[i][0], cases[i][1], kind, t == CU_F16, extras);
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
    return cu_logits(a, r->in.c, r->in.stored, src(r, 0, first), r->add, io(r, 0, first), err);
}

static void test_logits(void **state)
{
    static const int cases[][2] = {{1, 2}, {70, 10}, {33, 1000}};

    EACH_RUN(t, models)
    for (size_t i = 0; i < 2 * HPO_LEN(cases); i++) {
        const int *c = cases[i / 2];
        struct run r = run_begin(t, models, c[0]);
        size_t k = (size_t)c[1], rows = (size_t)(c[0] * models);
        float *z, *want = xmalloc(sizeof(*want) * k * rows);

        r.in = shape(t, 1, 1, c[1]);
        r.launch = logits;
        r.add = i % 2; /* models but the second are mirrored */
        for (int m = 0; m < models; m++)
            r.hyper[m].mirror = m != 1;
        r.a.hyper = device(&r, r.hyper, sizeof(r.hyper));
        z = noise(&r, &r.in, 14, false);
        for (size_t j = 0; j < k * rows; j++) {
            bool mirrored = r.hyper[j / k / (size_t)c[0]].mirror;
            float own = z[j / k * (size_t)r.in.stored + j % k];

            want[j] = !r.add ? own : mirrored ? 0.5f * (MARK + own) : MARK;
        }
        source(&r, 0, t, z, count_of(&r, &r.in));
        marked(&r, CU_F32, k * (size_t)c[0]);
        run_check(&r, CU_F32, want, 0);
        free(z);
        free(want);
    }
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
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_nan_loss),
        cmocka_unit_test(test_logits),
        cmocka_unit_test(test_casts),
    };

    return cmocka_run_group_tests(tests, run_setup, NULL);
}
