#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "spaces.h"

static struct arena arena;

static void test_order(void **state)
{
    static const int want[] = {2, 3, 4, 0, 1}; /* a child waits; the rest keep the file's order */
    struct hpo_space *s = conditional_space(&arena);

    assert_non_null(s);
    assert_memory_equal(s->order, want, sizeof(want));
    s = make_space(&arena, NULL, 0);
    assert_non_null(s);
    assert_int_equal(hpo_space_count(s), 1);
    assert_true(hpo_space_contains(s, NULL));
    assert_true(hpo_values_equal(s, NULL, NULL));
}

static void test_circle(void **state)
{
    struct hpo_param p[4];
    struct hpo_space s = {p, 4, NULL};
    struct hpo_err err = {0};
    double zero = 0;

    for (int i = 0; i < 4; i++)
        p[i] = choice_param((const char *const[]){"a", "b", "c", "d"}[i], 2);
    add_when(&arena, &p[1], 2, &zero, 1);
    add_when(&arena, &p[2], 3, &zero, 1);
    add_when(&arena, &p[3], 1, &zero, 1);
    assert_int_equal(hpo_space_finish(&s, &arena, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "'b', 'c', 'd' form a circle"));
    assert_null(s.order);
    p[0] = choice_param("self", 2);
    add_when(&arena, &p[0], 0, &zero, 1);
    s.n = 1;
    assert_int_equal(hpo_space_finish(&s, &arena, &err), HPO_ECONFIG);
    /* Parents that cannot be: a float, one that is not there. */
    p[0] = real_param("x", 0, 1, 0, false);
    p[1] = choice_param("b", 2);
    add_when(&arena, &p[1], 0, &zero, 1);
    s.n = 2;
    assert_int_equal(hpo_space_finish(&s, &arena, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "'b'"));
    p[1] = choice_param("b", 2);
    add_when(&arena, &p[1], 7, &zero, 1);
    assert_int_equal(hpo_space_finish(&s, &arena, &err), HPO_ECONFIG);
}

static void test_mask_and_contains(void **state)
{
    const struct hpo_space *s = conditional_space(&arena);
    double v[] = {0.9, 1, 0, 2, 20}, w[5];

    hpo_space_mask(s, v);
    assert_true(v[0] == 0.9 && v[1] == 1 && v[4] == 20);
    assert_true(hpo_space_contains(s, v));
    memcpy(w, v, sizeof(v));
    w[2] = 1; /* the other optimizer */
    assert_false(hpo_space_contains(s, w));
    hpo_space_mask(s, w);
    assert_true(isnan(w[0]) && isnan(w[1]) && w[4] == 20);
    assert_true(hpo_space_contains(s, w));
    w[3] = 0;
    hpo_space_mask(s, w);
    assert_true(isnan(w[4]));
    assert_true(hpo_space_contains(s, w));
    /* Every way of being outside. */
    for (int i = 0; i < 5; i++) {
        static const double bad[] = {0.85, 1.5, 2, 3, 15};

        memcpy(w, v, sizeof(v));
        w[i] = bad[i];
        assert_false(hpo_space_contains(s, w));
        w[i] = NAN;
        assert_false(hpo_space_contains(s, w));
        w[i] = -HUGE_VAL;
        assert_false(hpo_space_contains(s, w));
    }
}

/* A grandchild is inactive when its parent is, whatever stands there. */
static void test_chain(void **state)
{
    struct hpo_param p[3] = {choice_param("a", 2), choice_param("b", 2), choice_param("c", 2)};
    double one = 1, v[] = {0, 1, 1};
    struct hpo_space *s;

    add_when(&arena, &p[1], 0, &one, 1);
    add_when(&arena, &p[2], 1, &one, 1);
    s = make_space(&arena, p, 3);
    hpo_space_mask(s, v);
    assert_true(v[0] == 0 && isnan(v[1]) && isnan(v[2]));
    assert_int_equal(hpo_space_count(s), 1 + 1 + 2);
}

