/* Batches, pooling, dropout and flattening on a device, against plain loops and what kernels/cpu
 * does. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/kernels/cuda/ops_run_rest.h"

#include "kernels/cpu/plan.h"
#include "kernels/math/dropout.h"

/* For every type, and for one model and several. */
#define EACH_RUN(t, models)                         \
    for (enum cu_type t = CU_F32; t <= CU_F16; t++) \
        for (int models = 1; models <= MODELS; models += MODELS - 1)

/* ---- batches ---- */

#define IMAGES 5

static int gather(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_gather(a, src(r, 0, 0), r->in.h, r->in.w, src(r, 1, first), (enum cu_view)r->kernel,
                     io(r, 0, first), r->in.stored, err);
}

/* What the CPU's gather makes of a model's rows, as (n, h, w, stored). */
static void gather_on_cpu(const struct run *r, int model, const uint8_t *pixels,
                          const int32_t *index, float *to)
{
    const struct cu_hyper *h = &r->hyper[model];
    size_t size = (size_t)r->in.h * r->in.w;
    struct kn_images images = {.pixels = pixels, .n = IMAGES, .h = r->in.h, .w = r->in.w};
    struct cpu_tensor in = {.c = 3, .h = r->in.h, .w = r->in.w, .row = 3 * size, .plain = true};
    struct cpu_plan plan = {.images = &images, .tensor = &in};
    struct cpu_model *m = xcalloc(1, sizeof(*m));
    float *x = xmalloc(sizeof(*x) * 3 * size * (size_t)r->a.rows);

    m->hyper.augment = h->augment;
    m->hyper.seed = h->seed;
    m->hyper.fold = h->fold;
    memcpy(m->hyper.mean, h->mean, sizeof(h->mean));
    memcpy(m->hyper.std, h->std, sizeof(h->std));
    for (int v = 0; v < 256; v++)
        m->share[v] = (float)v / 255.0f;
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            m->lut[c][v] = kn_normalise(v, h->mean[c], h->std[c]);
    cpu_gather(&plan, m,
               &(struct cpu_pick){.index = index,
                                  .n = r->a.rows,
                                  .augment = r->a.step != NULL,
                                  .mirror = r->kernel == CU_MIRRORED,
                                  .epoch = r->step[model].epoch},
               x);
    for (int n = 0; n < r->a.rows; n++)
        for (size_t i = 0; i < size; i++)
            for (int c = 0; c < r->in.stored; c++)
                to[((size_t)n * size + i) * r->in.stored + c] =
                    c < 3 ? x[((size_t)n * 3 + c) * size + i] : 0;
    free(x);
    free(m);
}

static void check_gather(enum cu_type t, int models, struct cu_shape s,
                         const struct kn_augment *augment, enum cu_view view, double tolerance)
{
    struct run r = run_begin(t, models, 2 * IMAGES + 1);
    size_t bytes = (size_t)IMAGES * s.h * s.w * 3, count;
    struct hpo_rng rng = hpo_rng_for(1, 0, 0, "pixels", 0);
    uint8_t *pixels = xmalloc(bytes);
    int32_t index[MODELS][2 * IMAGES + 1];
    int counts[MODELS] = {2 * IMAGES + 1, 0, 3};
    float *want;

    for (size_t i = 0; i < bytes; i++)
        pixels[i] = (uint8_t)hpo_rng_below(&rng, 256);
    r.in = s;
    r.launch = gather;
    r.kernel = (int)view;
    count = count_of(&r, &s);
    want = xmalloc(sizeof(*want) * count * (size_t)models);
    for (int m = 0; m < models; m++) {
        r.hyper[m].augment = *augment;
        r.hyper[m].augment.flip = m != 2 ? augment->flip : 0;
        for (int i = 0; i < r.a.rows; i++)
            index[m][i] = (int32_t)hpo_rng_below(&rng, IMAGES);
    }
    run_send(&r);
    if (view != CU_AUGMENTED) {
        r.a.step = NULL;
        r.a.count = device(&r, counts, sizeof(counts));
    }
    for (int m = 0; m < models; m++)
        gather_on_cpu(&r, m, pixels, index[m], want + count * (size_t)m);
    source_bytes(&r, 0, pixels, bytes, true);
    source_bytes(&r, 1, index, sizeof(index[0]), false);
    marked(&r, t, count);
    run_check(&r, t, want, tolerance);
    free(want);
    free(pixels);
}

