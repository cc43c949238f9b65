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

static const struct sampler_ops *ops(void)
{
    return hpo_registry_find((const void *const *)sampler_registry, "random");
}

/* Value number `trial` of a study with this seed. */
static void draw(const struct hpo_space *s, uint64_t seed, int trial, double *ret)
{
    struct hpo_rng rng = hpo_rng_for(seed, trial, -1, "sample", 0);
    struct hpo_history h = {.space = s, .next = trial};
    struct sampler sampler = {.ops = ops(), .space = s, .seed = seed};

    assert_int_equal(ops()->suggest(&sampler, &h, &rng, 0, ret, NULL), 0);
}

/* Parameters are independent: the pairs of two discrete ones are equally likely. */
static void test_independent(void **state)
{
    struct hpo_param p[] = {choice_param("a", 4), real_param("b", 0, 0.4, 0.1, false)};
    struct hpo_space *s = make_space(&arena, p, 2);
    int count[20] = {0};
    double v[2], sum = 0;

    for (int i = 0; i < 20000; i++) {
        draw(s, 3, i, v);
        count[(int)v[0] * 5 + (int)(v[1] * 10 + 0.5)]++;
    }
    for (int i = 0; i < 20; i++)
        sum += pow(count[i] - 1000, 2) / 1000;
    assert_true(sum < 43.8); /* 19 degrees of freedom, p = 0.001 */
}

/* A conditional parameter has its own distribution when it is active, and is masked when not. */
static void test_conditional(void **state)
{
    const struct hpo_space *s = conditional_space(&arena);
    int active = 0, low = 0;
    double v[5];

    for (int i = 0; i < 6000; i++) {
        draw(s, 4, i, v);
        assert_true(hpo_space_contains(s, v));
        assert_int_equal(isnan(v[0]), v[2] != 0);
        active += !isnan(v[1]);
        low += v[1] == 1;
    }
    assert_true(abs(active - 1000) < 100);
    assert_true(abs(low - active / 2) < 60);
}

static void test_named_streams(void **state)
{
    struct hpo_param p = real_param("x", 0, 1, 0, false);
    struct hpo_space *s = make_space(&arena, &p, 1);
    double a, b, c;

    draw(s, 42, 7, &a);
    draw(s, 42, 8, &b);
    draw(s, 43, 7, &c);
    assert_true(a != b && a != c);
    draw(s, 42, 7, &b);
    assert_true(a == b);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_independent),
        cmocka_unit_test(test_conditional),
        cmocka_unit_test(test_named_streams),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