static void test_equal_and_hash(void **state)
{
    struct hpo_param p[3] = {real_param("x", -1, 1, 0, false), real_param("y", 0, 1, 0.1, false),
                             choice_param("c", 3)};
    struct hpo_space *s = make_space(&arena, p, 3);
    double a[] = {0.0, 0.3, 1}, b[] = {-0.0, 0.1 + 0.2, 1}, c[] = {-NAN, 0.3, 1};
    double d[] = {NAN, 0.3, 1}, e[] = {5e-324, 0.3, 1}, f[] = {0, 0.4, 1}, g[] = {0, 1, 0.3};

    assert_true(hpo_values_equal(s, a, b));
    assert_int_equal(hpo_values_hash(s, a), hpo_values_hash(s, b));
    assert_true(hpo_values_equal(s, c, d));
    assert_int_equal(hpo_values_hash(s, c), hpo_values_hash(s, d));
    assert_false(hpo_values_equal(s, a, c));
    assert_false(hpo_values_equal(s, c, a));
    assert_false(hpo_values_equal(s, a, e));
    assert_false(hpo_values_equal(s, a, f));
    assert_true(hpo_values_hash(s, a) != hpo_values_hash(s, c));
    assert_true(hpo_values_hash(s, a) != hpo_values_hash(s, e));
    assert_true(hpo_values_hash(s, a) != hpo_values_hash(s, f));
    assert_true(hpo_values_hash(s, f) != hpo_values_hash(s, g));
}

static void test_count(void **state)
{
    struct hpo_param p[4] = {choice_param("a", 4), int_param("b", 1, 100, 1, false),
                             real_param("x", 0, 1, 0, false), choice_param("d", 3)};
    double one = 1, never = 7, some[] = {3, 3, 50, 500};

    assert_int_equal(hpo_space_count(conditional_space(&arena)), CONDITIONAL_CELLS);
    assert_int_equal(hpo_space_count(make_space(&arena, p, 2)), 400);
    assert_int_equal(hpo_space_count(make_space(&arena, p, 3)), -1);
    /* A float that can never be active does not make the space infinite; one that can does. */
    add_when(&arena, &p[2], 0, &never, 1);
    assert_int_equal(hpo_space_count(make_space(&arena, p, 3)), 400);
    p[2].n_when = 0;
    add_when(&arena, &p[2], 0, &one, 1);
    assert_int_equal(hpo_space_count(make_space(&arena, p, 3)), -1);
    /* Values named twice, or outside of the parent, count once and not at all. */
    add_when(&arena, &p[3], 1, some, 4);
    p[2] = p[3];
    assert_int_equal(hpo_space_count(make_space(&arena, p, 3)), 4 * (98 + 2 * 3));
}

static void test_count_bounds(void **state)
{
    struct hpo_param p[60];
    double zero = 0;

    for (int i = 0; i < 60; i++)
        p[i] = choice_param("p", 2);
    assert_int_equal(hpo_space_count(make_space(&arena, p, 53)), (int64_t)1 << 53);
    assert_int_equal(hpo_space_count(make_space(&arena, p, 54)), -1);
    /* A chain is counted by its conditions, not by its configurations. */
    for (int i = 0; i < 40; i++)
        p[i] = int_param("p", 0, 1e6, 1, false);
    for (int i = 1; i < 40; i++)
        add_when(&arena, &p[i], i - 1, &zero, 1);
    assert_int_equal(hpo_space_count(make_space(&arena, p, 40)), 39 * 1000000LL + 1000001);
    /* 2^30 combinations of what conditions name: given up, in bounded time. */
    for (int i = 0; i < 60; i++) {
        p[i] = choice_param("p", 2);
        if (i)
            add_when(&arena, &p[i], i > 30 ? i - 30 : 0, &zero, 1);
    }
    assert_int_equal(hpo_space_count(make_space(&arena, p, 60)), -1);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_circle),
        cmocka_unit_test(test_mask_and_contains),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_equal_and_hash),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_count_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
