#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "samplers/math/cma.h"

static struct arena arena;

/* By the library `cmaes` 0.13 (as 0.12): CMA's constants for some d and population. */
static void test_rates(void **state)
{
    static const struct {
        int d, lambda;
        double mu_eff, c_sigma, d_sigma, c_c, c_1, c_mu, first, last;
    } rows[] = {
        {4, 8, 2.6001788261131793, 0.39656102677983807, 1.3965610267798381, 0.5,
         0.065167427382282678, 0.051023999832594459, 0.52993018447877915, -0.92907229565879657},
        {1, 4, 1.459789888852586, 0.46379186818956736, 1.4637918681895674, 0.68940398886096577,
         0.29630551956928919, 0.027690800889192044, 0.80416285993272951, -1.4178775938207919},
        {10, 40, 11.30948208893226, 0.50588156938791373, 1.5058815693879137, 0.3155196710809971,
         0.014388542820040108, 0.12102163166531006, 0.16712470149808076, -0.063030234207000699},
    };

    assert_int_equal(cma_population(1), 4);
    assert_int_equal(cma_population(5), 8);
    assert_int_equal(cma_population(10), 10);
    for (int k = 0; k < 3; k++) {
        const struct cma_rates *r = cma_rates_new(&arena, rows[k].d, rows[k].lambda);

        assert_float_equal(r->mu_eff, rows[k].mu_eff, 1e-12);
        assert_float_equal(r->c_sigma, rows[k].c_sigma, 1e-12);
        assert_float_equal(r->d_sigma, rows[k].d_sigma, 1e-12);
        assert_float_equal(r->c_c, rows[k].c_c, 1e-12);
        assert_float_equal(r->c_1, rows[k].c_1, 1e-12);
        assert_float_equal(r->c_mu, rows[k].c_mu, 1e-12);
        assert_float_equal(r->weights[0], rows[k].first, 1e-12);
        assert_float_equal(r->weights[rows[k].lambda - 1], rows[k].last, 1e-12);
    }
}

struct scored {
    double f, x[10];
};

static int rising(const void *a, const void *b)
{
    double x = ((const struct scored *)a)->f, y = ((const struct scored *)b)->f;

    return (x > y) - (x < y);
}

static double ellipsoid(const double *x, int d)
{
    double sum = 0;

    for (int i = 0; i < d; i++)
        sum += pow(10, i) * (x[i] - .3) * (x[i] - .3);
    return sum;
}

static void update_sorted(struct cma *c, const struct cma_rates *r, struct scored *s)
{
    double *points = arena_alloc(&arena, sizeof(double) * (size_t)r->d * (size_t)r->lambda);

    qsort(s, (size_t)r->lambda, sizeof(*s), rising);
    for (int k = 0; k < r->lambda; k++)
        memcpy(points + k * r->d, s[k].x, sizeof(double) * (size_t)r->d);
    cma_update(c, r, points);
    assert_int_equal(cma_factor(c, NULL), 0);
}

/* The same points and values told to the library `cmaes`: where its distribution is after one and
 * after three generations. */
static void test_library(void **state)
{
    static const struct {
        int generation;
        double sigma, mean[4], cov[10];
    } want[] = {
        {1,
         0.14501756958108469,
         {0.55809137294372058, 0.52489726200940845, 0.56146571291618386, 0.58767864700949413},
         {1.0084292543178139, 0.082257120965802163, 0.93520861129200406, 0.037885810232124756,
          0.0069091152710448744, 0.92009104409742903, 0.040802027772402334, 0.0019707632087790465,
          -0.024930213443194519, 0.84551406256997519}},
        {3,
         0.15444456757062011,
         {0.45529147350339538, 0.39320086737782484, 0.31137219281805839, 0.32135202747980551},
         {0.85826494983243351, 0.23123854889433745, 0.83490575665693867, 0.17662715313383626,
          0.12410188839571665, 1.0652223785303248, 0.21879151499632865, 0.19162580846838712,
          0.30915357703345292, 1.1691796737175451}},
    };
    const double middle[] = {.5, .5, .5, .5};
    const struct cma_rates *r = cma_rates_new(&arena, 4, 8);
    struct cma *c = cma_new(4);
    struct scored s[8];

    cma_start(c, middle, 1.0 / 6);
    for (int g = 0; g < 3; g++) {
        for (int k = 0; k < 8; k++) {
            for (int i = 0; i < 4; i++)
                s[k].x[i] = .5 - .05 * g + .16 * sin(7 * g + 3 * k + 5 * i + k * i);
            s[k].f = ellipsoid(s[k].x, 4);
        }
        update_sorted(c, r, s);
        for (int w = 0; w < 2; w++)
            if (want[w].generation == g + 1) {
                const double *cov = want[w].cov;

                assert_float_equal(c->sigma, want[w].sigma, 1e-12);
                for (int i = 0; i < 4; i++) {
                    assert_float_equal(c->mean[i], want[w].mean[i], 1e-12);
                    for (int j = 0; j <= i; j++, cov++) {
                        assert_float_equal(c->cov[i * 4 + j], *cov, 1e-12);
                        assert_float_equal(c->cov[j * 4 + i], *cov, 1e-12);
                    }
                }
            }
    }
    cma_free(c);
}