static void test_gather(void **state)
{
    static const struct {
        int h, w, padding;
    } cases[] = {{1, 1, 0},  {1, 1, 3},    {3, 5, 1},   {8, 8, 2},    {32, 32, 4},     {33, 31, 9},
                 {7, 3, 40}, {2, 1025, 1}, {5, 700, 0}, {3, 2100, 2}, {40, 1100, 1200}};

    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++) {
        struct cu_shape s = shape(t, cases[i].h, cases[i].w, 3);

        const struct kn_augment plain = {.flip = 1, .crop_padding = cases[i].padding};

        check_gather(t, models, s, &plain, CU_AUGMENTED, 0);
        check_gather(t, models, s, &plain, CU_AS_IS, 0);
        check_gather(t, models, s, &plain, CU_MIRRORED, 0);
        if (i == 3) { /* as nobody stores it today */
            s.stored *= 2;
            check_gather(t, models, s, &plain, CU_AUGMENTED, 0);
        }
    }
}

/* Every other method, alone and together. Only the mean that contrast is about may round in another
 * way: it is added up in another order. */
static void test_augment(void **state)
{
    static const struct kn_shape area = {0.2f, 1, -0.3f, 0.3f};
    const struct kn_augment cases[] = {
        {.flip = KN_FLIP_ALTERNATING, .vertical_flip = 1, .crop_padding = 3},
        {.flip = 1, .vertical_flip = 1, .crop_padding = 5, .fill = KN_FILL_REFLECT},
        {.flip = 1, .resized_crop = 1, .crop = area},
        {.vertical_flip = 1, .crop_padding = 2, .rotation = 40},
        {.flip = 1, .crop_padding = 2, .fill = KN_FILL_REFLECT, .rotation = 180},
        {.flip = 1, .crop_padding = 2, .brightness = 0.5f, .saturation = 1.5f, .hue = 0.5f},
        {.contrast = 0.7f, .crop_padding = 1},
        {.flip = 1, .crop_padding = 2, .erasing = 0.7f, .erase = {0.02f, 0.4f, -1, 1}, .cutout = 3},
        {.flip = 2,
         .resized_crop = 1,
         .crop = area,
         .rotation = 15,
         .brightness = 0.4f,
         .contrast = 0.4f,
         .saturation = 0.4f,
         .hue = 0.1f,
         .erasing = 0.5f,
         .erase = {0.02f, 0.4f, -1, 1},
         .cutout = 4},
    };
    static const int sides[][2] = {{1, 1}, {9, 7}, {32, 32}, {34, 61}, {2, 1025}};

    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++)
        for (size_t k = 0; k < HPO_LEN(sides); k++) {
            bool contrast = cases[i].contrast > 0;

            check_gather(t, models, shape(t, sides[k][0], sides[k][1], 3), &cases[i], CU_AUGMENTED,
                         contrast ? 1e-5 : 0);
        }
}

static int mix(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_mix(a, r->in, io(r, 0, first), err);
}

/* Of several models the first mixes by shares, the last by boxes. */
static void check_mix(enum cu_type t, int models, struct cu_shape s, int rows, struct kn_mix box)
{
    struct run r = run_begin(t, models, rows);
    size_t count, pixels = (size_t)s.h * (size_t)s.w, row = pixels * (size_t)s.stored;
    float *x, *want;

    r.in = s;
    r.launch = mix;
    r.step[0].mix = models > 1 ? (struct kn_mix){.kind = KN_MIXUP, .lambda = 0.3f} : box;
    r.step[models - 1].mix = box;
    run_send(&r);
    count = count_of(&r, &s);
    x = noise(&r, &s, 22, false);
    want = xmalloc(sizeof(*want) * count * (size_t)models);
    for (size_t i = 0; i < count * (size_t)models; i++) {
        const struct kn_mix *m = &r.step[i / count].mix;
        int n = (int)(i % count / row), y = (int)(i % row / (size_t)s.stored) / s.w,
            at = (int)(i % row / (size_t)s.stored) % s.w;
        float other = x[i + row * (size_t)(rows - 1 - n) - row * (size_t)n];
        bool inside = y >= m->y0 && y < m->y1 && at >= m->x0 && at < m->x1;

        want[i] = x[i];
        if (rows % 2 && n == rows / 2)
            continue; /* with itself */
        if (m->kind == KN_MIXUP)
            want[i] = m->lambda * x[i] + (1.0f - m->lambda) * other;
        else if (m->kind == KN_CUTMIX && inside)
            want[i] = other;
    }
    written(&r, t, x, count);
    run_check(&r, t, want, 0);
    free(x);
    free(want);
}

