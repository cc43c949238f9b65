/* Every instruction set that this machine has against the portable loops: other vectors, other
 * orders of summation, the same numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "kernels/cpu/vec.h"

#define N 3 /* images */
#define BLOCKS 2
#define BLOCK 16 /* a multiple of every vector */
#define CHANNELS (BLOCKS * BLOCK)
#define SIDE_H 7
#define SIDE_W 9
#define PIXELS (SIDE_H * SIDE_W)
#define COUNT (N * CHANNELS * PIXELS)

static const struct cpu_vec *set[4];
static int n_sets;

static void find_sets(void)
{
    for (int lanes = 4; lanes <= 16; lanes *= 2) {
        const struct cpu_vec *v = cpu_vec_pick(lanes);

        if (!n_sets || set[n_sets - 1] != v)
            set[n_sets++] = v;
    }
}

static float *noise(uint64_t seed, size_t n)
{
    struct hpo_rng r = hpo_rng_for(seed, 0, 0, "vec", 0);
    float *p = xcalloc(n, sizeof(*p));

    for (size_t i = 0; i < n; i++)
        p[i] = (float)(2 * hpo_rng_uniform(&r) - 1);
    return p;
}

static void near(const char *what, const struct cpu_vec *v, const float *a, const float *b,
                 size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= 1e-5f))
            fail_msg("%s, %s, element %zu: %g, not %g", v->name, what, i, (double)b[i],
                     (double)a[i]);
}

struct norm_result {
    double sum[CHANNELS], square[CHANNELS], dbeta[CHANNELS], dgamma[CHANNELS];
    float y[COUNT], dx[COUNT], dres[COUNT];
};

static void norm(const struct cpu_vec *v, struct cpu_norm a, struct norm_result *r)
{
    memset(r, 0, sizeof(*r));
    a.y = r->y;
    v->norm_sums(&a, a.mean, 0, N, r->sum, r->square);
    v->norm_apply(&a, 0, N);
    v->norm_grad_sums(&a, 0, N, r->dbeta, r->dgamma);
    a.dx = r->dx;
    a.dres = a.res ? r->dres : NULL;
    v->norm_grad(&a, 0, N);
}

static void test_norm(void **s)
{
    struct norm_result *want = xcalloc(1, sizeof(*want)), *got = xcalloc(1, sizeof(*got));
    float *x = noise(1, COUNT), *res = noise(2, COUNT), *dy = noise(3, COUNT);
    float *small = noise(4, (size_t)CHANNELS * 6);

    for (int variant = 0; variant < 4 * CPU_N_TAILS; variant++) {
        struct cpu_norm a = {.s = {BLOCKS, BLOCK, SIDE_H, SIDE_W},
                             .relu = variant & 1,
                             .tail = (enum cpu_tail)(variant / 4),
                             .x = x,
                             .res = variant & 2 ? res : NULL,
                             .dy = dy,
                             .scale = small,
                             .shift = small + CHANNELS,
                             .mean = small + 2 * CHANNELS,
                             .ca = small + 3 * CHANNELS,
                             .cb = small + 4 * CHANNELS,
                             .cc = small + 5 * CHANNELS};

        norm(set[0], a, want);
        for (int i = 1; i < n_sets; i++) {
            norm(set[i], a, got);
            near("y", set[i], want->y, got->y, COUNT);
            near("dx", set[i], want->dx, got->dx, COUNT);
            near("dres", set[i], want->dres, got->dres, COUNT);
            for (int c = 0; c < CHANNELS; c++) {
                assert_float_equal(want->sum[c], got->sum[c], 1e-4);
                assert_float_equal(want->square[c], got->square[c], 1e-4);
                assert_float_equal(want->dbeta[c], got->dbeta[c], 1e-4);
                assert_float_equal(want->dgamma[c], got->dgamma[c], 1e-4);
            }
        }
    }
    free(want);
    free(got);
    free(x);
    free(res);
    free(dy);
    free(small);
}

