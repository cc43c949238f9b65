#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "hpo/objectives/functions.h"
#include "spaces.h"

#define WIDTH 20
#define assert_near(a, b, eps) assert_true(fabs((a) - (b)) <= (eps))

/* Where a function is lowest. n inputs; each: the one number that all of them have. */
static const struct argmin {
    const char *name;
    int n;
    double each, value;
    double x[6];
} argmins[] = {
    {"branin", 2, 0, 0.397887, {-M_PI, 12.275}},
    {"branin", 2, 0, 0.397887, {M_PI, 2.275}},
    {"branin", 2, 0, 0.397887, {3 * M_PI, 2.475}},
    {"six_hump_camel", 2, 0, -1.031628, {0.0898420089, -0.7126564030}},
    {"six_hump_camel", 2, 0, -1.031628, {-0.0898420089, 0.7126564030}},
    {"goldstein_price", 2, 0, 3, {0, -1}},
    {"beale", 2, 0, 0, {3, 0.5}},
    {"hartmann3", 3, 0, -3.862780, {0.1145888686, 0.5556488945, 0.8525469840}},
    {"hartmann6",
     6,
     0,
     -3.322368,
     {0.2016895128, 0.1500106912, 0.4768739755, 0.2753324309, 0.3116516175, 0.6573005330}},
    {"sphere", 7, 0, 0, {0}},
    {"rosenbrock", 20, 1, 0, {0}},
    {"rastrigin", 5, 0, 0, {0}},
    {"ackley", 10, 0, 0, {0}},
    {"griewank", 4, 0, 0, {0}},
    {"levy", 20, 1, 0, {0}},
    {"levy", 1, 1, 0, {0}},
    {"styblinski_tang", 20, -2.9035340151, 20 * -39.166166, {0}},
    {"zakharov", 6, 0, 0, {0}},
};

static struct hpo_space *floats(struct arena *a, int n)
{
    struct hpo_param p[WIDTH];

    for (int i = 0; i < n; i++)
        p[i] = real_param("x", -600, 600, 0, false);
    return make_space(a, p, n);
}

static void argmin_values(const struct argmin *m, double *ret)
{
    for (int j = 0; j < m->n; j++)
        ret[j] = m->n <= 6 && m->each == 0 ? m->x[j] : m->each;
}

static void test_minima(void **state)
{
    for (size_t i = 0; i < HPO_LEN(argmins); i++) {
        const struct argmin *m = &argmins[i];
        const struct test_function *f = functions_find(m->name);
        struct arena a = {0};
        struct hpo_space *s = floats(&a, m->n);
        double x[WIDTH];

        assert_non_null(f);
        assert_int_equal(functions_fit(f, s, NULL), 0);
        argmin_values(m, x);
        assert_near(functions_value(f, s, x), m->value, 1e-5);
        assert_near(functions_value(f, s, x), functions_minimum(f, s), 1e-9);
        arena_release(&a);
    }
}

/* Every function of the table has its minimum above, or is a landscape. */
static void test_all_known(void **state)
{
    for (const struct test_function *f = test_functions; f->name; f++) {
        bool found = false;

        for (size_t i = 0; i < HPO_LEN(argmins); i++)
            found |= !strcmp(argmins[i].name, f->name);
        assert_true(found != !!f->eval_space);
        assert_true(!f->eval == !!f->eval_space);
        assert_ptr_equal(functions_find(f->name), f);
        assert_non_null(f->help);
    }
    assert_null(functions_find("parabola"));
}

/* Nothing is lower than the minimum, near the argmin or far away, and every step away from it in
 * one input goes up: the point is a minimum, not a number that happens to fit. */
static void test_nothing_below(void **state)
{
    for (size_t i = 0; i < HPO_LEN(argmins); i++) {
        const struct argmin *m = &argmins[i];
        const struct test_function *f = functions_find(m->name);
        struct arena a = {0};
        struct hpo_space *s = floats(&a, m->n);
        struct hpo_rng rng = hpo_rng_for(3, (int64_t)i, -1, "test", 0);
        double x[WIDTH], best = functions_minimum(f, s);

        for (int k = 0; k < 2000; k++) {
            argmin_values(m, x);
            for (int j = 0; j < m->n; j++)
                x[j] += (k % 2 ? 1e-3 : 2) * hpo_rng_normal(&rng);
            assert_true(functions_value(f, s, x) >= best - 1e-9);
        }
        for (int j = 0; j < 2 * m->n; j++) {
            argmin_values(m, x);
            x[j / 2] += j % 2 ? 1e-3 : -1e-3;
            assert_true(functions_value(f, s, x) > best);
        }
        arena_release(&a);
    }
}

