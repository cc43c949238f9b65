/* Prints how TPE splits a history and what its densities are, for parity_tpe.py.
 *
 * Reads numbers: D N M LIAR; D lines "kind low high step log" (kind 0 float, 1 int, 2 choices, of
 * which high is the number); N trials "state value step last v1 .. vD" (step -1: no report); M
 * points "x1 .. xD". Prints the numbers below, those above, the weights of the above and the
 * densities of both at every point, a line each. The end of the input ends it. */
#include <stdio.h>
#include <stdlib.h>

#include "samplers/math/parzen.h"
#include "samplers/math/split.h"
#include "spaces.h"

static double number(void)
{
    double v;

    if (scanf("%lf", &v) != 1) {
        fprintf(stderr, "tpe_densities: a number is missing\n");
        exit(2);
    }
    return v;
}

static struct hpo_param param(void)
{
    int kind = (int)number();
    double low = number(), high = number(), step = number();
    bool is_log = number() != 0;

    if (kind == 2)
        return choice_param("p", (int)high);
    return (kind ? int_param : real_param)("p", low, high, step, is_log);
}

static void read_trial(struct past *past, const struct hpo_space *space, double *v)
{
    enum hpo_trial_state state = (enum hpo_trial_state)number();
    double value = number();
    struct hpo_point *point = ARENA_NEW(&past->arena, struct hpo_point);
    struct hpo_trial *t;

    point->step = (int64_t)number();
    point->value = number();
    for (int j = 0; j < space->n; j++)
        v[j] = number();
    t = past_add(past, space, v, state);
    t->value = value;
    if (point->step >= 0) {
        t->points = point;
        t->n_points = 1;
    }
}

static void print_ints(const int *v, int n)
{
    for (int i = 0; i < n; i++)
        printf("%d ", v[i]);
    printf("\n");
}

static void print_doubles(const double *v, int n)
{
    for (int i = 0; i < n; i++)
        printf("%.17g ", v[i]);
    printf("\n");
}

static void print_density(const struct past *past, const struct hpo_param *const *params,
                          const int *trials, int n, const double *x, int m, struct arena *a)
{
    int d = past->h.space->n;
    double *obs = ARENA_ARRAY(a, double, n *d), *ret = ARENA_ARRAY(a, double, m);
    struct parzen *z = parzen_new(params, d);

    for (int j = 0; j < d; j++)
        for (int i = 0; i < n; i++)
            obs[j * n + i] = past->trials[trials[i]]->values[j];
    parzen_fill(z, obs, n);
    parzen_log_pdf(z, x, m, ret);
    parzen_free(z);
    print_doubles(ret, m);
}

static void run(int d)
{
    int n = (int)number(), m = (int)number();
    bool liar = number() != 0;
    struct arena a = {0};
    struct hpo_param *p = ARENA_ARRAY(&a, struct hpo_param, d);
    const struct hpo_param **params = ARENA_ARRAY(&a, const struct hpo_param *, d);
    double *x = ARENA_ARRAY(&a, double, m *d), *v = ARENA_ARRAY(&a, double, d + n);
    struct past past = {0};
    struct tpe_split split;

    for (int j = 0; j < d; j++)
        p[j] = param();
    past.h.space = make_space(&a, p, d);
    for (int j = 0; j < d; j++)
        params[j] = &past.h.space->params[j];
    for (int i = 0; i < n; i++)
        read_trial(&past, past.h.space, v);
    for (int i = 0; i < m * d; i++)
        x[i] = number();
    split = tpe_split(&past.h, liar, &a);
    print_ints(split.below, split.n_below);
    print_ints(split.above, split.n_above);
    parzen_weights(split.n_above, v);
    print_doubles(v, split.n_above);
    print_density(&past, params, split.below, split.n_below, x, m, &a);
    print_density(&past, params, split.above, split.n_above, x, m, &a);
    past_release(&past);
    arena_release(&a);
}

int main(void)
{
    int d;

    while (scanf("%d", &d) == 1)
        run(d);
    return 0;
}
