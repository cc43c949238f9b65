#include "samplers/math/cma.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "samplers/math/lapack.h"

#define CONDITION_MAX 1e14
#define TINY 1e-8 /* eq. 46: keeps a point on the mean from a division by zero */

int cma_population(int d)
{
    return 4 + (int)floor(3 * log(d));
}

static double sum_of(const double *x, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

static double squares_of(const double *x, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum;
}

static double effective(const double *w, int n)
{
    return sum_of(w, n) * sum_of(w, n) / squares_of(w, n);
}

/* Eq. 49 to 53: positive weights that sum to 1, negative ones as large as they may be. */
static void weigh(struct cma_rates *r, double *w, double mu_eff_minus)
{
    double d = r->d, positive = 0, negative = 0;
    double alpha = fmin(fmin(1 + r->c_1 / r->c_mu, 1 + 2 * mu_eff_minus / (r->mu_eff + 2)),
                        (1 - r->c_1 - r->c_mu) / (d * r->c_mu));

    for (int i = 0; i < r->lambda; i++) {
        positive += fmax(w[i], 0);
        negative -= fmin(w[i], 0);
    }
    for (int i = 0; i < r->lambda; i++)
        w[i] *= w[i] >= 0 ? 1 / positive : alpha / negative;
    r->weights = w;
    r->weight_sum = sum_of(w, r->lambda);
}

const struct cma_rates *cma_rates_new(struct arena *a, int dim, int lambda)
{
    struct cma_rates *r = ARENA_NEW(a, struct cma_rates);
    double *w = ARENA_ARRAY(a, double, lambda), d = dim, m;

    r->d = dim;
    r->lambda = lambda;
    r->mu = lambda / 2;
    for (int i = 0; i < lambda; i++)
        w[i] = log((lambda + 1) / 2.0) - log(i + 1);
    r->mu_eff = m = effective(w, r->mu);
    r->c_1 = 2 / ((d + 1.3) * (d + 1.3) + m);
    r->c_mu = fmin(1 - r->c_1 - 1e-8, 2 * (m - 2 + 1 / m) / ((d + 2) * (d + 2) + m));
    r->c_sigma = (m + 2) / (d + m + 5);
    r->d_sigma = 1 + 2 * fmax(0, sqrt((m - 1) / (d + 1)) - 1) + r->c_sigma;
    r->c_c = (4 + m / d) / (d + 4 + 2 * m / d);
    r->chi = sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d));
    r->reach = sqrt(d) + 2 * d / (d + 2);
    weigh(r, w, effective(w + r->mu, lambda - r->mu));
    return r;
}

static size_t numbers(int d)
{
    return (size_t)d * (3 + 3 * (size_t)d);
}

struct cma *cma_new(int d)
{
    struct cma *c = xcalloc(1, sizeof(*c));
    size_t n = (size_t)d;

    c->d = d;
    c->mean = xcalloc(numbers(d), sizeof(double));
    c->p_sigma = c->mean + n;
    c->p_c = c->p_sigma + n;
    c->cov = c->p_c + n;
    c->root = c->cov + n * n;
    c->inverse = c->root + n * n;
    return c;
}

void cma_free(struct cma *c)
{
    if (!c)
        return;
    free(c->mean);
    free(c);
}

void cma_copy(struct cma *to, const struct cma *from)
{
    to->generation = from->generation;
    to->sigma = from->sigma;
    memcpy(to->mean, from->mean, sizeof(double) * numbers(from->d));
}

void cma_start(struct cma *c, const double *mean, double sigma)
{
    size_t d = (size_t)c->d;

    memset(c->mean, 0, sizeof(double) * numbers(c->d));
    memcpy(c->mean, mean, sizeof(double) * d);
    c->sigma = sigma;
    c->generation = 0;
    for (size_t i = 0; i < d; i++)
        c->cov[i * d + i] = c->root[i * d + i] = c->inverse[i * d + i] = 1;
}

static void multiply(const double *m, const double *x, int d, double *ret)
{
    for (int i = 0; i < d; i++) {
        ret[i] = 0;
        for (int j = 0; j < d; j++)
            ret[i] += m[(size_t)i * (size_t)d + (size_t)j] * x[j];
    }
}

/* The step from the mean to each point, in units of sigma, and its squared length in deviations. */
static void steps(const struct cma *c, const struct cma_rates *r, const double *points, double *y,
                  double *squares, double *scratch)
{
    for (int k = 0; k < r->lambda; k++) {
        double *yk = y + (size_t)k * (size_t)c->d, shrink;

        for (int i = 0; i < c->d; i++)
            yk[i] = (points[(size_t)k * (size_t)c->d + (size_t)i] - c->mean[i]) / c->sigma;
        multiply(c->inverse, yk, c->d, scratch);
        squares[k] = squares_of(scratch, c->d);
        if (squares[k] <= r->reach * r->reach)
            continue;
        shrink = r->reach / sqrt(squares[k]);
        for (int i = 0; i < c->d; i++)
            yk[i] *= shrink;
        squares[k] = r->reach * r->reach;
    }
}