/* root times root is the covariance, and inverse is root's. */
static void assert_factors(const struct cma *c)
{
    int d = c->d;

    for (int i = 0; i < d; i++)
        for (int j = 0; j < d; j++) {
            double square = 0, one = 0;

            for (int k = 0; k < d; k++) {
                square += c->root[i * d + k] * c->root[k * d + j];
                one += c->root[i * d + k] * c->inverse[k * d + j];
            }
            assert_float_equal(square, c->cov[i * d + j], 1e-9 * (1 + fabs(square)));
            assert_float_equal(one, i == j, 1e-6);
        }
}

/* A badly scaled valley, without bounds: linear convergence, and the covariance learns its shape.
 */
static void test_converges(void **state)
{
    const struct cma_rates *r = cma_rates_new(&arena, 5, 8);

    for (int seed = 0; seed < 5; seed++) {
        struct hpo_rng rng = hpo_rng_for((uint64_t)seed, -1, -1, "test", 0);
        const double zero[5] = {0};
        struct cma *c = cma_new(5);
        struct scored s[8];
        int g = 0;

        cma_start(c, zero, .3);
        do {
            for (int k = 0; k < 8; k++) {
                cma_sample(c, 1, &rng, s[k].x);
                s[k].f = ellipsoid(s[k].x, 5);
            }
            update_sorted(c, r, s);
            assert_factors(c);
        } while (s[0].f > 1e-8 && ++g < 300);
        print_message("1e-8 after %d evaluations\n", g * 8);
        assert_true(g < 200);
        assert_true(cma_std(c, 0) > 20 * cma_std(c, 4)); /* 100 were exact */
        cma_free(c);
    }
}

/* A point from far away counts as one at the edge of what is believed. */
static void test_injected(void **state)
{
    const double zero[2] = {0};
    const struct cma_rates *r = cma_rates_new(&arena, 2, 4);
    double far[8] = {1e9, 0, 0, .1, .1, 0, -.1, 0}, near[8];
    struct cma *a = cma_new(2), *b = cma_new(2);

    memcpy(near, far, sizeof(far));
    near[0] = r->reach * .5;
    cma_start(a, zero, .5);
    cma_start(b, zero, .5);
    cma_update(a, r, far);
    cma_update(b, r, near);
    assert_float_equal(a->mean[0], b->mean[0], 1e-12);
    assert_float_equal(a->sigma, b->sigma, 1e-12);
    for (int i = 0; i < 4; i++)
        assert_float_equal(a->cov[i], b->cov[i], 1e-9);
    cma_free(a);
    cma_free(b);
}

static void test_widen(void **state)
{
    const double zero[3] = {0};
    struct cma *c = cma_new(3);
    double correlation;

    cma_start(c, zero, 1e-3);
    c->cov[1] = c->cov[3] = .5;
    correlation = c->cov[1] / sqrt(c->cov[0] * c->cov[4]);
    cma_widen(c, 0, 1e-4); /* it is wider already */
    assert_float_equal(cma_std(c, 0), 1e-3, 1e-15);
    cma_widen(c, 1, 5);
    assert_int_equal(cma_factor(c, NULL), 0);
    assert_factors(c);
    assert_float_equal(cma_std(c, 0), 1e-3, 1e-12);
    assert_float_equal(cma_std(c, 1), 5, 1e-9);
    assert_float_equal(cma_std(c, 2), 1e-3, 1e-12);
    assert_float_equal(c->cov[1] / sqrt(c->cov[0] * c->cov[4]), correlation, 1e-12);
    cma_free(c);
}

static void test_degenerate(void **state)
{
    const double zero[2] = {0};
    struct hpo_err err = {0};
    struct cma *c = cma_new(2);

    cma_start(c, zero, 1);
    c->cov[0] = -.1; /* indefinite: mended */
    assert_int_equal(cma_factor(c, &err), 0);
    assert_true(c->cov[0] > 0 && isfinite(c->inverse[0]));
    c->cov[0] = NAN;
    assert_int_equal(cma_factor(c, &err), HPO_ENUMERIC);
    assert_true(err.msg[0] != '\0');
    cma_free(c);
    cma_free(NULL);
}

/* The draws have the mean and the covariance that they should. */
static void test_sample(void **state)
{
    const double mean[2] = {1, -2};
    struct hpo_rng rng = hpo_rng_for(1, -1, -1, "test", 0);
    double x[2], m[2] = {0}, v[3] = {0};
    struct cma *c = cma_new(2);

    cma_start(c, mean, .5);
    c->cov[1] = c->cov[2] = .8;
    assert_int_equal(cma_factor(c, NULL), 0);
    for (int k = 0; k < 20000; k++) {
        cma_sample(c, 2, &rng, x);
        for (int i = 0; i < 2; i++)
            m[i] += x[i] / 20000;
        v[0] += pow(x[0] - 1, 2) / 20000;
        v[1] += (x[0] - 1) * (x[1] + 2) / 20000;
        v[2] += pow(x[1] + 2, 2) / 20000;
    }
    assert_float_equal(m[0], 1, .03);
    assert_float_equal(m[1], -2, .03);
    assert_float_equal(v[0], 1, .05);
    assert_float_equal(v[1], .8, .05);
    assert_float_equal(v[2], 1, .05);
    cma_free(c);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),     cmocka_unit_test(test_library),
        cmocka_unit_test(test_converges), cmocka_unit_test(test_injected),
        cmocka_unit_test(test_widen),     cmocka_unit_test(test_degenerate),
        cmocka_unit_test(test_sample),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