static void test_mix(void **state)
{
    const struct kn_mix boxes[] = {{.kind = KN_CUTMIX, .y0 = 1, .y1 = 3, .x0 = 0, .x1 = 2},
                                   {.kind = KN_CUTMIX, .y1 = 5, .x1 = 7},
                                   {.kind = KN_CUTMIX, .y0 = 2, .y1 = 2, .x0 = 1, .x1 = 4},
                                   {.kind = KN_MIXUP, .lambda = 0},
                                   {.kind = KN_MIX_NONE}};

    EACH_RUN(t, models)
    for (int rows = 1; rows < 6; rows++)
        for (size_t i = 0; i < HPO_LEN(boxes); i++)
            check_mix(t, models, shape(t, 5, 7, 3), rows, boxes[i]);
}

/* ---- pooling ---- */

static struct cu_pool pool_of(const struct run *r)
{
    return (struct cu_pool){r->in, r->out, r->kernel, r->stride, r->pad};
}

static int pool(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const struct cu_pool d = pool_of(r);

    return cu_pool(a, &d, src(r, 0, first), io(r, 0, first), err);
}

static int unpool(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const struct cu_pool d = pool_of(r);

    return cu_pool_backward(a, &d, src(r, 0, first), src(r, 1, first), src(r, 2, first),
                            io(r, 0, first), r->add, err);
}

static struct run pool_begin(enum cu_type t, int models, const int *c)
{
    struct run r = run_begin(t, models, c[0]);

    r.kernel = c[4];
    r.stride = c[5];
    r.pad = c[6];
    r.in = shape(t, c[1], c[2], c[3]);
    r.out =
        shape(t, (c[1] + 2 * c[6] - c[4]) / c[5] + 1, (c[2] + 2 * c[6] - c[4]) / c[5] + 1, c[3]);
    run_send(&r);
    return r;
}

static void check_pool(enum cu_type t, int models, const int *c, bool coarse, bool nan)
{
    const struct ref_window window = {c[4], c[5], c[6]};
    struct run r = pool_begin(t, models, c);
    size_t in = count_of(&r, &r.in), out = count_of(&r, &r.out);
    float *x = noise(&r, &r.in, 2, coarse), *y = xcalloc(out * (size_t)models, sizeof(*y));
    float *dy = noise(&r, &r.out, 3, false), *dx = noise(&r, &r.in, 4, false), *before;

    if (nan)
        for (size_t i = 0; i < in * (size_t)models; i += 7)
            if (x[i] > 0.4f)
                x[i] = NAN;
    for (size_t m = 0; m < (size_t)models; m++)
        ref_pool(c[0], &r.in, &r.out, &window, x + m * in, y + m * out);
    source(&r, 0, t, x, in);
    marked(&r, t, out);
    r.launch = pool;
    run_check(&r, t, y, 0);

    for (int add = 0; add < 2; add++) {
        r = pool_begin(t, models, c);
        r.add = add;
        r.launch = unpool;
        source(&r, 0, t, x, in);
        source(&r, 1, t, y, out);
        source(&r, 2, t, dy, out);
        before = xmalloc(sizeof(*dx) * in * (size_t)models + 1);
        memcpy(before, dx, sizeof(*dx) * in * (size_t)models);
        if (add)
            written(&r, t, dx, in);
        else
            marked(&r, t, in);
        for (size_t m = 0; m < (size_t)models; m++)
            ref_unpool(c[0], &r.in, &r.out, &window, x + m * in, dy + m * out, add,
                       before + m * in);
        run_check(&r, t, before, 0);
        free(before);
    }
    free(x);
    free(y);
    free(dy);
    free(dx);
}

