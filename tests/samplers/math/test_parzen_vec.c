/* The loops of every instruction set that this machine has: the same bits, and right. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "samplers/math/parzen_vec.h"

#define N 64

static const struct parzen_vec *sets[3];
static int n_sets;

static int setup(void **state)
{
    sets[n_sets++] = &parzen_vec_portable;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        sets[n_sets++] = &parzen_vec_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        sets[n_sets++] = &parzen_vec_avx512;
#endif
    assert_ptr_equal(parzen_vec_pick(), sets[n_sets - 1]);
    return 0;
}

static void test_exp(void **state)
{
    struct hpo_rng rng = hpo_rng_for(1, -1, -1, "test", 0);
    double worst = 0;

    for (int round = 0; round < 2000; round++) {
        double x[N], y[3][N];

        for (int i = 0; i < N; i++)
            x[i] = round % 2 ? -708 * hpo_rng_uniform(&rng) : 3 * hpo_rng_uniform(&rng) - 2;
        x[0] = -1e30;
        x[1] = 0;
        for (int k = 0; k < n_sets; k++) {
            sets[k]->exps(x, y[k], N);
            assert_memory_equal(y[k], y[0], sizeof(y[0]));
        }
        assert_true(y[0][0] > 0 && y[0][0] < 1e-307);
        assert_true(y[0][1] == 1);
        for (int i = 1; i < N; i++)
            worst = fmax(worst, fabs(y[0][i] / exp(x[i]) - 1));
    }
    print_message("exp: off by at most %.2f of DBL_EPSILON\n", worst / DBL_EPSILON);
    assert_true(worst < 2 * DBL_EPSILON);
}

struct kernels {
    double mu[N], inv[N], norm[N], constant[N], weight[N], row[9];
    int32_t group[N];
};

static struct kernels make(struct hpo_rng *rng)
{
    struct kernels k;

    for (int i = 0; i < N; i++) {
        k.mu[i] = hpo_rng_uniform(rng);
        k.inv[i] = exp(4 * hpo_rng_uniform(rng));
        k.norm[i] = hpo_rng_uniform(rng) - log(k.inv[i]);
        k.constant[i] = 6 * hpo_rng_uniform(rng);
        k.weight[i] = i < N - 5 ? hpo_rng_uniform(rng) : 0;
        k.group[i] = (int32_t)hpo_rng_below(rng, 9);
    }
    for (int g = 0; g < 9; g++)
        k.row[g] = -5 * hpo_rng_uniform(rng);
    return k;
}

/* The mass of a narrow cell by definition, over its width. */
static double cell(const struct kernels *k, int i, double x, double width)
{
    double a = (x - width / 2 - k->mu[i]) * k->inv[i], b = (x + width / 2 - k->mu[i]) * k->inv[i];
    double mass = (x < k->mu[i] ? erfc(-b) - erfc(-a) : erfc(a) - erfc(b)) / 2;

    return mass / width * sqrt(2 * M_PI) / (k->inv[i] * M_SQRT2) * exp(-k->norm[i]);
}

/* Two normals, a table and a narrow cell. */
static void test_log_sum(void **state)
{
    struct hpo_rng rng = hpo_rng_for(2, -1, -1, "test", 0);

    for (int round = 0; round < 200; round++) {
        struct kernels k = make(&rng), l = make(&rng);
        struct parzen_normal normals[] = {{k.mu, k.inv, 0.3}, {l.mu, l.inv, 0.7}};
        struct parzen_lookup lookup = {k.group, k.row};
        struct parzen_cell narrow = {l.mu, k.inv, l.norm, 0.4, 0.125 / 80};
        struct parzen_point p = {N,         k.constant, k.weight, 2,      1,
                                 round % 2, normals,    &lookup,  &narrow};
        double scratch[2 * N], sum = 0, first = 0;
        float extra[3][N];

        narrow.inv = k.inv;
        for (int i = 0; i < N; i++) {
            double z0 = (0.3 - k.mu[i]) * k.inv[i], z1 = (0.7 - l.mu[i]) * l.inv[i];
            struct kernels c = k;

            c.mu[i] = l.mu[i];
            c.norm[i] = l.norm[i];
            sum += k.weight[i] * exp(k.constant[i] - z0 * z0 - z1 * z1 + k.row[k.group[i]]) *
                   (round % 2 ? cell(&c, i, 0.4, narrow.width) : 1);
        }
        for (int s = 0; s < n_sets; s++) {
            double ret = sets[s]->log_sum(&p, scratch);

            first = s ? first : ret;
            assert_true(ret == first);
            assert_true(fabs(ret - log(sum)) < 1e-9);
            memset(extra[s], 0, sizeof(extra[s]));
            sets[s]->extra_lookup(&lookup, 0, N, extra[s]);
            sets[s]->extra_cell(&narrow, 0, N, extra[s]);
            for (int i = 0; i < N; i++) {
                struct kernels c = k;

                c.mu[i] = l.mu[i];
                c.norm[i] = l.norm[i];
                if (cell(&c, i, 0.4, narrow.width) > 1e-20)
                    assert_true(fabs((double)extra[s][i] - k.row[k.group[i]] -
                                     log(cell(&c, i, 0.4, narrow.width))) < 1e-3);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp),
        cmocka_unit_test(test_log_sum),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
