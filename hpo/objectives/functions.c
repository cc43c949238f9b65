/* The classical functions, and how a space becomes their inputs. */
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "hpo/objectives/functions.h"
#include "hpo/objectives/landscapes.h"

static double square(double x)
{
    return x * x;
}

static double branin(const double *x, int n)
{
    double b = 5.1 / (4 * M_PI * M_PI), c = 5 / M_PI, t = 1 / (8 * M_PI);

    return square(x[1] - b * x[0] * x[0] + c * x[0] - 6) + 10 * (1 - t) * cos(x[0]) + 10;
}

static double six_hump_camel(const double *x, int n)
{
    double a = x[0] * x[0], b = x[1] * x[1];

    return (4 - 2.1 * a + a * a / 3) * a + x[0] * x[1] + (4 * b - 4) * b;
}

static double goldstein_price(const double *x, int n)
{
    double a = x[0], b = x[1];
    double p = 19 - 14 * a + 3 * a * a - 14 * b + 6 * a * b + 3 * b * b;
    double q = 18 - 32 * a + 12 * a * a + 48 * b - 36 * a * b + 27 * b * b;

    return (1 + square(a + b + 1) * p) * (30 + square(2 * a - 3 * b) * q);
}

static double beale(const double *x, int n)
{
    double y = x[1];

    return square(1.5 - x[0] + x[0] * y) + square(2.25 - x[0] + x[0] * y * y) +
           square(2.625 - x[0] + x[0] * y * y * y);
}

/* Four wells of different depths. a and p: 4 rows of n, p in ten-thousandths. */
static double hartmann(const double *x, int n, const double *a, const double *p)
{
    static const double depth[] = {1, 1.2, 3, 3.2};
    double sum = 0;

    for (int i = 0; i < 4; i++) {
        double e = 0;

        for (int j = 0; j < n; j++)
            e += a[i * n + j] * square(x[j] - p[i * n + j] * 1e-4);
        sum += depth[i] * exp(-e);
    }
    return -sum;
}

static double hartmann3(const double *x, int n)
{
    static const double a[] = {3, 10, 30, 0.1, 10, 35, 3, 10, 30, 0.1, 10, 35};
    static const double p[] = {3689, 1170, 2673, 4699, 4387, 7470,
                               1091, 8732, 5547, 381,  5743, 8828};

    return hartmann(x, 3, a, p);
}

static double hartmann6(const double *x, int n)
{
    static const double a[] = {10, 3,   17,  3.5, 1.7, 8, 0.05, 10, 17,   0.1, 8,   14,
                               3,  3.5, 1.7, 10,  17,  8, 17,   8,  0.05, 10,  0.1, 14};
    static const double p[] = {1312, 1696, 5569, 124,  8283, 5886, 2329, 4135,
                               8307, 3736, 1004, 9991, 2348, 1451, 3522, 2883,
                               3047, 6650, 4047, 8828, 8732, 5743, 1091, 381};

    return hartmann(x, 6, a, p);
}

static double sphere(const double *x, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum;
}

static double rosenbrock(const double *x, int n)
{
    double sum = 0;

    for (int i = 0; i + 1 < n; i++)
        sum += 100 * square(x[i + 1] - x[i] * x[i]) + square(1 - x[i]);
    return sum;
}

static double rastrigin(const double *x, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += 10 + x[i] * x[i] - 10 * cos(2 * M_PI * x[i]);
    return sum;
}

static double ackley(const double *x, int n)
{
    double squares = 0, waves = 0;

    for (int i = 0; i < n; i++) {
        squares += x[i] * x[i];
        waves += cos(2 * M_PI * x[i]);
    }
    return 20 - 20 * exp(-0.2 * sqrt(squares / n)) + M_E - exp(waves / n);
}

static double griewank(const double *x, int n)
{
    double sum = 0, product = 1;

    for (int i = 0; i < n; i++) {
        sum += x[i] * x[i] / 4000;
        product *= cos(x[i] / sqrt(i + 1.0));
    }
    return sum - product + 1;
}

static double levy(const double *x, int n)
{
    double w = 1 + (x[0] - 1) / 4, sum = square(sin(M_PI * w));

    for (int i = 0; i + 1 < n; i++) {
        sum += square(w - 1) * (1 + 10 * square(sin(M_PI * w + 1)));
        w = 1 + (x[i + 1] - 1) / 4;
    }
    return sum + square(w - 1) * (1 + square(sin(2 * M_PI * w)));
}

static double styblinski_tang(const double *x, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += (square(square(x[i])) - 16 * x[i] * x[i] + 5 * x[i]) / 2;
    return sum;
}

static double zakharov(const double *x, int n)
{
    double sum = 0, tilt = 0;

    for (int i = 0; i < n; i++) {
        sum += x[i] * x[i];
        tilt += 0.5 * (i + 1) * x[i];
    }
    return sum + square(tilt) + square(square(tilt));
}