static void test_max_pool(void **state)
{
    static const int cases[][7] = {
        /* rows, h, w, c, kernel, stride, pad */
        {1, 2, 2, 3, 2, 2, 0},     {3, 8, 8, 16, 2, 2, 0}, {2, 7, 9, 40, 2, 2, 0},
        {3, 5, 4, 24, 2, 2, 0},    {2, 9, 9, 17, 3, 2, 0}, {1, 16, 16, 520, 2, 2, 0},
        {3, 6, 7, 8, 3, 3, 0},     {2, 6, 6, 8, 3, 1, 0},  {2, 11, 8, 12, 2, 3, 0},
        {2, 7, 7, 10, 1, 2, 0},    {2, 9, 10, 8, 5, 2, 0}, {1, 4, 4, 64, 4, 4, 0},
        {2, 5, 5, 8, 2, 1, 0},     {1, 1, 1, 3, 3, 2, 1},  {3, 15, 16, 21, 3, 2, 1},
        {2, 6, 5, 8, 3, 1, 1},     {2, 5, 7, 8, 2, 2, 1},  {2, 7, 8, 12, 5, 3, 2},
        {1, 12, 12, 130, 3, 2, 1}, {2, 3, 3, 8, 4, 1, 2}};

    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++) {
        check_pool(t, models, cases[i], false, false);
        check_pool(t, models, cases[i], true, i % 2); /* many equal values; NaN */
    }
}

static int average(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_average(a, r->in, src(r, 0, first), io(r, 0, first), err);
}

static int spread(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_average_backward(a, r->in, src(r, 0, first), io(r, 0, first), r->add, err);
}

static void check_average(enum cu_type t, int models, const int *c)
{
    struct run r;
    float *x, *y, *dx;

    for (int add = -1; add < 2; add++) {
        size_t in, out;

        r = run_begin(t, models, c[0]);
        r.in = shape(t, c[1], c[2], c[3]);
        r.out = shape(t, 1, 1, c[3]);
        r.add = add > 0;
        r.launch = add < 0 ? average : spread;
        run_send(&r);
        in = count_of(&r, &r.in);
        out = count_of(&r, &r.out);
        x = noise(&r, &r.in, 5, false);
        y = noise(&r, &r.out, 6, false);
        dx = noise(&r, &r.in, 7, false);
        if (add < 0) {
            source(&r, 0, t, x, in);
            marked(&r, t, out);
        } else {
            source(&r, 0, t, y, out);
            if (add)
                written(&r, t, dx, in);
            else
                marked(&r, t, in);
        }
        for (size_t m = 0; m < (size_t)models; m++)
            if (add < 0)
                ref_average(c[0], &r.in, x + m * in, y + m * out);
            else
                ref_spread(c[0], &r.in, y + m * out, add, dx + m * in);
        run_check(&r, t, add < 0 ? y : dx, add < 0 ? 1e-6 : 0);
        free(x);
        free(y);
        free(dx);
    }
}

static void test_average(void **state)
{
    static const int cases[][4] = {{1, 1, 1, 3}, {5, 1, 1, 520}, {3, 2, 2, 17}, {2, 7, 5, 40},
                                   {9, 8, 8, 8}, {3, 4, 4, 256}, {2, 33, 31, 3}};

    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++)
        check_average(t, models, cases[i]);
}

/* ---- dropout ---- */

static int dropout(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const void *x = r->src[0] ? src(r, 0, first) : io(r, 0, first); /* in place */

    return cu_dropout(a, r->in, &(struct cu_drop){r->layer, r->kernel, 0, 1}, x, io(r, 0, first),
                      r->add, err);
}