/* Smooth: the slope is the same by two step widths. */
static void test_gradients(void **state)
{
    for (size_t i = 0; i < HPO_LEN(argmins); i++) {
        const struct argmin *m = &argmins[i];
        const struct test_function *f = functions_find(m->name);
        struct arena a = {0};
        struct hpo_space *s = floats(&a, m->n);
        struct hpo_rng rng = hpo_rng_for(4, (int64_t)i, -1, "test", 0);
        double x[WIDTH];

        for (int k = 0; k < 20 * m->n; k++) {
            double slope[2];

            argmin_values(m, x);
            for (int j = 0; j < m->n; j++)
                x[j] += 0.3 + 0.1 * hpo_rng_uniform(&rng);
            for (int w = 0; w < 2; w++) {
                double h = w ? 1e-4 : 1e-5, at = x[k % m->n], up;

                x[k % m->n] = at + h;
                up = functions_value(f, s, x);
                x[k % m->n] = at - h;
                slope[w] = (up - functions_value(f, s, x)) / (2 * h);
                x[k % m->n] = at;
            }
            assert_near(slope[0], slope[1], 1e-3 * (1 + fabs(slope[0])));
        }
        arena_release(&a);
    }
}

static void test_fit(void **state)
{
    struct arena a = {0};
    struct hpo_choice numbers[] = {{HPO_CHOICE_INT, "16"}, {HPO_CHOICE_REAL, "0.5"}};
    struct hpo_param p[] = {
        choice_param("word", 3),
        real_param("x", -5, 10, 0, false),
        choice_param("number", 2),
    };
    struct hpo_space *s;
    struct hpo_err err;

    p[2].choices = numbers;
    s = make_space(&a, p, 3);
    assert_int_equal(functions_inputs(s), 2);
    assert_int_equal(functions_fit(functions_find("branin"), s, &err), 0);
    assert_int_equal(functions_fit(functions_find("hartmann6"), s, &err), HPO_ECONFIG);
    assert_string_equal(err.msg, "hartmann6 takes 6 numbers, and the space has 2 of them");
    assert_int_equal(functions_fit(functions_find("mixed"), s, &err), 0);
    s = make_space(&a, p, 1);
    assert_int_equal(functions_fit(functions_find("sphere"), s, &err), HPO_ECONFIG);
    assert_string_equal(err.msg, "sphere takes at least 1 number, and the space has 0 of them");
    s = make_space(&a, p + 2, 1);
    assert_int_equal(functions_fit(functions_find("sphere"), s, &err), 0);
    assert_int_equal(functions_fit(functions_find("valley"), s, &err), HPO_ECONFIG);
    arena_release(&a);
}

/* Inputs in file order; a choice that is a number is that number, one that is a word is not. */
static void test_inputs(void **state)
{
    struct arena a = {0};
    struct hpo_choice numbers[] = {{HPO_CHOICE_INT, "3"}, {HPO_CHOICE_REAL, "2.275"}};
    struct hpo_param p[] = {
        real_param("x", 0, 5, 0, false),
        choice_param("word", 3),
        choice_param("number", 2),
    };
    const struct test_function *branin = functions_find("branin");
    double values[] = {M_PI, 2, 1}, inactive[] = {M_PI, NAN, NAN};
    struct hpo_space *s;

    p[2].choices = numbers;
    s = make_space(&a, p, 3);
    assert_near(functions_value(branin, s, values), 0.397887, 1e-5);
    values[2] = 0;
    assert_true(functions_value(branin, s, values) > 0.5);
    assert_true(isfinite(functions_value(branin, s, inactive)));
    inactive[0] = NAN;
    values[0] = 2.5;
    values[2] = 1;
    assert_near(functions_value(branin, s, inactive), functions_value(branin, s, values), 1e-12);
    arena_release(&a);
}

static void test_overflow(void **state)
{
    struct arena a = {0};
    struct hpo_param p[WIDTH];
    double x[WIDTH];

    for (const struct test_function *f = test_functions; f->name; f++) {
        int n = f->max_inputs ? f->max_inputs : 6;

        for (int far = 0; far < 2; far++) {
            for (int j = 0; j < n; j++) {
                x[j] = (j + far) % 2 ? 1e300 : -1e300;
                p[j] = real_param("x", -1e300, 1e300, 0, false);
            }
            assert_false(isnan(functions_value(f, make_space(&a, p, n), x)));
        }
    }
    arena_release(&a);
}

