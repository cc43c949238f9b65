#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "samplers/math/split.h"
#include "spaces.h"

static struct past past;
static struct hpo_space space;

static struct hpo_trial *add(enum hpo_trial_state state, double value)
{
    struct hpo_trial *t = past_add(&past, &space, NULL, state);

    t->value = value;
    return t;
}

static void add_pruned(int64_t step, double value)
{
    struct hpo_trial *t = add(HPO_TRIAL_PRUNED, value);
    struct hpo_point points[] = {{0, 1}, {step, value}};

    t->points = arena_dup(&past.arena, points, sizeof(points));
    t->n_points = 2;
}

static void check(bool pending, const int *below, int n_below, int n_above)
{
    struct tpe_split s = tpe_split(&past.h, pending, &past.arena);

    assert_int_equal(s.n_below, n_below);
    assert_int_equal(s.n_above, n_above);
    for (int i = 0; i < n_below; i++)
        assert_int_equal(s.below[i], below[i]);
    for (int i = 1; i < n_above; i++)
        assert_true(s.above[i] > s.above[i - 1]);
}

static int clear(void **state)
{
    past_release(&past);
    return 0;
}

static void test_gamma(void **state)
{
    const int rows[][2] = {{0, 0}, {1, 1}, {10, 1}, {11, 2}, {240, 24}, {241, 25}, {9999, 25}};

    for (int i = 0; i < 7; i++)
        assert_int_equal(tpe_gamma(rows[i][0]), rows[i][1]);
}

/* Two of 20; infinities sort to the ends; on a tie the earlier. */
static void test_complete(void **state)
{
    for (int i = 0; i < 20; i++)
        add(HPO_TRIAL_COMPLETE, i == 3 ? INFINITY : i == 15 ? -INFINITY : i % 5 == 2 ? 1 : 2);
    check(true, (int[]){2, 15}, 2, 18);
}

/* COMPLETE first, however bad; then who came furthest, by value, NaN last, without reports after
 * all. */
static void test_pruned(void **state)
{
    add(HPO_TRIAL_PRUNED, NAN);
    add_pruned(5, NAN);
    add_pruned(5, 9);
    add_pruned(4, 0);
    add(HPO_TRIAL_COMPLETE, INFINITY);
    check(true, (int[]){4}, 1, 4);
    for (int i = 0; i < 20; i++)
        add(HPO_TRIAL_PRUNED, NAN);
    check(true, (int[]){1, 2, 4}, 3, 22); /* gamma(25) = 3 */
}

/* Neither counts for gamma; what failed is bad, what runs is when pending trials are. */
static void test_running_and_failed(void **state)
{
    for (int i = 0; i < 10; i++)
        add(HPO_TRIAL_COMPLETE, 10 - i);
    add(HPO_TRIAL_FAIL, NAN);
    add(HPO_TRIAL_RUNNING, NAN);
    add(HPO_TRIAL_WAITING, NAN);
    check(true, (int[]){9}, 1, 12);
    check(false, (int[]){9}, 1, 10);
}

/* Whatever the guess, the same trials. */
static void test_guess(void **state)
{
    struct tpe_scores scores = {calloc(400, 1), calloc(400, sizeof(double)),
                                calloc(400, sizeof(double))};
    int below[2][TPE_BELOW_MAX], above[2][401];
    struct tpe_split warm = {.below = below[0], .above = above[0], .guess = NAN};

    for (int n = 1; n <= 400; n++) {
        struct tpe_split cold = {.below = below[1], .above = above[1], .guess = -INFINITY};
        struct hpo_trial *t = add(n % 7 ? HPO_TRIAL_COMPLETE : HPO_TRIAL_PRUNED, n * 37 % 101 / 9);

        tpe_score(t, &scores, n - 1);
        tpe_split_scores(&scores, n, true, &warm);
        tpe_split_scores(&scores, n, true, &cold);
        assert_int_equal(warm.n_below, cold.n_below);
        assert_int_equal(warm.n_above, n - warm.n_below);
        assert_memory_equal(below[0], below[1], sizeof(int) * (size_t)warm.n_below);
        assert_memory_equal(above[0], above[1], sizeof(int) * (size_t)warm.n_above);
        if (n % 50 == 0)
            warm.guess = n % 100 ? INFINITY : 3;
    }
    free(scores.state);
    free(scores.first);
    free(scores.second);
}

static void test_empty(void **state)
{
    past.h.space = &space;
    check(true, NULL, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gamma),
        cmocka_unit_test_teardown(test_complete, clear),
        cmocka_unit_test_teardown(test_pruned, clear),
        cmocka_unit_test_teardown(test_running_and_failed, clear),
        cmocka_unit_test_teardown(test_guess, clear),
        cmocka_unit_test_teardown(test_empty, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
