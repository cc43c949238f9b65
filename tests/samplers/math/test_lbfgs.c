#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "samplers/math/lbfgs.h"

static struct arena arena;
static int evals;

static double rosenbrock(void *arg, const double *x, double *ret_grad)
{
    const int *d = arg;
    double f = 0;

    evals++;
    for (int i = 0; i < *d; i++)
        ret_grad[i] = 0;
    for (int i = 0; i + 1 < *d; i++) {
        double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];

        f += 100 * a * a + b * b;
        ret_grad[i] += -400 * a * x[i] - 2 * b;
        ret_grad[i + 1] += 200 * a;
    }
    return f;
}

static struct lbfgs problem(lbfgs_fn *fn, int *d, const double *low, const double *high)
{
    evals = 0;
    return (struct lbfgs){fn, d, *d, low, high, 500, 1e-7, 0};
}

static void test_inside(void **state)
{
    double low[6], high[6], x[6];

    for (int d = 2; d <= 6; d += 2) {
        struct lbfgs p = problem(rosenbrock, &d, low, high);

        for (int i = 0; i < d; i++) {
            low[i] = -5;
            high[i] = 5;
            x[i] = -1.2 + 0.1 * i;
        }
        assert_true(lbfgs_minimize(&p, x, &arena) < 1e-11);
        for (int i = 0; i < d; i++)
            assert_true(fabs(x[i] - 1) < 1e-5);
        assert_true(evals < 120);
    }
}

/* The minimum lies on a bound, and starts outside are brought inside. */
static void test_bounds(void **state)
{
    const double low[] = {-2, -2}, high[] = {0.5, 2}, right[] = {1.5, -2}, far[] = {2, 2};
    double x[] = {-9, 9};
    int d = 2;
    struct lbfgs p = problem(rosenbrock, &d, low, high);

    assert_true(fabs(lbfgs_minimize(&p, x, &arena) - 0.25) < 1e-9);
    assert_true(x[0] == 0.5 && fabs(x[1] - 0.25) < 1e-6);
    p = problem(rosenbrock, &d, right, far);
    x[0] = 2;
    x[1] = -2;
    /* min over x1 <= 2 of 100 (x1 - x0^2)^2 + (1 - x0)^2 with x0 >= 1.5: both are held. */
    assert_true(fabs(lbfgs_minimize(&p, x, &arena) - (100 * 0.0625 + 0.25)) < 1e-9);
    assert_true(x[0] == 1.5 && x[1] == 2);
}

/* Nothing to do: no coordinates, a box of one point, a corner that the slope leads out of. */
static void test_nothing(void **state)
{
    const double zero[] = {0, 0}, point[] = {1.3, 0.2}, corner[] = {0.5, 2};
    double x[] = {7, -7};
    int none = 0, d = 2;
    struct lbfgs p = problem(rosenbrock, &none, zero, zero);

    assert_true(lbfgs_minimize(&p, x, &arena) == 0);
    p = problem(rosenbrock, &d, point, point);
    lbfgs_minimize(&p, x, &arena);
    assert_true(x[0] == 1.3 && x[1] == 0.2 && evals == 1);
    p = problem(rosenbrock, &d, corner, (double[]){0.5, 3});
    x[0] = 0.5;
    x[1] = 2;
    lbfgs_minimize(&p, x, &arena);
    assert_true(x[0] == 0.5 && x[1] == 2 && evals == 1);
}

/* sqrt has no value left of 0; elsewhere the function has none at all. */
static double root(void *arg, const double *x, double *ret_grad)
{
    evals++;
    if (arg || x[0] < 0)
        return NAN;
    ret_grad[0] = 0.5 / sqrt(x[0]) - 1 + 2 * (x[0] - 0.01);
    return sqrt(x[0]) - x[0] + (x[0] - 0.01) * (x[0] - 0.01);
}

static double two(void *arg, const double *x, double *ret_grad)
{
    (void)arg;
    evals++;
    ret_grad[0] = 2 * x[0];
    return x[0] < 0.1 ? INFINITY : x[0] * x[0];
}

static void test_undefined(void **state)
{
    const double low = -10, high = 10;
    double x = 5;
    int d = 1;
    struct lbfgs p = problem(two, &d, &low, &high);
    double f = lbfgs_minimize(&p, &x, &arena);

    assert_true(x >= 0.1 && x < 0.2 && f == x * x);
    p = problem(root, &d, &low, &high);
    x = -3;
    assert_true(isinf(lbfgs_minimize(&p, &x, &arena)));
    assert_true(x == -3 && evals == 1);
}

static void test_max_evals(void **state)
{
    const double low[] = {-5, -5}, high[] = {5, 5};
    double x[] = {-1.2, 1};
    int d = 2;
    struct lbfgs p = problem(rosenbrock, &d, low, high);

    p.max_evals = 7;
    lbfgs_minimize(&p, x, &arena);
    assert_int_equal(evals, 7);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inside),    cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_nothing),   cmocka_unit_test(test_undefined),
        cmocka_unit_test(test_max_evals),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
