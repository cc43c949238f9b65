/* The sampler that chooses: what it chose is what it does, and it says so. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "spaces.h"

extern const struct sampler_ops sampler_auto, sampler_gp, sampler_tpe;

static struct arena arena;

static int teardown(void **state)
{
    arena_release(&arena);
    return 0;
}

static struct hpo_space *numbers(int n)
{
    struct hpo_param p[64];

    for (int i = 0; i < n; i++)
        p[i] = real_param(arena_printf(&arena, "x%d", i), 0, 1, 0, false);
    return make_space(&arena, p, n);
}

static void open_on(struct sampler *ret, const struct sampler_ops *ops, struct hpo_space *space,
                    int trials)
{
    struct sampler_study study = {.space = space, .seed = 3, .trials = trials, .parallel = 2};

    assert_int_equal(sampler_open(ret, ops, NULL, &study, &arena, NULL), 0);
}

/* The same proposals as the other sampler for n trials, after `before` that both know. */
static void check_same(struct hpo_space *space, const struct sampler_ops *other, int trials,
                       int before, int n)
{
    struct past past = {.h.space = space};
    struct sampler a, b;
    double x[64], y[64];

    open_on(&a, &sampler_auto, space, trials);
    open_on(&b, other, space, trials);
    for (int i = 0; i < before; i++) {
        struct hpo_rng r = hpo_rng_for(1, i, -1, "before", 0);

        for (int j = 0; j < space->n; j++)
            x[j] = hpo_param_decode(&space->params[j], hpo_rng_uniform(&r));
        past_add(&past, space, x, HPO_TRIAL_COMPLETE);
    }
    for (int i = 0; i < n; i++) {
        assert_int_equal(sampler_next(&a, &past.h, &past.h, x, NULL), 0);
        assert_int_equal(sampler_next(&b, &past.h, &past.h, y, NULL), 0);
        assert_memory_equal(x, y, sizeof(double) * (size_t)space->n);
        past_add(&past, space, x, HPO_TRIAL_COMPLETE);
    }
    sampler_close(&a);
    sampler_close(&b);
    past_release(&past);
}

static void test_few_trials(void **state)
{
    check_same(numbers(2), &sampler_gp, 60, 0, 15);
}

static void test_many_trials(void **state)
{
    check_same(numbers(2), &sampler_gp, 1000, 0, 12);
    check_same(numbers(2), &sampler_tpe, 1000, 200, 5);
    check_same(numbers(2), &sampler_gp, 200, 195, 4); /* not many in all: no change */
}

static void test_wide_space(void **state)
{
    check_same(numbers(40), &sampler_tpe, 60, 20, 5);
}

static const char *said(struct hpo_space *space, int trials)
{
    struct sampler s;
    const char *ret;

    open_on(&s, &sampler_auto, space, trials);
    ret = arena_strdup(&arena, sampler_auto.describe(&s));
    sampler_close(&s);
    return ret;
}

static void test_says_what(void **state)
{
    assert_non_null(strstr(said(numbers(3), 50), "auto: gp, for a space of 3 parameters"));
    assert_non_null(strstr(said(numbers(1), 1), "1 parameter ("));
    assert_non_null(strstr(said(numbers(3), 500), "and tpe when 200 results are in"));
    assert_non_null(strstr(said(numbers(40), 50), "auto: tpe"));
    assert_non_null(strstr(said(conditional_space(&arena), 50), "with a condition"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_trials),
        cmocka_unit_test(test_many_trials),
        cmocka_unit_test(test_wide_space),
        cmocka_unit_test(test_says_what),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