const struct test_function test_functions[] = {
    {"branin", "three equal minima of 0.397887; usual domain [-5, 10] x [0, 15]", 2, 2,
     0.3978873577297384, 0, branin, NULL},
    {"six_hump_camel", "six minima, two of them global, of -1.0316; [-3, 3] x [-2, 2]", 2, 2,
     -1.0316284534898774, 0, six_hump_camel, NULL},
    {"goldstein_price", "values over six orders of magnitude, minimum 3 at (0, -1); [-2, 2] each",
     2, 2, 3, 0, goldstein_price, NULL},
    {"beale", "flat with sharp corners, minimum 0 at (3, 0.5); [-4.5, 4.5] each", 2, 2, 0, 0, beale,
     NULL},
    {"hartmann3", "four wells of different depths, minimum -3.86278; [0, 1] each", 3, 3,
     -3.862779787332663, 0, hartmann3, NULL},
    {"hartmann6", "four wells of different depths, minimum -3.32237; [0, 1] each", 6, 6,
     -3.322368011415515, 0, hartmann6, NULL},
    {"sphere", "the sum of squares, minimum 0 at 0; [-5.12, 5.12] each", 1, 0, 0, 0, sphere, NULL},
    {"rosenbrock", "a long curved valley, minimum 0 where all are 1; [-5, 10] each", 2, 0, 0, 0,
     rosenbrock, NULL},
    {"rastrigin", "a bowl full of equal dents, minimum 0 at 0; [-5.12, 5.12] each", 1, 0, 0, 0,
     rastrigin, NULL},
    {"ackley", "nearly flat and dented, with a steep hole of value 0 at 0; [-32.768, 32.768] each",
     1, 0, 0, 0, ackley, NULL},
    {"griewank", "a wide bowl with fine dents, minimum 0 at 0; [-600, 600] each", 1, 0, 0, 0,
     griewank, NULL},
    {"levy", "waves across a bowl, minimum 0 where all are 1; [-10, 10] each", 1, 0, 0, 0, levy,
     NULL},
    {"styblinski_tang", "two wells along each input, minimum -39.16617 for each; [-5, 5] each", 1,
     0, 0, -39.16616570377142, styblinski_tang, NULL},
    {"zakharov", "a bowl with a steep diagonal ridge, minimum 0 at 0; [-5, 10] each", 1, 0, 0, 0,
     zakharov, NULL},
    {"valley", "numeric parameters as shares of their ranges, neighbours tied together; minimum 0",
     1, 0, 0, 0, NULL, landscape_valley},
    {"mixed", "every kind of parameter, and the choices move the first one's optimum; minimum 0", 0,
     0, 0, 0, NULL, landscape_mixed},
    {"conditional", "what the active parameters are worth depends on their branch; minimum 0", 0, 0,
     0, 0, NULL, landscape_conditional},
    {0},
};

const struct test_function *functions_find(const char *name)
{
    for (const struct test_function *f = test_functions; f->name; f++)
        if (!strcmp(f->name, name))
            return f;
    return NULL;
}

static bool choice_number(const struct hpo_choice *c, double *ret)
{
    return (c->kind == HPO_CHOICE_INT || c->kind == HPO_CHOICE_REAL) && str_to_double(c->text, ret);
}

static bool is_number(const struct hpo_param *p)
{
    double v;

    if (p->kind != HPO_PARAM_CATEGORICAL)
        return true;
    for (int i = 0; i < p->n_choices; i++)
        if (!choice_number(&p->choices[i], &v))
            return false;
    return true;
}

int functions_inputs(const struct hpo_space *s)
{
    int n = 0;

    for (int i = 0; i < s->n; i++)
        n += is_number(&s->params[i]);
    return n;
}

int functions_fit(const struct test_function *f, const struct hpo_space *s, struct hpo_err *err)
{
    int n = functions_inputs(s);

    /* A landscape knows a choice by its rank, whatever stands in it. */
    for (int i = 0; f->eval_space && i < s->n; i++)
        n -= s->params[i].kind == HPO_PARAM_CATEGORICAL && is_number(&s->params[i]);
    if (n >= f->min_inputs && (!f->max_inputs || n <= f->max_inputs))
        return 0;
    return hpo_fail(err, HPO_ECONFIG, "%s takes %s%d number%s, and the space has %d of them",
                    f->name, f->max_inputs ? "" : "at least ", f->min_inputs,
                    f->min_inputs == 1 ? "" : "s", n);
}

static double input(const struct hpo_param *p, double value)
{
    double v = isnan(value) ? hpo_param_decode(p, 0.5) : value;

    if (p->kind == HPO_PARAM_CATEGORICAL)
        choice_number(&p->choices[(int)v], &v);
    return v;
}

double functions_value(const struct test_function *f, const struct hpo_space *s,
                       const double *values)
{
    struct arena a = {0};
    double *x, v;
    int n = 0;

    if (f->eval_space) {
        v = f->eval_space(s, values);
    } else {
        x = ARENA_ARRAY(&a, double, s->n);
        for (int i = 0; i < s->n; i++)
            if (is_number(&s->params[i]))
                x[n++] = input(&s->params[i], values[i]);
        v = f->eval(x, n);
        arena_release(&a);
    }
    return isnan(v) ? INFINITY : v;
}

double functions_minimum(const struct test_function *f, const struct hpo_space *s)
{
    return f->minimum + f->minimum_each * functions_inputs(s);
}