/* The CPU's dropout of a model. Its layout: blocks of four channels. */
static void dropout_on_cpu(const struct run *r, int model, const float *x, float *y)
{
    const struct cu_hyper *h = &r->hyper[model];
    const struct cu_shape *s = &r->in;
    struct cpu_dropout d = {.s = {(s->c + 3) / 4, 4, s->h, s->w},
                            .c = s->c,
                            .samples = 1,
                            .rate = h->rates[r->layer],
                            .seed = h->seed,
                            .fold = h->fold,
                            .layer = r->kernel,
                            .step = r->step[model].step};
    size_t pixels = (size_t)s->h * s->w, row = pixels * 4 * (size_t)d.s.blocks;
    float *from = xcalloc(row * (size_t)r->a.rows, sizeof(*from));
    float *to = xcalloc(row * (size_t)r->a.rows, sizeof(*to));

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < pixels * (size_t)r->a.rows; i++)
            for (size_t c = 0; c < (size_t)s->stored; c++) {
                size_t at = i / pixels * row + (c / 4 * pixels + i % pixels) * 4 + c % 4;

                if (pass == 0 && c < (size_t)s->c)
                    from[at] = x[i * (size_t)s->stored + c];
                else if (pass == 1)
                    y[i * (size_t)s->stored + c] = c < (size_t)s->c ? to[at] : 0;
            }
        if (pass == 0)
            cpu_vec_portable.dropout(&d, from, to, 0, r->a.rows);
    }
    free(from);
    free(to);
}

static void check_dropout(enum cu_type t, int models, const int *c, bool in_place, bool add)
{
    struct run r = run_begin(t, models, c[0]);
    size_t count;
    float *x, *y, *before;

    r.in = shape(t, c[1], c[2], c[3]);
    r.layer = 2;
    r.kernel = 5; /* names the mask */
    r.add = add;
    r.launch = dropout;
    for (int m = 0; m < models; m++) {
        r.hyper[m].rates[2] = m == 2 ? 0.0f : 0.3f;
        r.hyper[m].rates[1] = 0.9f;
    }
    run_send(&r);
    count = count_of(&r, &r.in);
    x = noise(&r, &r.in, 8, false);
    y = xcalloc(count * (size_t)models, sizeof(*y));
    before = noise(&r, &r.in, 9, false);
    if (!in_place)
        source(&r, 0, t, x, count);
    if (in_place)
        written(&r, t, x, count);
    else if (add)
        written(&r, t, before, count);
    else
        marked(&r, t, count);
    for (int m = 0; m < models; m++)
        dropout_on_cpu(&r, m, x + count * (size_t)m, y + count * (size_t)m);
    for (size_t i = 0; i < count * (size_t)models && add; i++)
        y[i] += in_place ? x[i] : before[i];
    run_check(&r, t, y, 0);
    free(x);
    free(y);
    free(before);
}

static void test_dropout(void **state)
{
    static const int cases[][4] = {
        {1, 1, 1, 3}, {4, 1, 1, 520}, {3, 5, 7, 17}, {2, 8, 8, 64}, {3, 3, 3, 12}};

    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++) {
        check_dropout(t, models, cases[i], false, false);
        check_dropout(t, models, cases[i], true, false);
        check_dropout(t, models, cases[i], false, true);
    }
}

/* in: a row; out rows of y, and of dy, for each. kernel: names the masks. */
static int samples(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const struct cu_drop d = {r->layer, r->kernel, 0, r->samples};

    return r->stride
               ? cu_dropout_backward(a, r->in, &d, src(r, 0, first), io(r, 0, first), r->add, err)
               : cu_dropout(a, r->in, &d, src(r, 0, first), io(r, 0, first), r->add, err);
}

/* As the formula says: rows of y are (row, sample). */
static void ref_samples(const struct run *r, int model, const float *from, float *to)
{
    const struct cu_hyper *h = &r->hyper[model];
    const uint32_t threshold = kn_dropout_threshold(h->rates[r->layer]);
    const float scale = 1.0f / (1.0f - h->rates[r->layer]);
    const struct cu_shape *s = &r->in;
    uint32_t quads = (uint32_t)(s->c + 3) / 4;
    size_t row = (size_t)s->h * s->w * s->stored;

    for (int n = 0; n < r->a.rows; n++)
        for (int k = 0; k < r->samples; k++)
            for (size_t i = 0; i < row; i++) {
                size_t y_row = (size_t)n * r->samples + k, pixel = i / (size_t)s->stored;
                uint32_t c = (uint32_t)(i % (size_t)s->stored);
                uint32_t quad = (uint32_t)(y_row * s->h * s->w + pixel) * quads + c / 4;
                struct kn_u4 w =
                    kn_dropout_words(h->seed, h->fold, r->kernel, r->step[model].step, quad);
                uint32_t word = c % 4 == 0 ? w.x : c % 4 == 1 ? w.y : c % 4 == 2 ? w.z : w.w;
                float f = word < threshold ? 0 : scale;

                if (r->stride)
                    to[(size_t)n * row + i] += from[y_row * row + i] * f;
                else
                    to[y_row * row + i] += from[(size_t)n * row + i] * f;
            }
}

