#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "base/compiler.h"
#include "samplers/math/gp_data.h"
#include "spaces.h"

static struct arena arena;

struct row {
    enum hpo_trial_state state;
    double x, value;
};

static struct gp_trials read_rows(const struct row *rows, int n, int max)
{
    struct hpo_param p[] = {real_param("x", 0, 1, 0, false)};
    struct hpo_space *space = make_space(&arena, p, 1);
    struct past past = {.h.space = space};
    struct gp_space z;
    struct gp_trials t;

    gp_space_init(&z, space, &arena);
    for (int i = 0; i < n; i++)
        past_add(&past, space, &rows[i].x, rows[i].state)->value = rows[i].value;
    gp_trials_read(&t, &z, &past.h, max, &arena);
    past_release(&past);
    return t;
}

#define READ(rows) read_rows(rows, HPO_LEN(rows), 100)

/* Back in the units of two observations whose values are known. */
static double unit(const struct gp_trials *t, int i, int zero, int one)
{
    return (t->y[i] - t->y[zero]) / (t->y[one] - t->y[zero]);
}

static void near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-9))
        fail_msg("%.17g is not %.17g", a, b);
}

static void test_states(void **state)
{
    const struct row rows[] = {
        {HPO_TRIAL_COMPLETE, 0.0, 0},         {HPO_TRIAL_COMPLETE, 0.1, 1},
        {HPO_TRIAL_COMPLETE, 0.2, 0.4},       {HPO_TRIAL_PRUNED, 0.3, 0.1},
        {HPO_TRIAL_PRUNED, 0.4, 0.7},         {HPO_TRIAL_PRUNED, 0.5, 30},
        {HPO_TRIAL_PRUNED, 0.6, NAN},         {HPO_TRIAL_FAIL, 0.7, NAN},
        {HPO_TRIAL_RUNNING, 0.8, NAN},        {HPO_TRIAL_WAITING, 0.9, NAN},
        {HPO_TRIAL_WAITING, NAN, NAN},        {HPO_TRIAL_COMPLETE, 1, -INFINITY},
        {HPO_TRIAL_COMPLETE, 0.55, INFINITY}, {HPO_TRIAL_COMPLETE, 7, -100},
    };
    const double want[] = {0, 1, 0.4, 0.4, 0.7, 1, 1, 1, 0, 1};
    struct gp_trials t = READ(rows);
    double mean = 0, square = 0;

    assert_int_equal(t.n, 10);
    for (int i = 0; i < 10; i++) {
        near(unit(&t, i, 0, 1), want[i]);
        mean += t.y[i] / 10;
        square += t.y[i] * t.y[i] / 10;
    }
    near(mean, 0);
    near(square, 1);
    near(t.best, t.y[0]);
    near(t.coords[7], 0.7);
    near(t.coords[8], 1);
    assert_int_equal(t.n_pending, 2);
    near(t.pending[0], 0.8);
    near(t.pending[1], 0.9);
}

/* Reports are all that there is, or failures. */
static void test_nothing_complete(void **state)
{
    const struct row pruned[] = {{HPO_TRIAL_PRUNED, 0.1, 3},
                                 {HPO_TRIAL_PRUNED, 0.2, 5},
                                 {HPO_TRIAL_PRUNED, 0.3, 4},
                                 {HPO_TRIAL_PRUNED, 0.3, NAN},
                                 {HPO_TRIAL_FAIL, 0.4, NAN}};
    const struct row failed[] = {{HPO_TRIAL_FAIL, 0.4, NAN}, {HPO_TRIAL_COMPLETE, 0.4, INFINITY}};
    const double want[] = {0, 1, 0.5, 1, 1};
    struct gp_trials t = READ(pruned);

    assert_int_equal(t.n, 5);
    for (int i = 0; i < 5; i++)
        near(unit(&t, i, 0, 1), want[i]);
    t = READ(failed);
    assert_int_equal(t.n, 2);
    assert_true(t.y[0] == 0 && t.y[1] == 0 && t.best == 0);
    t = read_rows(failed, 0, 100);
    assert_true(t.n == 0 && t.n_pending == 0);
}

static void test_scales(void **state)
{
    const struct row equal[] = {{HPO_TRIAL_COMPLETE, 0.1, 0.1 + 0.2},
                                {HPO_TRIAL_COMPLETE, 0.2, .3}};
    const struct row huge[] = {{HPO_TRIAL_COMPLETE, 0.1, 1e308}, {HPO_TRIAL_COMPLETE, 0.2, -1e308}};
    const struct row tiny[] = {{HPO_TRIAL_COMPLETE, 0.1, 1e-300}, {HPO_TRIAL_COMPLETE, 0.2, 0}};
    struct gp_trials t = READ(equal);

    assert_true(t.y[0] == 0 && t.y[1] == 0);
    t = READ(huge);
    near(t.y[0], 1);
    near(t.y[1], -1);
    t = READ(tiny);
    near(t.y[0], 1);
    near(t.y[1], -1);
}

/* One training that went wild must not make all others look alike. */
static void test_outlier(void **state)
{
    struct row rows[21];
    struct gp_trials t;
    double spread;

    for (int i = 0; i < 21; i++)
        rows[i] = (struct row){HPO_TRIAL_COMPLETE, i / 20.0, i < 20 ? 0.3 + 0.01 * i : 1e6};
    t = READ(rows);
    spread = t.y[19] - t.y[0];
    assert_true(spread > 0.5);
    assert_true(t.y[20] > t.y[19] + spread);
}

/* Of many the best half, and the latest. */
static void test_cap(void **state)
{
    struct row rows[90];
    struct gp_trials t;

    for (int i = 0; i < 90; i++)
        rows[i] = (struct row){i < 60 ? HPO_TRIAL_COMPLETE : HPO_TRIAL_RUNNING, i / 100.0,
                               i < 10 ? -1 - i : i};
    t = read_rows(rows, 90, 20);
    assert_int_equal(t.n, 20);
    for (int i = 0; i < 20; i++)
        near(t.coords[i], (i < 10 ? i : i + 40) / 100.0);
    near(t.best, t.y[9]);
    assert_int_equal(t.n_pending, 10);
    near(t.pending[0], 0.80);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states), cmocka_unit_test(test_nothing_complete),
        cmocka_unit_test(test_scales), cmocka_unit_test(test_outlier),
        cmocka_unit_test(test_cap),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
