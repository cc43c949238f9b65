#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "spaces.h"

static struct arena arena;

/* A sampler under the test's control. */
struct fake {
    int fixed; /* an option */
    int calls, released;
};

static int fake_init(struct sampler *s, struct hpo_err *err)
{
    struct fake *f = s->priv;

    return f->fixed < 0 ? hpo_fail(err, HPO_ECONFIG, "no") : 0;
}

/* The same cell always: the worst that can happen to the search for a new one. */
static int fake_suggest(struct sampler *s, const struct hpo_history *h, struct hpo_rng *rng,
                        int attempt, double *ret_values, struct hpo_err *err)
{
    struct fake *f = s->priv;

    f->calls++;
    for (int i = 0; i < s->space->n; i++)
        ret_values[i] = f->fixed;
    return 0;
}

static int n_released;

static void fake_release(struct sampler *s)
{
    n_released++;
}

static const struct hpo_opt fake_opts[] = {
    HPO_OPT(INT, struct fake, fixed, "fixed", "1", -10, 10, 0, "value"),
    {0},
};
static const struct sampler_ops fake = {
    .plugin = {.name = "fake", .help = "", .priv_size = sizeof(struct fake), .opts = fake_opts},
    .init = fake_init,
    .suggest = fake_suggest,
    .release = fake_release,
};

static void test_open(void **state)
{
    struct hpo_param p = int_param("x", 0, 9, 1, false);
    struct hpo_space *s = make_space(&arena, &p, 1);
    struct sampler sampler = {0}, empty = {0};
    struct fake options = {.fixed = 5};
    struct hpo_err err;

    n_released = 0;
    sampler_close(&sampler);
    assert_int_equal(sampler_open(&sampler, &fake, NULL,
                                  &(struct sampler_study){.space = s, .seed = 1}, &arena, &err),
                     0);
    assert_int_equal(((struct fake *)sampler.priv)->fixed, 1);
    sampler_close(&sampler);
    assert_int_equal(n_released, 1);
    assert_int_equal(sampler_open(&sampler, &fake, &options,
                                  &(struct sampler_study){.space = s, .seed = 1}, &arena, &err),
                     0);
    assert_int_equal(((struct fake *)sampler.priv)->fixed, 5);
    assert_ptr_not_equal(sampler.priv, &options);
    sampler_close(&sampler);
    options.fixed = -1;
    assert_int_equal(sampler_open(&sampler, &fake, &options,
                                  &(struct sampler_study){.space = s, .seed = 1}, &arena, &err),
                     HPO_ECONFIG);
    assert_string_equal(err.msg, "no");
    assert_memory_equal(&sampler, &empty, sizeof(empty));
    assert_int_equal(n_released, 3);
}

/* A stubborn sampler over ten cells: every cell once, then the end, in words. */
static void test_exhausts(void **state)
{
    struct hpo_param p = int_param("x", 0, 9, 1, false);
    struct hpo_space *s = make_space(&arena, &p, 1);
    struct sampler sampler;
    struct past past = {0};
    struct hpo_err err;
    unsigned seen = 0;
    double v = -5;

    past.h.space = s;
    sampler_open(&sampler, &fake, NULL, &(struct sampler_study){.space = s, .seed = 1}, &arena,
                 NULL);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(sampler_next(&sampler, &past.h, &past.h, &v, &err), 0);
        assert_true(hpo_space_contains(s, &v));
        assert_int_equal(seen >> (int)v & 1, 0);
        seen |= 1u << (int)v;
        /* Whatever became of it, it was tried. */
        past_add(&past, s, &v, (enum hpo_trial_state)(i % 5));
    }
    v = -5;
    assert_int_equal(sampler_next(&sampler, &past.h, &past.h, &v, &err), HPO_EDONE);
    assert_string_equal(err.msg, "all 10 configurations of the space were tried");
    assert_true(v == -5);
    sampler_close(&sampler);
    past_release(&past);
}

/* The cells that are left are equally likely when luck has run out. */
static void test_fallback_uniform(void **state)
{
    struct hpo_param p = int_param("x", 0, 9, 1, false);
    struct hpo_space *s = make_space(&arena, &p, 1);
    int count[10] = {0};
    double v;

    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct sampler sampler;
        struct past past = {0};

        sampler_open(&sampler, &fake, NULL, &(struct sampler_study){.space = s, .seed = seed},
                     &arena, NULL);
        v = 1;
        past_add(&past, s, &v, HPO_TRIAL_COMPLETE);
        v = 7;
        past_add(&past, s, &v, HPO_TRIAL_FAIL);
        assert_int_equal(sampler_next(&sampler, &past.h, &past.h, &v, NULL), 0);
        count[(int)v]++;
        sampler_close(&sampler);
        past_release(&past);
    }
    assert_int_equal(count[1] + count[7], 0);
    for (int i = 0; i < 10; i++)
        if (i != 1 && i != 7)
            assert_true(abs(count[i] - 375) < 75);
}

