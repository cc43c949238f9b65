/* Whitening filters and identity convolutions: eigenvectors of the moments that a plain loop finds,
 * and what they do to patches. */
#include "tests/trainer/parts.h"

#include <stdlib.h>

#include "base/rng.h"
#include "kernels/math/augment.h"
#include "trainer/init.h"
#include "trainer/model.h"
#include "trainer/whiten.h"

#define SIDE 25
#define IMAGES 40
#define D 12

static const float mean[3] = {0.48f, 0.47f, 0.4f}, std[3] = {0.24f, 0.3f, 0.2f};

/* Smooth pictures: neighbours and channels go together. */
static uint8_t *draw_images(void)
{
    uint8_t *p = malloc(IMAGES * SIDE * SIDE * 3);
    struct hpo_rng r = hpo_rng_for(1, 0, 0, "test", 0);

    for (int i = 0; i < IMAGES; i++) {
        double a = hpo_rng_uniform(&r), b = hpo_rng_uniform(&r) / SIDE, c = hpo_rng_uniform(&r);

        for (int k = 0; k < SIDE * SIDE * 3; k++) {
            double v = a * (k % 3 + 1) / 3 + b * (k / 3 % SIDE) + c * (k / 3 / SIDE) / SIDE;

            v = 80 * v + 40 * hpo_rng_uniform(&r);
            p[i * SIDE * SIDE * 3 + k] = (uint8_t)fmin(255, v);
        }
    }
    return p;
}

/* Of the images rows[0 .. n). */
static void book_moments(const uint8_t *pixels, const int32_t *rows, int n, double *ret)
{
    memset(ret, 0, sizeof(double) * D * D);
    for (int i = 0; i < n; i++)
        for (int y = 0; y + 1 < SIDE; y++)
            for (int x = 0; x + 1 < SIDE; x++) {
                double patch[D];

                for (int k = 0; k < D; k++) {
                    int c = k / 4, at = (y + k / 2 % 2) * SIDE + x + k % 2;

                    patch[k] = (double)kn_normalise(
                        pixels[((size_t)rows[i] * SIDE * SIDE + (size_t)at) * 3 + (size_t)c],
                        mean[c], std[c]);
                }
                for (int k = 0; k < D * D; k++)
                    ret[k] += patch[k / D] * patch[k % D] / n / (SIDE - 1) / (SIDE - 1);
            }
}

static void build(struct kn_net *n)
{
    int t;

    kn_net_init(n, 3, SIDE, SIDE, 4);
    t = kn_conv2d(n, "whiten", 0, 2 * D, 2, 1, 0, true, KN_INIT_WHITEN);
    t = kn_conv2d(n, "wide", t, 31, 3, 1, 1, false, KN_INIT_DIRAC);
    t = kn_conv2d(n, "narrow", t, 4, 3, 1, 1, false, KN_INIT_DIRAC);
    kn_global_avg_pool(n, "pool", t);
    assert_int_equal(kn_net_finish(n, NULL), 0);
}

/* W C W^T = l / (l + eps) on the diagonal, nothing beside it; rows by falling l, then negatives. */
static void whitens(void **state)
{
    struct kn_images images = {.n = IMAGES, .h = SIDE, .w = SIDE, .classes = 4};
    double c[D * D], before = HUGE_VAL;
    uint8_t *pixels = draw_images();
    int32_t rows[IMAGES / 2];
    struct kn_net n;
    float *w, *again;

    (void)state;
    images.pixels = pixels;
    build(&n);
    w = calloc(n.n_weights, sizeof(*w));
    again = calloc(n.n_weights, sizeof(*w));
    for (int i = 0; i < IMAGES / 2; i++)
        rows[i] = 2 * i + 1;
    assert_int_equal(tr_whiten(&n, &images, rows, IMAGES / 2, mean, std, w, NULL), 0);
    book_moments(pixels, rows, IMAGES / 2, c);
    for (int i = 0; i < D; i++) {
        double length = 0, l, top = 0;

        for (int k = 0; k < D; k++) {
            length += (double)w[i * D + k] * (double)w[i * D + k];
            top = fabs((double)w[i * D + k]) > fabs(top) ? (double)w[i * D + k] : top;
            assert_true(w[(D + i) * D + k] == -w[i * D + k]);
        }
        assert_true(top > 0);
        l = 1 / length - 5e-4;
        assert_true(l <= before * (1 + 1e-6));
        before = l;
        for (int j = 0; j < D; j++) {
            double product = 0;

            for (int k = 0; k < D * D; k++)
                product += (double)w[i * D + k / D] * c[k] * (double)w[j * D + k % D];
            assert_near(product, i == j ? l / (l + 5e-4) : 0, 2e-4);
        }
    }
    for (size_t i = 2 * D * D; i < n.n_weights; i++)
        assert_true(w[i] == 0); /* nobody else's */
    assert_int_equal(tr_whiten(&n, &images, rows, IMAGES / 2, mean, std, again, NULL), 0);
    assert_memory_equal(w, again, n.n_weights * sizeof(*w));
    rows[3] = 0;
    assert_int_equal(tr_whiten(&n, &images, rows, IMAGES / 2, mean, std, again, NULL), 0);
    assert_memory_not_equal(w, again, n.n_weights * sizeof(*w));
    free(w);
    free(again);
    free(pixels);
    kn_net_release(&n);
}

