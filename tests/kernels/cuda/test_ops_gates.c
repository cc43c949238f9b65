/* Activations, squeeze-and-excite and stochastic depth on a device, against plain loops. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/kernels/cuda/ops_run_rest.h"

#include "kernels/math/act.h"
#include "kernels/math/dropout.h"

#define EACH_RUN(t, models)                         \
    for (enum cu_type t = CU_F32; t <= CU_F16; t++) \
        for (int models = 1; models <= MODELS; models += MODELS - 1)

/* rows, h, w, c */
static const int sizes[][4] = {{1, 1, 1, 3},   {7, 1, 1, 64},   {3, 5, 3, 24},
                               {2, 9, 7, 520}, {16, 8, 8, 5},   {5, 21, 23, 72},
                               {33, 1, 1, 13}, {2, 4, 4, 1032}, {3, 33, 32, 17}};

/* ---- activations ---- */

/* kernel: the activation; stride: the gradient, pad: in place. */
static int act(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const enum kn_act_kind kind = (enum kn_act_kind)r->kernel;
    const void *x = src(r, 0, first), *dy = r->pad ? io(r, 0, first) : src(r, 1, first);

    return r->stride ? cu_act_backward(a, r->in, kind, x, dy, io(r, 0, first), r->add, err)
                     : cu_act(a, r->in, kind, x, io(r, 0, first), err);
}

enum form { FORWARD, BACK, BACK_ADD, BACK_IN_PLACE };

static void check_act(enum cu_type t, int models, const int *c, enum kn_act_kind kind,
                      enum form form)
{
    struct run r = run_begin(t, models, c[0]);
    float *x, *dy, *want;
    size_t n, all;

    r.in = shape(t, c[1], c[2], c[3]);
    r.kernel = (int)kind;
    r.stride = form != FORWARD;
    r.add = form == BACK_ADD;
    r.pad = form == BACK_IN_PLACE;
    r.launch = act;
    run_send(&r);
    n = count_of(&r, &r.in);
    all = n * (size_t)models;
    x = noise(&r, &r.in, 3, false);
    dy = noise(&r, &r.in, 4, false);
    want = noise(&r, &r.in, 5, false);
    for (size_t i = 0; i < all; i++)
        if ((int)(i % (size_t)r.in.stored) < c[3])
            x[i] = i % 13 == 5 ? NAN : ref_round(t, x[i] * (i % 11 ? 5 : 100));
    source(&r, 0, t, x, n);
    source(&r, 1, t, dy, n);
    if (form == BACK_ADD || form == BACK_IN_PLACE)
        written(&r, t, form == BACK_ADD ? want : dy, n);
    else
        marked(&r, t, n);
    for (size_t i = 0; i < all; i++) {
        if (form == FORWARD)
            want[i] = (int)(i % (size_t)r.in.stored) < c[3] ? kn_act(kind, x[i]) : 0;
        else
            want[i] = (form == BACK_ADD ? want[i] : 0) + dy[i] * kn_act_slope(kind, x[i]);
    }
    run_check(&r, t, want, kind == KN_GELU ? 1e-6 : 0); /* erff is the libraries' */
    free(x);
    free(dy);
    free(want);
}

static void test_act(void **state)
{
    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(sizes); i++)
        for (int kind = 0; kind < KN_N_ACTS; kind++)
            for (int form = FORWARD; form <= BACK_IN_PLACE; form++)
                if (models == 1 || (i + (size_t)kind) % 3 == 0)
                    check_act(t, models, sizes[i], (enum kn_act_kind)kind, (enum form)form);
}

/* ---- squeeze-and-excite ---- */

static int scale(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_scale(a, r->in, src(r, 0, first), src(r, 1, first), io(r, 0, first), err);
}

/* io: dx, ds; with pad dx is dy. stride: 1 dx alone, 2 ds alone. */
static int scale_back(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    return cu_scale_backward(a, r->in, src(r, 0, first), src(r, 1, first),
                             r->pad ? io(r, 0, first) : src(r, 2, first),
                             r->stride == 2 ? NULL : io(r, 0, first), r->add,
                             r->stride == 1 ? NULL : io(r, 1, first), r->add, err);
}

static void check_scale(enum cu_type t, int models, const int *c)
{
    struct run r = run_begin(t, models, c[0]);
    size_t n, each;
    float *x, *s;

    r.in = shape(t, c[1], c[2], c[3]);
    r.out = shape(t, 1, 1, c[3]);
    r.launch = scale;
    run_send(&r);
    n = count_of(&r, &r.in);
    each = count_of(&r, &r.out);
    x = noise(&r, &r.in, 6, false);
    s = noise(&r, &r.out, 7, false);
    source(&r, 0, t, x, n);
    source(&r, 1, t, s, each);
    marked(&r, t, n);
    for (size_t m = 0; m < (size_t)models; m++)
        REF_EACH(&r.in, c[0], k, y, i, ch)
    x[m * n + ref_at(&r.in, k, y, i, ch)] *= s[m * each + ref_at(&r.out, k, 0, 0, ch)];
    run_check(&r, t, x, 0);
    free(x);
    free(s);
}

