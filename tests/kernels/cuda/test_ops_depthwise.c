/* Depthwise convolutions and their gradients on a device, against plain loops. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/kernels/cuda/ops_run_rest.h"

#define EACH_RUN(t, models)                         \
    for (enum cu_type t = CU_F32; t <= CU_F16; t++) \
        for (int models = 1; models <= MODELS; models += MODELS - 1)

enum what { FORWARD, DATA, FILTER };

/* Misaligned on purpose: a model's parameters lie as they come. */
static size_t stride_of(const struct run *r)
{
    return (size_t)r->in.stored * r->kernel * r->kernel + 3;
}

static struct cu_depthwise op_of(const struct run *r)
{
    return (struct cu_depthwise){r->in, r->out, r->kernel, r->stride, r->pad, stride_of(r)};
}

/* Scratch memory is of the size that was said, full of NaN. */
static int filter(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const struct cu_depthwise d = op_of(r);
    size_t bytes = cu_depthwise_scratch(a, &d);
    unsigned char guard[64];
    void *p;
    int rc;

    must(cudaMalloc(&p, bytes + sizeof(guard)));
    must(cudaMemset(p, 0xff, bytes + sizeof(guard)));
    must(cudaDeviceSynchronize());
    rc = cu_depthwise_filter(a, &d, src(r, 0, first), src(r, 1, first), io(r, 0, first), p, err);
    must(cudaStreamSynchronize(a->stream));
    must(cudaMemcpy(guard, (char *)p + bytes, sizeof(guard), cudaMemcpyDeviceToHost));
    for (size_t i = 0; i < sizeof(guard); i++)
        assert_int_equal(guard[i], 0xff);
    must(cudaFree(p));
    return rc;
}

static int launch(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const struct cu_depthwise d = op_of(r);

    if (r->layer == FILTER)
        return filter(r, a, first, err);
    if (r->layer == DATA)
        return cu_depthwise_data(a, &d, src(r, 0, first), src(r, 1, first), io(r, 0, first), r->add,
                                 err);
    return cu_depthwise(a, &d, src(r, 0, first), src(r, 1, first), io(r, 0, first), err);
}

/* A model's: what is wanted of x (in), w, y (out) is added to `ret`, of its shape. */
static void reference(const struct run *r, const float *x, const float *w, const float *y,
                      double *ret)
{
    const int k = r->kernel;

    REF_EACH(&r->out, r->a.rows, n, oy, ox, c)
    for (int tap = 0; tap < k * k; tap++) {
        int iy = oy * r->stride + tap / k - r->pad, ix = ox * r->stride + tap % k - r->pad;
        size_t o = ref_at(&r->out, n, oy, ox, c), at = (size_t)c * k * k + tap, i;

        if (iy < 0 || ix < 0 || iy >= r->in.h || ix >= r->in.w)
            continue;
        i = ref_at(&r->in, n, iy, ix, c);
        if (r->layer == FORWARD)
            ret[o] += (double)x[i] * w[at];
        else if (r->layer == DATA)
            ret[i] += (double)y[o] * w[at];
        else
            ret[at] += (double)x[i] * y[o];
    }
}

/* Of all models, with 0 where a channel is not the network's. */
static float *weights(const struct run *r)
{
    size_t stride = stride_of(r), taps = (size_t)r->kernel * r->kernel;
    float *w = xcalloc(stride * (size_t)r->a.models, sizeof(*w));

    for (size_t i = 0; i < stride * (size_t)r->a.models; i++)
        if (i % stride / taps < (size_t)r->in.c)
            w[i] = ref_round(r->a.type, 0.13f * (float)(i % 17) - 1.0f);
    return w;
}

