#include "samplers/math/lbfgs.h"

#include <math.h>
#include <string.h>

#define MEMORY 8
#define SUFFICIENT 1e-4 /* Armijo's constant */
#define SHORTEST 1e-12  /* of a step, before the search along it is given up */

struct state {
    const struct lbfgs *p;
    double *x, *g, f;
    double *next, *next_g;
    double *dir;
    bool *held;
    double *s, *y; /* MEMORY x d: steps and what they changed in the gradient */
    int n, last;
    int evals;
};

static double clip(const struct lbfgs *p, int i, double v)
{
    return fmin(fmax(v, p->low[i]), p->high[i]);
}

static double evaluate(struct state *z, const double *x, double *ret_grad)
{
    double f = z->p->fn(z->p->arg, x, ret_grad);

    z->evals++;
    for (int i = 0; i < z->p->d; i++)
        if (!isfinite(ret_grad[i]))
            return INFINITY;
    return isnan(f) ? INFINITY : f;
}

/* Which coordinates a bound holds, and whether the others are flat. */
static bool converged(struct state *z)
{
    double steepest = 0;

    for (int i = 0; i < z->p->d; i++) {
        z->held[i] =
            (z->x[i] <= z->p->low[i] && z->g[i] >= 0) || (z->x[i] >= z->p->high[i] && z->g[i] <= 0);
        steepest = fmax(steepest, fabs(z->x[i] - clip(z->p, i, z->x[i] - z->g[i])));
    }
    return steepest <= z->p->gtol;
}

static double dot(const struct state *z, const double *a, const double *b)
{
    double sum = 0;

    for (int i = 0; i < z->p->d; i++)
        if (!z->held[i])
            sum += a[i] * b[i];
    return sum;
}

static void add(const struct state *z, double *a, double scale, const double *b)
{
    for (int i = 0; i < z->p->d; i++)
        if (!z->held[i])
            a[i] += scale * b[i];
}

/* The two-loop recursion, on the coordinates that are free. */
static void direction(struct state *z)
{
    double rho[MEMORY], weight[MEMORY], shrink = 0;
    int d = z->p->d;

    for (int i = 0; i < d; i++)
        z->dir[i] = z->held[i] ? 0 : -z->g[i];
    for (int k = 0; k < z->n; k++) {
        int j = (z->last - k + MEMORY) % MEMORY;
        const double *s = z->s + j * d, *y = z->y + j * d;
        double sy = dot(z, s, y), yy = dot(z, y, y);

        rho[j] = sy > 1e-10 * yy && sy > 0 ? 1 / sy : 0;
        if (!(rho[j] > 0))
            continue;
        if (!(shrink > 0))
            shrink = sy / yy;
        weight[j] = rho[j] * dot(z, s, z->dir);
        add(z, z->dir, -weight[j], y);
    }
    if (!(shrink > 0)) /* nothing is known of the curvature: a step of length 1 at most */
        shrink = fmin(1, 1 / sqrt(dot(z, z->g, z->g)));
    for (int i = 0; i < d; i++)
        z->dir[i] *= shrink;
    for (int k = z->n - 1; k >= 0; k--) {
        int j = (z->last - k + MEMORY) % MEMORY;

        if (rho[j] > 0)
            add(z, z->dir, weight[j] - rho[j] * dot(z, z->y + j * d, z->dir), z->s + j * d);
    }
}

/* Try shorter and shorter steps. Returns the value at z->next, or INFINITY when none goes down. */
static double search(struct state *z)
{
    const struct lbfgs *p = z->p;

    for (double t = 1; t > SHORTEST && z->evals < p->max_evals;) {
        double f, slope = 0;

        for (int i = 0; i < p->d; i++) {
            z->next[i] = clip(p, i, z->x[i] + t * z->dir[i]);
            slope += z->g[i] * (z->next[i] - z->x[i]);
        }
        if (!(slope < 0))
            return INFINITY;
        f = evaluate(z, z->next, z->next_g);
        if (f <= z->f + SUFFICIENT * slope)
            return f;
        /* The lowest point of the parabola through what is known. */
        t *= isfinite(f) ? fmin(fmax(-slope / (2 * (f - z->f - slope)), 0.1), 0.5) : 0.1;
    }
    return INFINITY;
}

static void remember(struct state *z)
{
    int d = z->p->d, j = (z->last + 1) % MEMORY;
    double sy = 0;

    for (int i = 0; i < d; i++) {
        z->s[j * d + i] = z->next[i] - z->x[i];
        z->y[j * d + i] = z->next_g[i] - z->g[i];
        sy += z->s[j * d + i] * z->y[j * d + i];
    }
    if (sy > 0) {
        z->last = j;
        z->n = z->n < MEMORY ? z->n + 1 : MEMORY;
    }
}

static void accept(struct state *z, double f)
{
    size_t bytes = sizeof(double) * (size_t)z->p->d;

    memcpy(z->x, z->next, bytes);
    memcpy(z->g, z->next_g, bytes);
    z->f = f;
}

double lbfgs_minimize(const struct lbfgs *p, double *x, struct arena *a)
{
    double *m = ARENA_ARRAY(a, double, (size_t)p->d *(4 + 2 * MEMORY));
    struct state z = {
        .p = p,
        .x = x,
        .g = m,
        .next = m + p->d,
        .next_g = m + 2 * p->d,
        .dir = m + 3 * p->d,
        .s = m + 4 * p->d,
        .y = m + (4 + MEMORY) * p->d,
        .held = ARENA_ARRAY(a, bool, p->d),
        .last = MEMORY - 1,
    };

    for (int i = 0; i < p->d; i++)
        x[i] = clip(p, i, x[i]);
    z.f = evaluate(&z, x, z.g);
    while (isfinite(z.f) && z.evals < p->max_evals && !converged(&z)) {
        double f, gain;

        direction(&z);
        f = search(&z);
        if (f == INFINITY && z.n) { /* the model of the curvature misleads: start it anew */
            z.n = 0;
            continue;
        }
        if (f == INFINITY)
            break;
        gain = z.f - f;
        remember(&z);
        accept(&z, f);
        if (gain <= p->ftol * fmax(1, fabs(f)))
            break;
    }
    return z.f;
}