/* Eq. 43 to 47. */
static void adapt(struct cma *c, const struct cma_rates *r, const double *y, const double *squares,
                  const double *y_w, const double *whitened)
{
    size_t d = (size_t)c->d;
    double gain = sqrt(r->c_sigma * (2 - r->c_sigma) * r->mu_eff), length, keep;
    bool going; /* the path is no longer than chance makes it: h_sigma */

    for (size_t i = 0; i < d; i++)
        c->p_sigma[i] = (1 - r->c_sigma) * c->p_sigma[i] + gain * whitened[i];
    length = sqrt(squares_of(c->p_sigma, c->d));
    c->sigma *= exp(r->c_sigma / r->d_sigma * (length / r->chi - 1));
    going = length / sqrt(1 - pow(1 - r->c_sigma, 2 * (c->generation + 1))) <
            (1.4 + 2 / (c->d + 1.0)) * r->chi;
    gain = going ? sqrt(r->c_c * (2 - r->c_c) * r->mu_eff) : 0;
    for (size_t i = 0; i < d; i++)
        c->p_c[i] = (1 - r->c_c) * c->p_c[i] + gain * y_w[i];
    keep = 1 - r->c_1 - r->c_mu * r->weight_sum + (going ? 0 : r->c_1 * r->c_c * (2 - r->c_c));
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;

            for (int k = 0; k < r->lambda; k++) {
                const double *yk = y + (size_t)k * d;
                double w = r->weights[k] * (r->weights[k] >= 0 ? 1 : c->d / (squares[k] + TINY));

                sum += w * yk[i] * yk[j];
            }
            c->cov[i * d + j] =
                keep * c->cov[i * d + j] + r->c_1 * c->p_c[i] * c->p_c[j] + r->c_mu * sum;
            c->cov[j * d + i] = c->cov[i * d + j];
        }
}

void cma_update(struct cma *c, const struct cma_rates *r, const double *points)
{
    size_t d = (size_t)c->d, lambda = (size_t)r->lambda;
    double *y = xmalloc(sizeof(double) * (d * (lambda + 2) + lambda));
    double *y_w = y + d * lambda, *whitened = y_w + d, *squares = whitened + d;

    steps(c, r, points, y, squares, y_w);
    for (size_t i = 0; i < d; i++) {
        y_w[i] = 0;
        for (int k = 0; k < r->mu; k++)
            y_w[i] += r->weights[k] * y[(size_t)k * d + i];
    }
    multiply(c->inverse, y_w, c->d, whitened);
    c->generation++;
    for (size_t i = 0; i < d; i++)
        c->mean[i] += c->sigma * y_w[i];
    adapt(c, r, y, squares, y_w, whitened);
    free(y);
}

double cma_std(const struct cma *c, int i)
{
    return c->sigma * sqrt(fmax(c->cov[(size_t)i * (size_t)c->d + (size_t)i], 0));
}

void cma_widen(struct cma *c, int i, double std)
{
    size_t d = (size_t)c->d, k = (size_t)i;
    double now = cma_std(c, i), times;

    if (now >= std)
        return;
    if (!(now > 0)) {
        c->cov[k * d + k] = std * std / (c->sigma * c->sigma);
        return;
    }
    times = std / now;
    for (size_t j = 0; j < d; j++) {
        c->cov[k * d + j] *= times;
        c->cov[j * d + k] *= times;
    }
}

/* A coordinate that is widened time and again would drive sigma to 0 and the covariance to
 * infinity: only their product means something. */
static void balance(struct cma *c)
{
    double trace = 0, times;

    for (int i = 0; i < c->d; i++)
        trace += c->cov[(size_t)i * (size_t)c->d + (size_t)i];
    times = sqrt(trace / c->d);
    if (times > 1e-3 && times < 1e3)
        return;
    c->sigma *= times;
    for (int i = 0; i < c->d; i++)
        c->p_c[i] /= times;
    for (int i = 0; i < c->d * c->d; i++)
        c->cov[i] /= times * times;
}

/* ret = sum of f(w[k]) v[k] v[k]', f: w to the power `exponent`. */
static void compose(const double *v, const double *w, int d, double exponent, double *ret)
{
    size_t n = (size_t)d;

    memset(ret, 0, sizeof(double) * n * n);
    for (size_t k = 0; k < n; k++) {
        double f = pow(w[k], exponent);

        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                ret[i * n + j] += f * v[k * n + i] * v[k * n + j];
    }
}

int cma_factor(struct cma *c, struct hpo_err *err)
{
    size_t d = (size_t)c->d;
    int lwork = 34 * c->d, info; /* what dsytrd takes in blocks of 32, and a little */
    double *v, *w, *work;
    int rc = 0;

    balance(c);
    v = xmalloc(sizeof(double) * (d * d + d + (size_t)lwork));
    w = v + d * d;
    work = w + d;
    memcpy(v, c->cov, sizeof(double) * d * d);
    for (size_t i = 0; i < d * d; i++)
        if (!isfinite(v[i]) || !isfinite(c->sigma) || !(c->sigma > 0))
            rc = HPO_ENUMERIC;
    if (!rc) {
        dsyev_("V", "U", &c->d, v, &c->d, w, work, &lwork, &info, 1, 1);
        if (info || !(w[d - 1] > 0))
            rc = HPO_ENUMERIC;
    }
    if (rc) {
        rc = hpo_fail(err, rc, "the covariance of the search distribution degenerated");
        goto out;
    }
    /* Bad points can make it indefinite, and rounding can. */
    if (w[0] < w[d - 1] / CONDITION_MAX) {
        for (size_t i = 0; i < d; i++)
            w[i] = fmax(w[i], w[d - 1] / CONDITION_MAX);
        compose(v, w, c->d, 1, c->cov);
    }
    /* The symmetric root: eigenvectors are known but for their signs, which must not show. */
    compose(v, w, c->d, 0.5, c->root);
    compose(v, w, c->d, -0.5, c->inverse);
out:
    free(v);
    return rc;
}

void cma_sample(const struct cma *c, double scale, struct hpo_rng *rng, double *ret)
{
    size_t d = (size_t)c->d;

    memcpy(ret, c->mean, sizeof(double) * d);
    for (size_t j = 0; j < d; j++) {
        double z = scale * c->sigma * hpo_rng_normal(rng);

        for (size_t i = 0; i < d; i++)
            ret[i] += c->root[i * d + j] * z;
    }
}