static void check(enum cu_type t, int models, const int *c, enum what what, bool add)
{
    struct run r = run_begin(t, models, c[0]);
    size_t in, out, stride, n;
    float *x, *y, *w, *old;
    double *sum;

    r.kernel = c[4];
    r.stride = c[5];
    r.pad = c[6];
    r.in = shape(t, c[1], c[2], c[3]);
    r.out = shape(t, (c[1] + 2 * r.pad - r.kernel) / r.stride + 1,
                  (c[2] + 2 * r.pad - r.kernel) / r.stride + 1, c[3]);
    r.layer = (int)what;
    r.add = add;
    r.launch = launch;
    run_send(&r);
    in = count_of(&r, &r.in);
    out = count_of(&r, &r.out);
    stride = stride_of(&r);
    x = noise(&r, &r.in, 1, false);
    y = noise(&r, &r.out, 2, false);
    w = weights(&r);
    source(&r, 0, t, what == DATA ? y : x, what == DATA ? out : in);
    source(&r, 1, t, what == FILTER ? y : w, what == FILTER ? out : stride);
    n = what == FORWARD ? out : what == DATA ? in : stride;
    sum = xcalloc(n * (size_t)models, sizeof(*sum));
    for (size_t m = 0; m < (size_t)models; m++) {
        reference(&r, x + m * in, w + m * stride, y + m * out, sum + m * n);
        for (size_t i = stride - 3; i < stride && what == FILTER; i++)
            sum[m * n + i] = MARK; /* the gap keeps it */
    }
    old = xcalloc(n * (size_t)models, sizeof(*old));
    for (size_t i = 0; i < n * (size_t)models && add; i++)
        old[i] = x[i];
    if (add)
        written(&r, t, old, n);
    else
        marked(&r, what == FILTER ? CU_F32 : t, n);
    for (size_t i = 0; i < n * (size_t)models; i++)
        old[i] += (float)sum[i];
    run_check(&r, what == FILTER ? CU_F32 : t, old,
              1e-6 * r.kernel + (what == FILTER ? 1e-6 * sqrt((double)(out / r.out.stored)) : 0));
    free(x);
    free(y);
    free(w);
    free(old);
    free(sum);
}

static const int cases[][7] = {
    /* rows, h, w, c, kernel, stride, pad */
    {1, 1, 1, 3, 3, 1, 1},     {2, 7, 9, 20, 3, 1, 1},   {3, 8, 8, 24, 3, 2, 1},
    {2, 15, 14, 72, 5, 2, 2},  {1, 9, 5, 40, 5, 1, 2},   {2, 1, 2, 8, 5, 2, 2},
    {2, 6, 6, 8, 3, 1, 2},     {2, 7, 6, 8, 3, 2, 2},    {2, 6, 7, 8, 3, 2, 0},
    {2, 6, 6, 8, 5, 1, 0},     {2, 6, 7, 12, 7, 1, 3},   {2, 8, 8, 8, 2, 2, 0},
    {2, 9, 9, 16, 3, 3, 1},    {2, 11, 10, 17, 4, 2, 1}, {2, 5, 5, 8, 1, 2, 0},
    {1, 4, 4, 520, 5, 1, 2},   {4, 2, 2, 130, 3, 1, 1},  {40, 12, 12, 16, 3, 1, 1},
    {33, 13, 12, 10, 5, 2, 2}, {9, 40, 37, 5, 3, 2, 1}};

static void test_forward(void **state)
{
    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++)
        check(t, models, cases[i], FORWARD, false);
}

static void test_data(void **state)
{
    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++)
        for (int add = 0; add < 2; add++)
            check(t, models, cases[i], DATA, add);
}

static void test_filter(void **state)
{
    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(cases); i++)
        check(t, models, cases[i], FILTER, false);
}

/* So many strips that a thread has several. */
static void test_many(void **state)
{
    static const int many[] = {40, 128, 100, 64, 3, 1, 1}, two[] = {20, 128, 160, 72, 3, 2, 1};

    check(CU_BF16, 1, many, FORWARD, false);
    check(CU_BF16, 1, many, DATA, false);
    check(CU_BF16, 1, two, DATA, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forward), cmocka_unit_test(test_data),
                                       cmocka_unit_test(test_filter), cmocka_unit_test(test_many)};

    return cmocka_run_group_tests(tests, run_setup, NULL);
}
