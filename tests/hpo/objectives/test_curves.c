#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "base/rng.h"
#include "hpo/objectives/curves.h"
#include "spaces.h"

#define STEPS 30
#define assert_near(a, b, eps) assert_true(fabs((a) - (b)) <= (eps))

static struct hpo_space *two(struct arena *a)
{
    const struct hpo_param p[] = {
        real_param("x", 0, 1, 0, false),
        real_param("lr", 1e-5, 1, 0, true),
    };

    return make_space(a, p, 2);
}

static void draw(const struct hpo_space *s, int i, double *ret)
{
    struct hpo_rng rng = hpo_rng_for(8, i, -1, "test", 0);

    for (int j = 0; j < s->n; j++)
        ret[j] = hpo_param_decode(&s->params[j], hpo_rng_uniform(&rng));
}

static void test_shape(void **state)
{
    struct arena a = {0};
    const struct hpo_space *s = two(&a);

    for (int i = 0; i < 200; i++) {
        double v[2], value = i % 2 ? i - 50.5 : -i / 100.0, before = INFINITY;
        struct function_curve c;

        draw(s, i, v);
        if (i % 5 == 0)
            v[1] = NAN;
        c = function_curve_of(s, v, value, STEPS, 0, 1, i, -1);
        assert_true(c.start > value + 1);
        for (int k = 0; k < STEPS; k++) {
            double now = function_curve_at(&c, k);

            assert_true(now < before && now <= c.start && now >= value);
            before = now;
        }
        assert_true(before == value);
        /* Half of the steps done, this is left of the way: (e^-r/2 - e^-r) / (1 - e^-r). */
        assert_in_range(c.rate * 10, 15, 120);
        assert_near(function_curve_at(&c, STEPS / 2 - 1),
                    value + (c.start - value) / (1 + exp(c.rate / 2)), 1e-9);
    }
    arena_release(&a);
}

static void test_one_step_and_infinite(void **state)
{
    struct arena a = {0};
    const struct hpo_space *s = two(&a);
    double v[] = {0.5, 0.1};
    struct function_curve c = function_curve_of(s, v, 2.5, 1, 1, 1, 0, 0);

    assert_true(function_curve_at(&c, 0) == 2.5);
    c = function_curve_of(s, v, INFINITY, 5, 1, 1, 0, 0);
    for (int k = 0; k < 5; k++)
        assert_true(function_curve_at(&c, k) == INFINITY);
    arena_release(&a);
}

/* The same again; another trial or fold is another curve; the wobble is of the size asked for. */
static void test_repeatable(void **state)
{
    struct arena a = {0};
    const struct hpo_space *s = two(&a);
    double v[] = {0.3, 0.01}, sum = 0, squares = 0;
    int n = 0;

    for (int i = 0; i < 300; i++) {
        struct function_curve c = function_curve_of(s, v, 1, STEPS, 0.1, 7, i, 2);
        struct function_curve d = function_curve_of(s, v, 1, STEPS, 0.1, 7, i, 3);
        struct function_curve plain = c;

        plain.wobble = 0;
        assert_true(c.start != d.start);
        assert_true(function_curve_at(&c, 4) == function_curve_at(&c, 4));
        assert_true(function_curve_at(&c, STEPS - 1) == 1);
        for (int k = 0; k < STEPS - 1; k++, n++) {
            double e = function_curve_at(&c, k) - function_curve_at(&plain, k);

            sum += e;
            squares += e * e;
        }
    }
    assert_near(sum / n, 0, 0.005);
    assert_near(sqrt(squares / n), 0.1, 0.005);
    arena_release(&a);
}

/* Curves cross: what is behind early on is sometimes ahead at the end. But mostly not. */
static void test_crossing(void **state)
{
    struct arena a = {0};
    const struct hpo_space *s = two(&a);
    int crossed = 0, pairs = 0;

    for (int i = 0; i < 400; i += 2, pairs++) {
        double v[2], w[2];
        struct function_curve c, d;

        draw(s, i, v);
        draw(s, i + 1, w);
        c = function_curve_of(s, v, 3 * v[0], STEPS, 0, 1, i, -1);
        d = function_curve_of(s, w, 3 * w[0], STEPS, 0, 1, i + 1, -1);
        crossed += (function_curve_at(&c, 5) < function_curve_at(&d, 5)) != (c.value < d.value);
    }
    assert_in_range(crossed, pairs / 20, pairs / 2);
    arena_release(&a);
}

static void test_folds(void **state)
{
    double sum = 0, squares = 0;

    for (int k = 0; k < 5; k++) {
        double d = function_fold_offset(0.2, 11, k, 5);

        assert_true(d == function_fold_offset(0.2, 11, k, 5));
        assert_true(d != function_fold_offset(0.2, 12, k, 5));
        assert_near(2 * d, function_fold_offset(0.4, 11, k, 5), 1e-15);
        sum += d;
        squares += d * d;
    }
    assert_near(sum, 0, 1e-12);
    assert_true(squares > 0.001);
    assert_true(function_fold_offset(0.2, 11, 0, 1) == 0);
    assert_true(function_fold_offset(0, 11, 3, 5) == 0);
}

static void test_noise(void **state)
{
    double sum = 0, squares = 0;
    int n = 20000;

    for (int i = 0; i < n; i++) {
        double e = function_noise(0.5, 9, i, -1);

        sum += e;
        squares += e * e;
    }
    assert_near(sum / n, 0, 0.02);
    assert_near(sqrt(squares / n), 0.5, 0.02);
    assert_true(function_noise(0.5, 9, 3, -1) == function_noise(0.5, 9, 3, -1));
    assert_true(function_noise(0.5, 9, 3, -1) != function_noise(0.5, 9, 3, 0));
    assert_true(function_noise(0.5, 9, 3, -1) != function_noise(0.5, 8, 3, -1));
    assert_true(function_noise(0, 9, 3, -1) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),      cmocka_unit_test(test_one_step_and_infinite),
        cmocka_unit_test(test_repeatable), cmocka_unit_test(test_crossing),
        cmocka_unit_test(test_folds),      cmocka_unit_test(test_noise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
