/* Biases and element-wise operations on a device, against plain loops. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/kernels/cuda/ops_run_rest.h"

#define EACH_RUN(t, models)                         \
    for (enum cu_type t = CU_F32; t <= CU_F16; t++) \
        for (int models = 1; models <= MODELS; models += MODELS - 1)

/* rows are images of h x w. */
struct size {
    int rows, h, w, c;
};
static const struct size sizes[] = {
    {2, 1, 1, 3},     {7, 1, 1, 64},   {3, 5, 3, 24},    {1, 3, 1, 8},     {4, 9, 7, 520},
    {16, 16, 16, 5},  {64, 9, 9, 40},  {5, 41, 43, 72},  {3, 3, 1, 2048},  {41, 16, 16, 20},
    {64, 16, 16, 10}, {128, 1, 1, 10}, {512, 1, 1, 100}, {17, 13, 16, 130}};
static const struct size many = {4, 513, 514, 3};

/* ---- biases ---- */

/* Misaligned on purpose: a model's parameters need not lie on 16 bytes. */
static size_t stride_of(const struct run *r)
{
    return (size_t)r->in.stored + 1;
}

/* src: the bias; io: y. */
static int bias(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_bias(a, r->in, src(r, 0, first), stride_of(r), io(r, 0, first), err);
}

static void check_bias(enum cu_type t, int models, const struct size *size)
{
    struct run r = run_begin(t, models, size->rows);
    size_t n, stride, stored;
    float *y, *b;

    r.in = shape(t, size->h, size->w, size->c);
    r.launch = bias;
    run_send(&r);
    n = count_of(&r, &r.in);
    stride = stride_of(&r);
    stored = (size_t)r.in.stored;
    y = noise(&r, &r.in, 1, false);
    b = xcalloc(stride * (size_t)models, sizeof(*b));
    for (size_t i = 0; i < stride * (size_t)models; i++)
        b[i] = (int)(i % stride) < r.in.c ? 0.01f * (float)(i % 31) - 0.1f : 0;
    source(&r, 0, CU_F32, b, stride);
    written(&r, t, y, n);
    for (size_t i = 0; i < n * (size_t)models; i++)
        y[i] += b[i / n * stride + i % stored];
    run_check(&r, t, y, 0);
    free(y);
    free(b);
}

static void test_bias(void **state)
{
    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(sizes); i++)
        check_bias(t, models, &sizes[i]);
    check_bias(CU_BF16, 1, &many);
}

/* src: dy; io: the gradient. Scratch memory is what batch norm would have, full of NaN. */
static int bias_back(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    size_t bytes = cu_norm_scratch(a, &r->in);
    unsigned char guard[64];
    void *p;
    int rc;

    must(cudaMalloc(&p, bytes + sizeof(guard)));
    must(cudaMemset(p, 0xff, bytes + sizeof(guard)));
    must(cudaDeviceSynchronize());
    rc = cu_bias_backward(a, r->in, src(r, 0, first), io(r, 0, first), stride_of(r), p, err);
    must(cudaStreamSynchronize(a->stream));
    must(cudaMemcpy(guard, (char *)p + bytes, sizeof(guard), cudaMemcpyDeviceToHost));
    for (size_t i = 0; i < sizeof(guard); i++)
        assert_int_equal(guard[i], 0xff);
    must(cudaFree(p));
    return rc;
}

static void check_bias_back(enum cu_type t, int models, const struct size *size)
{
    struct run r = run_begin(t, models, size->rows);
    size_t n, stride, stored;
    float *dy, *sum;

    r.in = shape(t, size->h, size->w, size->c);
    r.launch = bias_back;
    run_send(&r);
    n = count_of(&r, &r.in);
    stride = stride_of(&r);
    stored = (size_t)r.in.stored;
    dy = noise(&r, &r.in, 2, false);
    sum = xcalloc(stride * (size_t)models, sizeof(*sum));
    for (size_t m = 0; m < (size_t)models; m++) {
        for (size_t c = 0; c < stored; c++) {
            double s = 0;

            for (size_t i = c; i < n; i += stored)
                s += (double)dy[m * n + i];
            sum[m * stride + c] = (float)s;
        }
        sum[m * stride + stored] = MARK; /* the gap keeps it */
    }
    source(&r, 0, t, dy, n);
    marked(&r, CU_F32, stride);
    run_check(&r, CU_F32, sum, 1e-6 + 1e-6 * sqrt((double)(n / stored)));
    free(dy);
    free(sum);
}

