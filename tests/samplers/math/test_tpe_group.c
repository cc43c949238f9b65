#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "samplers/math/tpe_group.h"
#include "spaces.h"

static struct arena arena;

/* Nothing but what `occurs` says, a letter each: '.' is absent. */
static void seen(const char *const *occurs, int n, const enum hpo_trial_state *states, int *ret)
{
    struct hpo_param p[4] = {real_param("a", 0, 1, 0, false), real_param("b", 0, 1, 0, false),
                             real_param("c", 0, 1, 0, false), real_param("d", 0, 1, 0, false)};
    struct hpo_space *space = make_space(&arena, p, 4);
    struct past past = {.h.space = space};
    struct tpe_past memory = {.width = 4};

    for (int i = 0; i < n; i++) {
        double v[4];

        for (int j = 0; j < 4; j++)
            v[j] = occurs[i][j] == '.' ? NAN : 0.5;
        past_add(&past, space, v, states ? states[i] : HPO_TRIAL_COMPLETE);
    }
    past.h.space = space;
    tpe_past_sync(&memory, &past.h);
    tpe_group_seen(space, &memory, ret);
    tpe_past_release(&memory);
    past_release(&past);
}

static void check(const int *ret, int a, int b, int c, int d)
{
    assert_int_equal(ret[0], a);
    assert_int_equal(ret[1], b);
    assert_int_equal(ret[2], c);
    assert_int_equal(ret[3], d);
}

/* The partitions that Optuna's _GroupDecomposedSearchSpace makes of the same trials. */
static void test_seen(void **state)
{
    const enum hpo_trial_state states[] = {HPO_TRIAL_RUNNING, HPO_TRIAL_WAITING, HPO_TRIAL_PRUNED};
    int ret[4];

    seen(NULL, 0, NULL, ret);
    check(ret, 0, 1, 2, 3); /* never seen: each for itself */
    seen((const char *const[]){"abcd"}, 1, NULL, ret);
    check(ret, 0, 0, 0, 0);
    seen((const char *const[]){"ab..", "a.c."}, 2, NULL, ret);
    check(ret, 0, 1, 2, 3);
    seen((const char *const[]){"abc.", "a..."}, 2, NULL, ret);
    check(ret, 0, 1, 1, 3);
    seen((const char *const[]){"ab..", "abcd", "ab.."}, 3, NULL, ret);
    check(ret, 0, 0, 2, 2);
    seen((const char *const[]){"ab..", "..cd"}, 2, NULL, ret);
    check(ret, 0, 0, 2, 2);
    seen((const char *const[]){"....", "abcd", "...."}, 3, NULL, ret);
    check(ret, 0, 0, 0, 0);
    seen((const char *const[]){"abcd", "a...", "abcd"}, 3, states, ret);
    check(ret, 0, 0, 0, 0); /* what waits does not count */
}

static void test_declared(void **state)
{
    const double zero = 0, one = 1, both[] = {0, 1}, turned[] = {1, 0};
    struct hpo_param p[9] = {choice_param("k", 3), choice_param("l", 2)};
    struct hpo_space *space;
    int ret[9];
    const int want[] = {0, 0, 2, 3, 2, 5, 6, 5, 6};

    for (int i = 2; i < 9; i++)
        p[i] = real_param("x", 0, 1, 0, false);
    add_when(&arena, &p[2], 0, &one, 1);
    add_when(&arena, &p[3], 0, &zero, 1);
    add_when(&arena, &p[4], 0, &one, 1);
    add_when(&arena, &p[5], 0, both, 2);
    add_when(&arena, &p[6], 0, &one, 1);
    add_when(&arena, &p[6], 1, &one, 1);
    add_when(&arena, &p[7], 0, turned, 2);
    add_when(&arena, &p[8], 1, &one, 1);
    add_when(&arena, &p[8], 0, &one, 1);
    space = make_space(&arena, p, 9);
    tpe_group_declared(space, ret);
    for (int i = 0; i < 9; i++)
        assert_int_equal(ret[i], want[i]);
    tpe_group_none(space, ret);
    for (int i = 0; i < 9; i++)
        assert_int_equal(ret[i], i);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seen),
        cmocka_unit_test(test_declared),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
