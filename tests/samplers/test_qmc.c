#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "samplers/math/halton.h"
#include "samplers/math/sobol.h"
#include "spaces.h"

static struct arena arena;

static void open_qmc(struct sampler *ret, const struct hpo_space *space, uint64_t seed,
                     const char *type, const char *scramble)
{
    const struct sampler_ops *ops = hpo_registry_find((const void *const *)sampler_registry, "qmc");
    void *priv = arena_alloc(&arena, ops->plugin.priv_size);

    hpo_opt_defaults(ops->plugin.opts, priv, &arena);
    assert_int_equal(
        hpo_opt_set(hpo_opt_find(ops->plugin.opts, "qmc_type"), priv, type, &arena, NULL), 0);
    assert_int_equal(
        hpo_opt_set(hpo_opt_find(ops->plugin.opts, "scramble"), priv, scramble, &arena, NULL), 0);
    assert_int_equal(sampler_open(ret, ops, priv,
                                  &(struct sampler_study){.space = space, .seed = seed}, &arena,
                                  NULL),
                     0);
}

/* Trial number i of a study in which nothing else is known. */
static void ask(struct sampler *s, int i, double *ret)
{
    struct hpo_history h = {.space = s->space, .next = i};

    assert_int_equal(sampler_next(s, &h, &h, ret, NULL), 0);
}

/* Each parameter takes the next coordinate of the trial's point; one that has a single value takes
 * none, and one that is inactive keeps its own. */
static void test_coordinates(void **state)
{
    struct hpo_param p[] = {choice_param("c", 4), int_param("fixed", 3, 3, 1, false),
                            real_param("x", 0, 1, 0, false), int_param("n", 0, 7, 1, false)};
    const double two = 2;
    struct hpo_space *space;
    struct sampler sobol, halton;
    uint32_t primes[3];

    add_when(&arena, &p[2], 0, &two, 1);
    space = make_space(&arena, p, 4);
    open_qmc(&sobol, space, 1, "sobol", "false");
    open_qmc(&halton, space, 1, "halton", "false");
    halton_primes(3, primes);
    for (int i = 0; i < 200; i++) {
        double v[4], u[3];

        sobol_point((uint32_t)i, 3, NULL, u);
        ask(&sobol, i, v);
        assert_true(v[0] == floor(u[0] * 4) && v[1] == 3 && v[3] == floor(u[2] * 8));
        assert_true(v[0] == 2 ? v[2] == u[1] : isnan(v[2]));
        halton_point((uint32_t)i, 3, primes, NULL, u);
        ask(&halton, i, v);
        assert_true(v[0] == floor(u[0] * 4) && v[3] == floor(u[2] * 8));
    }
    sampler_close(&sobol);
    sampler_close(&halton);
}

/* 2^m trials: each choice, and each of 2^m intervals, equally often, for every seed; from trial 0
 * and from any multiple of 2^m on. */
static void test_shares(void **state)
{
    struct hpo_param p[] = {choice_param("c", 8), real_param("x", 0, 1, 0, false),
                            real_param("y", 1, 16, 0, true)};
    struct hpo_space *space = make_space(&arena, p, 3);

    for (uint64_t seed = 0; seed < 6; seed++) {
        int choices[8] = {0}, x[64] = {0}, y[64] = {0};
        struct sampler s;

        open_qmc(&s, space, seed, "sobol", "true");
        for (int i = 0; i < 64; i++) {
            double v[3];

            ask(&s, 64 * (int)seed + i, v);
            choices[(int)v[0]]++;
            x[(int)(v[1] * 64)]++;
            y[(int)(log2(v[2]) / 4 * 64)]++;
        }
        for (int k = 0; k < 64; k++) {
            assert_int_equal(choices[k / 8], 8);
            assert_true(x[k] == 1 && y[k] == 1);
        }
        sampler_close(&s);
    }
}

/* Scrambling hangs on the seed, the plain sequence does not and starts in the corner. */
static void test_seed(void **state)
{
    struct hpo_param p[] = {real_param("x", 2, 3, 0, false), real_param("y", -1, 3, 0, false)};
    struct hpo_space *space = make_space(&arena, p, 2);
    static const char *const types[] = {"sobol", "halton"};

    for (int t = 0; t < 2; t++)
        for (int scramble = 0; scramble < 2; scramble++) {
            struct sampler a, b;
            double u[2], v[2];

            open_qmc(&a, space, 1, types[t], scramble ? "true" : "false");
            open_qmc(&b, space, 2, types[t], scramble ? "true" : "false");
            ask(&a, 0, u);
            assert_int_equal(u[0] == 2 && u[1] == -1, !scramble);
            for (int i = 0; i < 10; i++) {
                ask(&a, i, u);
                ask(&b, i, v);
                assert_int_equal(!memcmp(u, v, sizeof(u)), !scramble);
            }
            sampler_close(&a);
            sampler_close(&b);
        }
}

/* What was tried already gives way to a point of another scrambling, the same one each time. */
static void test_repeats(void **state)
{
    struct hpo_param p = int_param("n", 0, 63, 1, false);
    struct hpo_space *space = make_space(&arena, &p, 1);
    struct past past = {.h.space = space};
    bool seen[64] = {false};
    struct sampler s;

    open_qmc(&s, space, 1, "sobol", "false");
    for (int i = 0; i < 64; i++) {
        double v, again;
        struct hpo_history h = past.h;

        h.next = i / 2; /* so every point comes twice */
        assert_int_equal(sampler_next(&s, &h, &h, &v, NULL), 0);
        assert_int_equal(sampler_next(&s, &h, &h, &again, NULL), 0);
        assert_true(v == again && !seen[(int)v]);
        seen[(int)v] = true;
        past_add(&past, space, &v, HPO_TRIAL_COMPLETE);
    }
    sampler_close(&s);
    past_release(&past);
}

/* More parameters than the table has directions for: the rest is random, and the log says so. */
static void test_many(void **state)
{
    enum { N = SOBOL_MAX + 2 };
    struct hpo_param p[N];
    struct hpo_space *space;
    double v[N], first[2] = {-1, -1};
    struct sampler s;

    for (int i = 0; i < N; i++)
        p[i] = real_param("x", 0, 1, 0, false);
    space = make_space(&arena, p, N);
    open_qmc(&s, space, 1, "sobol", "false");
    assert_non_null(strstr(s.ops->describe(&s), "the other 2 are drawn at random"));
    for (int i = 1; i < 3; i++) {
        ask(&s, i, v);
        assert_true(v[SOBOL_MAX - 1] == (i == 1 ? .5 : v[SOBOL_MAX - 1]));
        assert_true(v[SOBOL_MAX] != first[0] && v[SOBOL_MAX + 1] != first[1]);
        memcpy(first, v + SOBOL_MAX, sizeof(first));
    }
    sampler_close(&s);
    open_qmc(&s, space, 1, "halton", "true");
    assert_null(s.ops->describe(&s));
    ask(&s, 1, v);
    sampler_close(&s);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coordinates), cmocka_unit_test(test_shares),
        cmocka_unit_test(test_seed),        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