static void test_bias_back(void **state)
{
    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(sizes); i++)
        check_bias_back(t, models, &sizes[i]);
    check_bias_back(CU_F32, 1, &many);
    check_bias_back(CU_BF16, 1, &many);
}

/* ---- element-wise ---- */

enum what { RELU, ADD, ADD_RELU, RELU_BACK, PASS, PASS_RELU, TIMES };

/* src: x, x2: a gradient's are y and dy; io: the result, which in place is dy as well. */
static int each(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const bool in_place = r->kernel;
    const void *x = src(r, 0, first), *x2 = in_place ? io(r, 0, first) : src(r, 1, first);
    size_t n = count_of(r, &r->in);
    void *to = io(r, 0, first);

    switch ((enum what)r->layer) {
    case RELU:
        return cu_relu(a, x, to, n, err);
    case ADD:
    case ADD_RELU:
        return cu_add(a, x, x2, to, r->layer == ADD_RELU, n, err);
    case RELU_BACK:
        return cu_relu_backward(a, x, x2, to, r->add, n, err);
    case TIMES:
        return cu_multiply(a, x2, 0.37f, to, r->add, n, err);
    default:
        return cu_pass(a, r->layer == PASS ? NULL : x, x2, to, r->layer == PASS_RELU, r->add, n,
                       err);
    }
}

static float wanted(enum what what, float x, float x2, float was)
{
    float v = what == RELU ? x : what == ADD || what == ADD_RELU ? x + x2 : x2;

    if (what == RELU || what == ADD_RELU)
        v = v <= 0 ? 0 : v;
    if (what == RELU_BACK || what == PASS_RELU)
        v = x <= 0 ? 0 : v;
    if (what == TIMES)
        v *= 0.37f;
    return v + was;
}

static void check_each(enum cu_type t, int models, const struct size *size, enum what what,
                       bool add, bool in_place)
{
    struct run r = run_begin(t, models, size->rows);
    float *x, *x2, *old, *want;
    size_t n;

    r.in = shape(t, size->h, size->w, size->c);
    r.layer = (int)what;
    r.add = add;
    r.kernel = in_place;
    r.launch = each;
    run_send(&r);
    n = count_of(&r, &r.in);
    x = noise(&r, &r.in, 3, false);
    x2 = noise(&r, &r.in, 4, false);
    old = noise(&r, &r.in, 5, false);
    for (size_t i = 0; i < n * (size_t)models; i += 5)
        x[i] = i % 2 ? NAN : i % 3 ? 0 : -0.0f;
    for (size_t i = 3; i < n * (size_t)models; i += 11)
        x2[i] = i % 2 ? NAN : INFINITY;
    want = xmalloc(n * (size_t)models * sizeof(*want));
    for (size_t i = 0; i < n * (size_t)models; i++)
        want[i] = wanted(what, x[i], x2[i], !add ? 0 : in_place ? x2[i] : old[i]);
    source(&r, 0, t, x, n);
    source(&r, 1, t, x2, n);
    if (in_place || add)
        written(&r, t, in_place ? x2 : old, n);
    else
        marked(&r, t, n);
    run_check(&r, t, want, 0);
    free(x);
    free(x2);
    free(old);
    free(want);
}

static void test_each(void **state)
{
    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(sizes); i++)
        for (int what = RELU; what <= TIMES; what++)
            for (int k = 0; k < 4; k++)
                if ((k == 0 || what >= RELU_BACK) && (models == 1 || (i + (size_t)k) % 4 == 0))
                    check_each(t, models, &sizes[i], (enum what)what, k & 1, k & 2);
    check_each(CU_F16, 1, &many, ADD_RELU, false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bias), cmocka_unit_test(test_bias_back), cmocka_unit_test(test_each)};

    return cmocka_run_group_tests(tests, run_setup, NULL);
}