/* The best value of each parameter, one by one: what is left of the others does not matter for the
 * landscapes, because nothing they add is ever negative. */
static void best_values(const struct hpo_space *s, double *ret)
{
    for (int i = 0; i < s->n; i++) {
        const struct hpo_param *p = &s->params[i];
        double t = 0.15 + 0.7 * fmod(0.5 + 0.618034 * (i + 1), 1);

        if (p->kind == HPO_PARAM_CATEGORICAL)
            ret[i] = (p->n_choices - (i + 1) % p->n_choices) % p->n_choices;
        else
            ret[i] = hpo_param_decode(p, t);
    }
    hpo_space_mask(s, ret);
}

static void check_landscapes(const struct hpo_space *s)
{
    static const char *names[] = {"valley", "mixed", "conditional"};

    for (size_t k = 0; k < HPO_LEN(names); k++) {
        const struct test_function *f = functions_find(names[k]);
        double v[WIDTH], worst = 0;

        assert_int_equal(functions_fit(f, s, NULL), 0);
        assert_true(functions_minimum(f, s) == 0);
        best_values(s, v);
        assert_true(hpo_space_contains(s, v));
        assert_near(functions_value(f, s, v), 0, 1e-20);
        for (int i = 0; i < 3000; i++) {
            struct hpo_rng rng = hpo_rng_for(5, i, -1, "test", 0);
            double value;

            for (int j = 0; j < s->n; j++)
                v[j] = hpo_param_decode(&s->params[j], hpo_rng_uniform(&rng));
            hpo_space_mask(s, v);
            value = functions_value(f, s, v);
            assert_true(value >= 0 && isfinite(value));
            worst = fmax(worst, value);
        }
        assert_true(worst > 0.2);
    }
}

static void test_landscapes(void **state)
{
    struct arena a = {0};
    const struct hpo_param p[] = {
        real_param("x", -2, 7, 0, false),
        real_param("lr", 1e-5, 1, 0, true),
        int_param("width", 8, 512, 1, true),
        int_param("layers", 1, 9, 2, false),
        real_param("drop", 0, 0.5, 0.1, false),
        choice_param("optimizer", 5),
        choice_param("only", 1),
        real_param("fixed", 3, 3, 0, false),
    };

    check_landscapes(make_space(&a, p, (int)HPO_LEN(p)));
    check_landscapes(conditional_space(&a));
    arena_release(&a);
}

/* The choice moves the optimum of the first number, and branches are worth differently much. */
static void test_interactions(void **state)
{
    static const double b[] = {1}, first[] = {0};
    struct arena a = {0};
    struct hpo_param p[] = {
        choice_param("kind", 2),
        real_param("x", 0, 1, 0, false),
        real_param("y", 0, 1, 0, false),
    };
    const struct test_function *mixed = functions_find("mixed"), *f = functions_find("conditional");
    struct hpo_space *s = make_space(&a, p, 2);
    double t = 0.15 + 0.7 * fmod(0.5 + 0.618034 * 2, 1);
    double good[] = {1, t}, moved[] = {1, t - 0.25};

    assert_true(functions_value(mixed, s, good) < functions_value(mixed, s, moved));
    good[0] = moved[0] = 0;
    assert_true(functions_value(mixed, s, good) > functions_value(mixed, s, moved));
    assert_near(functions_value(mixed, s, moved), 0.3, 1e-9);

    add_when(&a, &p[1], 0, first, 1);
    add_when(&a, &p[2], 0, b, 1);
    s = make_space(&a, p, 3);
    /* b, the better one, weighs 5 times; a costs 0.3. */
    t = 0.15 + 0.7 * fmod(0.5 + 0.618034 * 3, 1);
    assert_near(functions_value(f, s, (double[]){1, NAN, t + 0.1}), 5 * 0.01, 1e-9);
    t = 0.15 + 0.7 * fmod(0.5 + 0.618034 * 2, 1);
    assert_near(functions_value(f, s, (double[]){0, t + 0.1, NAN}), 0.3 + 0.01, 1e-9);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minima),        cmocka_unit_test(test_all_known),
        cmocka_unit_test(test_nothing_below), cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_fit),           cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_overflow),      cmocka_unit_test(test_landscapes),
        cmocka_unit_test(test_interactions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