/* Pictures of one colour have one eigenvalue; what is not a number is none of it. */
static void one_colour(void **state)
{
    struct kn_images images = {.n = 1, .h = SIDE, .w = SIDE, .classes = 4};
    uint8_t *pixels = calloc(SIDE * SIDE, 3);
    int32_t row = 0;
    struct kn_net n;
    float *w;

    (void)state;
    images.pixels = pixels;
    build(&n);
    w = calloc(n.n_weights, sizeof(*w));
    assert_int_equal(tr_whiten(&n, &images, &row, 1, mean, std, w, NULL), 0);
    for (size_t i = 0; i < n.n_weights; i++)
        assert_true(isfinite(w[i]));
    assert_near(fabs((double)w[2 * D]), 0, 1 / sqrt(5e-4));
    free(w);
    free(pixels);
    kn_net_release(&n);
}

static void refused(void **state)
{
    struct kn_images images = {.n = 1, .h = SIDE, .w = SIDE, .classes = 4};
    struct hpo_err err = {0};
    int32_t row = 0;
    struct kn_net n;

    (void)state;
    kn_net_init(&n, 3, SIDE, SIDE, 4);
    kn_global_avg_pool(&n, "pool", kn_conv2d(&n, "odd", 0, 4, 2, 1, 0, true, KN_INIT_WHITEN));
    assert_int_equal(kn_net_finish(&n, NULL), 0);
    assert_int_equal(tr_whiten(&n, &images, &row, 1, mean, std, NULL, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "odd.weight"));
    kn_net_release(&n);
}

/* A convolution that is the identity, for as many channels as go in. */
static void identity(void **state)
{
    struct kn_state s = {0};
    struct kn_net n;

    (void)state;
    build(&n);
    s.weights = calloc(n.n_weights, sizeof(float));
    tr_init_state(&n, 3, 0, 0, &s);
    for (int op = 1; op < 3; op++) {
        const struct kn_param *p = &n.param[n.op[op].weight];
        int row = p->dims[1] * 9, same = p->dims[0] < p->dims[1] ? p->dims[0] : p->dims[1];

        for (int i = 0; i < (int)p->count; i++) {
            int o = i / row, at = i % row;
            float w = s.weights[p->offset + (size_t)i];

            if (o < same)
                assert_true(w == (at == o * 9 + 4 ? 1.0f : 0.0f));
            else
                assert_true(w != 0 && fabsf(w) <= 1 / sqrtf((float)row));
        }
    }
    free(s.weights);
    kn_net_release(&n);
}

/* Matrices whose eigenvectors are known: degenerate ones too. */
static void eigen(void **state)
{
    double a[9] = {2, 1, 0, 1, 2, 0, 0, 0, 3}, zero[4] = {0}, value[3], v[9];

    (void)state;
    tr_eigen(a, 3, value, v);
    assert_near(value[0], 3, 1e-14);
    assert_near(value[1], 3, 1e-14);
    assert_near(value[2], 1, 1e-14);
    assert_near(v[6] * v[6], 0.5, 1e-14);
    assert_near(v[6] + v[7], 0, 1e-14);
    tr_eigen(zero, 2, value, v);
    assert_near(value[0], 0, 0);
    assert_near(v[0] * v[3] - v[1] * v[2], 1, 1e-14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whitens),  cmocka_unit_test(one_colour), cmocka_unit_test(refused),
        cmocka_unit_test(identity), cmocka_unit_test(eigen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
