#include "samplers/math/gp.h"

#include <math.h>
#include <string.h>

#include "samplers/math/lapack.h"

static double distance(const struct gp_shape *s, const double *weight, const double *a,
                       const double *b)
{
    int f = 0, width = gp_width(s);
    double sum = 0;

    for (; f < s->n_numeric; f++)
        sum += weight[f] * (a[f] - b[f]) * (a[f] - b[f]);
    for (; f < width; f++)
        sum += a[f] != b[f] ? weight[f] : 0;
    return sum;
}

static double matern(double squared)
{
    double q = sqrt(5 * squared);

    return (1 + q + q * q / 3) * exp(-q);
}

double gp_kernel(const struct gp_shape *s, const double *weight, double scale, const double *a,
                 const double *b)
{
    return scale * matern(distance(s, weight, a, b));
}

void gp_feature_weights(const struct gp_shape *s, const double *weights, double *ret)
{
    for (int f = 0; f < gp_width(s); f++)
        ret[f] = s->factor[f] * weights[s->owner[f]];
}

void gp_condition(struct gp *ret, const struct gp_shape *s, const struct gp_params *p,
                  const double *x, const double *y, int n, struct arena *a)
{
    size_t width = (size_t)gp_width(s), rows = (size_t)n;
    struct gp g = {
        .shape = s,
        .n = n,
        .x = x,
        .weight = ARENA_ARRAY(a, double, width),
        .scale = p->scale,
        .noise = p->noise,
        .chol = ARENA_ARRAY(a, double, rows *rows),
        .alpha = arena_dup(a, y, sizeof(*y) * rows),
    };
    const int one = 1;
    int info = 1;

    gp_feature_weights(s, p->weights, g.weight);
    for (;; g.noise = fmax(g.noise * 10, 1e-10 * g.scale)) {
        for (size_t j = 0; j < rows; j++) {
            g.chol[j * rows + j] = g.scale + g.noise;
            for (size_t i = j + 1; i < rows; i++)
                g.chol[j * rows + i] =
                    gp_kernel(s, g.weight, g.scale, x + i * width, x + j * width);
        }
        dpotrf_("L", &n, g.chol, &n, &info, 1);
        if (!info || g.noise > 1e6 * g.scale)
            break;
    }
    dpotrs_("L", &n, &one, g.chol, &n, g.alpha, &n, &info, 1);
    *ret = g;
}

void gp_covariances(const struct gp *g, const double *x, int m, double *ret_k, bool *ret_same)
{
    size_t width = (size_t)gp_width(g->shape);

    for (int j = 0; j < m; j++) {
        bool same = false;

        for (int i = 0; i < g->n; i++) {
            double r =
                distance(g->shape, g->weight, x + (size_t)j * width, g->x + (size_t)i * width);

            same |= !(r > 0);
            *ret_k++ = g->scale * matern(r);
        }
        if (ret_same)
            ret_same[j] = same;
    }
}

double gp_mean(const struct gp *g, const double *k)
{
    double sum = 0;

    for (int i = 0; i < g->n; i++)
        sum += k[i] * g->alpha[i];
    return sum;
}

/* Rounding may leave nothing, or less, of the variance at an observation. */
static double positive(const struct gp *g, double var)
{
    return fmax(var, 1e-12 * g->scale) + 1e-12;
}

double gp_variance_bound(const struct gp *g, const double *k)
{
    double nearest = 0;

    for (int i = 0; i < g->n; i++)
        nearest = fmax(nearest, k[i]);
    return positive(g, g->scale - nearest * nearest / (g->scale + g->noise));
}

void gp_variances(const struct gp *g, double *k, int m, double *ret_var)
{
    int info;

    dtrtrs_("L", "N", "N", &g->n, &m, g->chol, &g->n, k, &g->n, &info, 1, 1, 1);
    for (int j = 0; j < m; j++, k += g->n) {
        double sum = 0;

        for (int i = 0; i < g->n; i++)
            sum += k[i] * k[i];
        ret_var[j] = positive(g, g->scale - sum);
    }
}

void gp_predict(const struct gp *g, const double *x, double *work, double *ret_mean,
                double *ret_var, double *ret_dmean, double *ret_dvar)
{
    int one = 1, info, numeric = g->shape->n_numeric;
    size_t width = (size_t)gp_width(g->shape);
    double *k = work, *slope = work + g->n; /* of the kernel, by the squared distance */

    for (int i = 0; i < g->n; i++) {
        double q = sqrt(5 * distance(g->shape, g->weight, x, g->x + (size_t)i * width));
        double e = g->scale * exp(-q);

        k[i] = (1 + q + q * q / 3) * e;
        slope[i] = -5.0 / 6 * (1 + q) * e;
    }
    *ret_mean = gp_mean(g, k);
    gp_variances(g, k, 1, ret_var);
    dtrtrs_("L", "T", "N", &g->n, &one, g->chol, &g->n, k, &g->n, &info, 1, 1, 1);
    memset(ret_dmean, 0, sizeof(double) * (size_t)numeric);
    memset(ret_dvar, 0, sizeof(double) * (size_t)numeric);
    for (int i = 0; i < g->n; i++) {
        const double *xi = g->x + (size_t)i * width;

        for (int f = 0; f < numeric; f++) {
            double dk = slope[i] * 2 * g->weight[f] * (x[f] - xi[f]);

            ret_dmean[f] += g->alpha[i] * dk;
            ret_dvar[f] -= 2 * k[i] * dk;
        }
    }
}