static void check_samples(enum cu_type t, int models, const int *c, int count, bool back, bool add)
{
    struct run r = run_begin(t, models, c[0]);
    struct cu_shape all;
    size_t from, to;
    float *x, *y;

    r.in = shape(t, c[1], c[2], c[3]);
    r.layer = 2;
    r.kernel = 5;
    r.samples = count;
    r.stride = back;
    r.add = add;
    r.launch = samples;
    for (int m = 0; m < models; m++)
        r.hyper[m].rates[2] = m == 2 ? 0.0f : 0.3f;
    run_send(&r);
    all = r.in;
    all.h *= count;
    from = count_of(&r, back ? &all : &r.in);
    to = count_of(&r, back ? &r.in : &all);
    x = noise(&r, back ? &all : &r.in, 8, false);
    y = noise(&r, back ? &r.in : &all, 9, false);
    source(&r, 0, t, x, from);
    if (add)
        written(&r, t, y, to);
    else
        marked(&r, t, to);
    for (size_t i = 0; i < to * (size_t)models && !add; i++)
        y[i] = 0;
    for (int m = 0; m < models; m++)
        ref_samples(&r, m, x + from * (size_t)m, y + to * (size_t)m);
    run_check(&r, t, y, 1e-6); /* the order in which it is added up */
    free(x);
    free(y);
}

static void test_samples(void **state)
{
    static const int cases[][4] = {{1, 1, 1, 3}, {4, 1, 1, 520}, {3, 2, 3, 17}, {16, 1, 1, 64}};

    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++)
        for (int count = 1; count <= 5; count += 2)
            for (int k = 0; k < 4; k++)
                check_samples(t, models, cases[i], count, k & 1, k & 2);
}

/* ---- flattening ---- */

static int flatten(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_flatten(a, r->in, src(r, 0, first), io(r, 0, first), err);
}

static int unflatten(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_flatten_backward(a, r->in, src(r, 0, first), io(r, 0, first), r->add, err);
}

static void check_flatten(enum cu_type t, int models, const int *c)
{
    for (int add = -1; add < 2; add++) {
        struct run r = run_begin(t, models, c[0]);
        size_t in, out;
        float *x, *y;

        r.in = shape(t, c[1], c[2], c[3]);
        r.out = shape(t, 1, 1, c[1] * c[2] * c[3]);
        r.add = add > 0;
        r.launch = add < 0 ? flatten : unflatten;
        run_send(&r);
        in = count_of(&r, &r.in);
        out = count_of(&r, &r.out);
        x = noise(&r, &r.in, 10, false);
        y = noise(&r, &r.out, 11, false);
        source(&r, 0, t, add < 0 ? x : y, add < 0 ? in : out);
        if (add > 0)
            written(&r, t, x, in);
        else
            marked(&r, t, add < 0 ? out : in);
        for (size_t m = 0; m < (size_t)models; m++)
            if (add < 0)
                ref_flatten(c[0], &r.in, r.out.stored, x + m * in, y + m * out);
            else
                ref_unflatten(c[0], &r.in, r.out.stored, y + m * out, add, x + m * in);
        run_check(&r, t, add < 0 ? y : x, 0);
        free(x);
        free(y);
    }
}

static void test_flatten(void **state)
{
    static const int cases[][4] = {{1, 1, 1, 3},   {3, 1, 1, 520}, {2, 2, 2, 17}, {3, 4, 4, 64},
                                   {2, 3, 5, 130}, {1, 9, 8, 65},  {2, 13, 11, 3}};

    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++)
        check_flatten(t, models, cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gather),  cmocka_unit_test(test_augment),
        cmocka_unit_test(test_mix),     cmocka_unit_test(test_max_pool),
        cmocka_unit_test(test_average), cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_samples), cmocka_unit_test(test_flatten),
    };

    return cmocka_run_group_tests(tests, run_setup, NULL);
}