/* Counts that are no multiple of any vector. */
static void test_elements(void **s)
{
    size_t n = 1003;
    float *x = noise(1, n), *b = noise(2, n), *want = xcalloc(n, 4), *got = xcalloc(n, 4);
    float *state = xcalloc(4 * n, 4);

    for (int i = 1; i < n_sets; i++) {
        const struct cpu_vec *v = set[i], *w = set[0];

        w->relu(x, want, n);
        v->relu(x, got, n);
        near("relu", v, want, got, n);
        w->relu_grad(x, b, want, n);
        v->relu_grad(x, b, got, n);
        near("relu_grad", v, want, got, n);
        for (int relu = 0; relu < 2; relu++) {
            w->add(x, b, want, relu, n);
            v->add(x, b, got, relu, n);
            near("add", v, want, got, n);
        }
        w->accumulate(x, want, n);
        v->accumulate(x, got, n);
        near("accumulate", v, want, got, n);
        for (int kind = 0; kind < 5; kind++) {
            struct kn_optim o = {.kind = kind == 4 ? KN_ADAMW : KN_SGD,
                                 .weight_decay = 0.01f,
                                 .momentum = kind ? 0.9f : 0,
                                 .nesterov = kind == 2,
                                 .beta1 = 0.9f,
                                 .beta2 = 0.99f,
                                 .eps = 1e-6f};
            struct kn_optim_step st = kn_optim_begin(&o, 0.1f, kind == 3 ? 0 : 5);

            for (int side = 0; side < 2; side++) {
                float *to = side ? got : want, *slot = state + (size_t)side * 2 * n;
                const struct cpu_vec *u = side ? v : w;

                memcpy(to, x, n * 4);
                for (size_t k = 0; k < n; k++)
                    slot[k] = slot[n + k] = fabsf(b[k]);
                if (kind == 4)
                    u->optim[KN_ADAMW](&st, b, to, slot, slot + n, n);
                else
                    u->optim[KN_SGD](&st, b, to, slot, NULL, n);
            }
            near("weights", v, want, got, n);
            near("slots", v, state, state + 2 * n, 2 * n);
        }
    }
    free(x);
    free(b);
    free(want);
    free(got);
    free(state);
}

static void test_pools(void **s)
{
    float *x = noise(1, COUNT), *dy = noise(2, COUNT), *want = xcalloc(COUNT, 4);
    float *got = xcalloc(COUNT, 4), *y = xcalloc(COUNT, 4);
    struct cpu_shape shape = {BLOCKS, BLOCK, SIDE_H, SIDE_W};
    struct cpu_dropout d = {shape, CHANNELS - 3, 1, 0.4f, 77, 2, 1, 9};

    for (int i = 1; i < n_sets; i++) {
        const struct cpu_vec *v = set[i], *w = set[0];

        for (int stride = 1; stride <= 3; stride++) {
            struct cpu_pool_args p = {.s = shape,
                                      .oh = (SIDE_H - 3) / stride + 1,
                                      .ow = (SIDE_W - 3) / stride + 1,
                                      .kernel = 3,
                                      .stride = stride,
                                      .x = x,
                                      .y = want,
                                      .dy = dy};

            w->pool(&p, 0, N);
            p.y = y;
            v->pool(&p, 0, N);
            near("pool", v, want, y, (size_t)N * CHANNELS * (size_t)p.oh * (size_t)p.ow);
            p.dx = want;
            w->pool_grad(&p, 0, N);
            p.dx = got;
            v->pool_grad(&p, 0, N);
            near("pool_grad", v, want, got, COUNT);
        }
        w->gap(&shape, x, want, 0, N);
        v->gap(&shape, x, got, 0, N);
        near("gap", v, want, got, N * CHANNELS);
        w->gap_grad(&shape, dy, want, 0, N);
        v->gap_grad(&shape, dy, got, 0, N);
        near("gap_grad", v, want, got, COUNT);
        w->dropout(&d, x, want, 0, N);
        v->dropout(&d, x, got, 0, N);
        near("dropout", v, want, got, COUNT);
    }
    free(x);
    free(dy);
    free(want);
    free(got);
    free(y);
}

/* The gradient of a maximum goes to one place, and only to one. */
static void test_pool_ties(void **s)
{
    float x[4 * BLOCK], y[BLOCK], dy[BLOCK], dx[4 * BLOCK];

    for (int i = 0; i < n_sets; i++) {
        struct cpu_pool_args p = {.s = {1, BLOCK, 2, 2},
                                  .oh = 1,
                                  .ow = 1,
                                  .kernel = 2,
                                  .stride = 2,
                                  .x = x,
                                  .y = y,
                                  .dy = dy,
                                  .dx = dx};

        for (int k = 0; k < 4 * BLOCK; k++)
            x[k] = k < BLOCK ? -1 : 3;
        for (int k = 0; k < BLOCK; k++)
            dy[k] = 5;
        set[i]->pool(&p, 0, 1);
        set[i]->pool_grad(&p, 0, 1);
        for (int k = 0; k < 4 * BLOCK; k++)
            assert_true(dx[k] == (k / BLOCK == 1 ? 5 : 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norm),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_pool_ties),
    };

    find_sets();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