static void test_single(void **state)
{
    struct hpo_space *s = make_space(&arena, NULL, 0);
    struct sampler sampler;
    struct past past = {0};
    struct hpo_err err;
    double none[1];

    past.h.space = s;
    sampler_open(&sampler, &fake, NULL, &(struct sampler_study){.space = s, .seed = 1}, &arena,
                 NULL);
    assert_int_equal(sampler_next(&sampler, &past.h, &past.h, none, &err), 0);
    past_add(&past, s, none, HPO_TRIAL_COMPLETE);
    assert_int_equal(sampler_next(&sampler, &past.h, &past.h, none, &err), HPO_EDONE);
    assert_string_equal(err.msg, "the only configuration of the space was tried");
    sampler_close(&sampler);
    past_release(&past);
}

/* In an infinite space a sampler that insists gets its way, after it was asked often enough. */
static void test_infinite(void **state)
{
    struct hpo_param p = real_param("x", 0, 9, 0, false);
    struct hpo_space *s = make_space(&arena, &p, 1);
    struct sampler sampler;
    struct past past = {0};
    double v = 1;

    sampler_open(&sampler, &fake, NULL, &(struct sampler_study){.space = s, .seed = 1}, &arena,
                 NULL);
    past_add(&past, s, &v, HPO_TRIAL_COMPLETE);
    assert_int_equal(sampler_next(&sampler, &past.h, &past.h, &v, NULL), 0);
    assert_true(v == 1);
    assert_int_equal(((struct fake *)sampler.priv)->calls, 64);
    sampler_close(&sampler);
    past_release(&past);
}

static void test_outside(void **state)
{
    struct hpo_param p = real_param("x", 2, 9, 0, false);
    struct hpo_space *s = make_space(&arena, &p, 1);
    struct hpo_history h = {.space = s};
    struct sampler sampler;
    struct hpo_err err;
    double v = -5;

    sampler_open(&sampler, &fake, NULL, &(struct sampler_study){.space = s, .seed = 1}, &arena,
                 NULL);
    assert_int_equal(sampler_next(&sampler, &h, &h, &v, &err), HPO_ENUMERIC);
    assert_non_null(strstr(err.msg, "fake"));
    assert_true(v == -5);
    sampler_close(&sampler);
}

/* The cache never answers for a history that it has not seen: another one of the same length, a
 * shorter one, one with foreign values. */
static void test_other_histories(void **state)
{
    struct hpo_param p = int_param("x", 0, 2, 1, false);
    struct hpo_space *s = make_space(&arena, &p, 1);
    static const double rows[][3] = {{0, 1, 2}, {2, 2, 2}, {0, 1, NAN}, {0, 17, 1}, {0, 1, 2}};
    static const int done[] = {1, 0, 0, 0, 1};
    struct sampler warm;
    struct hpo_err err;

    sampler_open(&warm, &fake, NULL, &(struct sampler_study){.space = s, .seed = 1}, &arena, NULL);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < HPO_LEN(rows); i++)
            for (int n = 0; n <= 3; n++) {
                struct past past = {0};
                struct sampler cold;
                double a = -1, b = -1;
                int rc;

                past.h.space = s;
                for (int k = 0; k < n; k++)
                    past_add(&past, s, &rows[i][k], HPO_TRIAL_COMPLETE);
                sampler_open(&cold, &fake, NULL, &(struct sampler_study){.space = s, .seed = 1},
                             &arena, NULL);
                rc = sampler_next(&warm, &past.h, &past.h, &a, &err);
                assert_int_equal(rc, sampler_next(&cold, &past.h, &past.h, &b, &err));
                assert_int_equal(rc, n == 3 && done[i] ? HPO_EDONE : 0);
                assert_memory_equal(&a, &b, sizeof(a));
                sampler_close(&cold);
                past_release(&past);
            }
    sampler_close(&warm);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_exhausts),
        cmocka_unit_test(test_fallback_uniform),
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_infinite),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_other_histories),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