/* which: as scale_back's stride. */
static void check_scale_back(enum cu_type t, int models, const int *c, int which, bool add,
                             bool in_place)
{
    struct run r = run_begin(t, models, c[0]);
    float *x, *s, *dy, *dx, *ds;
    char *got[2];
    double *sum;
    size_t n, each;

    r.in = shape(t, c[1], c[2], c[3]);
    r.out = shape(t, 1, 1, c[3]);
    r.launch = scale_back;
    r.stride = which;
    r.add = add;
    r.pad = in_place;
    run_send(&r);
    n = count_of(&r, &r.in);
    each = count_of(&r, &r.out);
    x = noise(&r, &r.in, 6, false);
    s = noise(&r, &r.out, 7, false);
    dy = noise(&r, &r.in, 8, false);
    dx = noise(&r, &r.in, 9, false);
    ds = noise(&r, &r.out, 10, false);
    sum = xcalloc(each * (size_t)models, sizeof(*sum));
    source(&r, 0, t, x, n);
    source(&r, 1, t, s, each);
    source(&r, 2, t, dy, n);
    written(&r, t, in_place ? dy : dx, n);
    written(&r, t, ds, each);
    for (size_t m = 0; m < (size_t)models; m++)
        REF_EACH(&r.in, c[0], k, y, i, ch)
        {
            size_t at = m * n + ref_at(&r.in, k, y, i, ch);
            size_t to = m * each + ref_at(&r.out, k, 0, 0, ch);

            if (which != 2)
                dx[at] = (add ? dx[at] : 0) + dy[at] * s[to];
            sum[to] += (double)dy[at] * x[at];
        }
    for (size_t i = 0; i < each * (size_t)models && which != 1; i++)
        ds[i] = (add ? ds[i] : 0) + (float)sum[i];
    run_all(&r, got);
    same(&r, 0, t, got[0], dx, 0);
    same(&r, 1, t, got[1], ds, 1e-5);
    free(got[0]);
    free(got[1]);
    run_release(&r);
    free(x);
    free(s);
    free(dy);
    free(dx);
    free(ds);
    free(sum);
}

static void test_scale(void **state)
{
    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(sizes); i++) {
        check_scale(t, models, sizes[i]);
        check_scale_back(t, models, sizes[i], 0, false, false);
        check_scale_back(t, models, sizes[i], 0, false, true);
        check_scale_back(t, models, sizes[i], 0, true, false);
        check_scale_back(t, models, sizes[i], 1, false, false);
        check_scale_back(t, models, sizes[i], 2, true, false);
    }
}

/* ---- stochastic depth ---- */

static const struct cu_drop drop = {.rate = 2, .layer = 6, .fraction = 0.5f, .samples = 1};

/* pad: in place. */
static int drop_path(const struct run *r, const struct cu_array *a, int first, struct hpo_err *err)
{
    const void *x = r->pad ? io(r, 0, first) : src(r, 0, first);

    return cu_drop_path(a, r->in, &drop, x, io(r, 0, first), r->add, err);
}

static void check_drop_path(enum cu_type t, int models, const int *c, bool add, bool in_place)
{
    struct run r = run_begin(t, models, c[0]);
    float *x, *y;
    size_t n, row;

    r.in = shape(t, c[1], c[2], c[3]);
    r.add = add;
    r.pad = in_place;
    r.launch = drop_path;
    for (int m = 0; m < models; m++)
        r.hyper[m].rates[2] = m == 2 ? 0.0f : 0.7f;
    run_send(&r);
    n = count_of(&r, &r.in);
    row = n / (size_t)c[0];
    x = noise(&r, &r.in, 11, false);
    y = noise(&r, &r.in, 12, false);
    for (size_t i = 0; i < n * (size_t)models; i += 9) /* what is dropped is nothing */
        x[i] = INFINITY;
    source(&r, 0, t, x, n);
    if (in_place || add)
        written(&r, t, in_place ? x : y, n);
    else
        marked(&r, t, n);
    for (size_t i = 0; i < n * (size_t)models; i++) {
        const struct cu_hyper *h = &r.hyper[i / n];
        float f = kn_drop_path_factor(h->seed, h->fold, drop.layer, r.step[i / n].step,
                                      (uint32_t)(i % n / row), h->rates[2] * drop.fraction);

        y[i] = (add ? y[i] : 0) + (f == 0 ? 0 : x[i] * f);
    }
    run_check(&r, t, y, 0);
    free(x);
    free(y);
}

static void test_drop_path(void **state)
{
    EACH_RUN(t, models)
    for (size_t i = 0; i < HPO_LEN(sizes); i++) {
        check_drop_path(t, models, sizes[i], false, false);
        check_drop_path(t, models, sizes[i], true, false);
        check_drop_path(t, models, sizes[i], false, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_act), cmocka_unit_test(test_scale),
                                       cmocka_unit_test(test_drop_path)};

    return cmocka_run_group_tests(tests, run_setup, NULL);
}
