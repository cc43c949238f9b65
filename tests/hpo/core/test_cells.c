#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "hpo/core/cells.h"
#include "spaces.h"

static struct arena arena;

/* Every cell is in the space, comes back as its number, and no two are the same. */
static void check_cells(const struct hpo_space *s, int64_t want)
{
    double *all = xcalloc((size_t)(want * s->n) + 1, sizeof(double));
    struct hpo_cells c = {0};

    assert_true(hpo_cells_init(&c, s));
    assert_int_equal(c.count, want);
    assert_int_equal(hpo_space_count(s), want);
    for (int64_t i = 0; i < want; i++) {
        double *v = all + i * s->n;

        hpo_cells_at(&c, i, v);
        assert_true(hpo_space_contains(s, v));
        assert_int_equal(hpo_cells_find(&c, v), i);
        for (int64_t k = 0; k < i && want < 500; k++)
            assert_false(hpo_values_equal(s, v, all + k * s->n));
    }
    hpo_cells_release(&c);
    hpo_cells_release(&c);
    free(all);
}

static void test_plain(void **state)
{
    struct hpo_param p[] = {choice_param("a", 3), real_param("x", 0, 0.5, 0.1, false),
                            int_param("n", 1, 9, 2, false), int_param("l", 1, 4, 1, true)};
    double v[4];
    struct hpo_cells c;

    check_cells(make_space(&arena, p, 4), 3 * 6 * 5 * 4);
    check_cells(make_space(&arena, p, 0), 1);
    check_cells(make_space(&arena, p, 1), 3);
    /* The last parameter changes fastest. */
    assert_true(hpo_cells_init(&c, make_space(&arena, p, 4)));
    hpo_cells_at(&c, 0, v);
    assert_true(v[0] == 0 && v[1] == 0 && v[2] == 1 && v[3] == 1);
    hpo_cells_at(&c, 1, v);
    assert_true(v[0] == 0 && v[1] == 0 && v[2] == 1 && v[3] == 2);
    hpo_cells_at(&c, 4, v);
    assert_true(v[2] == 3 && v[3] == 1);
    hpo_cells_at(&c, c.count - 1, v);
    assert_true(v[0] == 2 && v[1] == 0.5 && v[2] == 9 && v[3] == 4);
    v[1] = 0.55;
    assert_int_equal(hpo_cells_find(&c, v), -1);
    v[1] = NAN;
    assert_int_equal(hpo_cells_find(&c, v), -1);
    hpo_cells_release(&c);
}

static void test_conditional(void **state)
{
    const struct hpo_space *s = conditional_space(&arena);
    double v[] = {0.8, NAN, 0, 0, NAN};
    struct hpo_cells c;

    check_cells(s, CONDITIONAL_CELLS);
    assert_true(hpo_cells_init(&c, s));
    assert_true(hpo_cells_find(&c, v) >= 0);
    v[4] = 10; /* inactive, and yet a value */
    assert_int_equal(hpo_cells_find(&c, v), -1);
    hpo_cells_release(&c);
}

/* Random trees and DAGs of conditions: count, enumeration and brute force agree. */
static void test_random_spaces(void **state)
{
    for (int round = 0; round < 300; round++) {
        struct hpo_rng r = hpo_rng_for(11, round, -1, "space", 0);
        int n = 1 + (int)hpo_rng_below(&r, 6), total = 1, distinct = 0;
        struct hpo_param p[6];
        struct hpo_space *s;
        double(*seen)[6];

        for (int i = 0; i < n; i++) {
            p[i] = choice_param("p", 1 + (int)hpo_rng_below(&r, 3));
            total *= p[i].n_choices;
            for (int w = 0; i && w < (int)hpo_rng_below(&r, 3); w++) {
                double v[2] = {(double)hpo_rng_below(&r, 3), (double)hpo_rng_below(&r, 3)};

                add_when(&arena, &p[i], (int)hpo_rng_below(&r, (uint64_t)i), v, 1 + round % 2);
            }
        }
        s = make_space(&arena, p, n);
        seen = xcalloc((size_t)total, sizeof(*seen));
        for (int i = 0; i < total; i++) {
            double v[6];
            int rest = i, k = 0;

            for (int j = 0; j < n; rest /= p[j++].n_choices)
                v[j] = rest % p[j].n_choices;
            hpo_space_mask(s, v);
            while (k < distinct && !hpo_values_equal(s, v, seen[k]))
                k++;
            if (k == distinct)
                memcpy(seen[distinct++], v, sizeof(v));
        }
        check_cells(s, distinct);
        free(seen);
    }
}

static void test_limits(void **state)
{
    struct hpo_param p[] = {int_param("a", 1, 1000, 1, false), int_param("b", 1, 1000, 1, false),
                            choice_param("c", 2)};
    struct hpo_cells c = {0};
    double v[2];

    assert_false(hpo_cells_init(&c, make_space(&arena, p, 3)));
    assert_null(c.space);
    assert_true(hpo_cells_init(&c, make_space(&arena, p, 2)));
    assert_int_equal(c.count, HPO_CELLS_MAX);
    hpo_cells_at(&c, 999999, v);
    assert_true(v[0] == 1000 && v[1] == 1000);
    hpo_cells_release(&c);
    p[0] = real_param("x", 0, 1, 0, false);
    assert_false(hpo_cells_init(&c, make_space(&arena, p, 2)));
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_conditional),
        cmocka_unit_test(test_random_spaces),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
