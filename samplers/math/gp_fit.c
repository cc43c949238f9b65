#include "samplers/math/gp_fit.h"

#include <math.h>
#include <string.h>

#include "samplers/math/lapack.h"
#include "samplers/math/lbfgs.h"

/* The unit kernel goes below the diagonal of `pairs`, its slope by the squared distance above. */
static void fill(const struct gp_data *z, const double *weight, double scale, double noise,
                 double *ret_pairs, double *ret_k)
{
    size_t n = (size_t)z->n, width = (size_t)gp_width(z->shape);
    int numeric = z->shape->n_numeric;

    for (size_t j = 0; j < n; j++) {
        const double *b = z->x + j * width;

        ret_k[j * n + j] = scale + noise;
        for (size_t i = j + 1; i < n; i++) {
            const double *a = z->x + i * width;
            double sum = 0, q, e;

            for (int f = 0; f < numeric; f++)
                sum += weight[f] * (a[f] - b[f]) * (a[f] - b[f]);
            for (int f = numeric; f < (int)width; f++)
                sum += a[f] != b[f] ? weight[f] : 0;
            q = sqrt(5 * sum);
            e = exp(-q);
            ret_pairs[j * n + i] = (1 + q + q * q / 3) * e;
            ret_pairs[i * n + j] = -5.0 / 6 * (1 + q) * e;
            ret_k[j * n + i] = scale * ret_pairs[j * n + i];
        }
    }
}

/* The gradient of the likelihood by the weights (not their logarithms), the scale and the noise. */
static void likelihood_gradient(const struct gp_data *z, const double *pairs, const double *inverse,
                                const double *alpha, double scale, double *ret_grad)
{
    const struct gp_shape *s = z->shape;
    size_t n = (size_t)z->n, width = (size_t)gp_width(s);
    double by_scale = 0, by_noise = 0;

    for (size_t j = 0; j < n; j++) {
        const double *b = z->x + j * width;

        by_noise += (inverse[j * n + j] - alpha[j] * alpha[j]) / 2;
        for (size_t i = j + 1; i < n; i++) {
            const double *a = z->x + i * width;
            double c = inverse[j * n + i] - alpha[i] * alpha[j];
            double by_distance = c * scale * pairs[i * n + j];

            by_scale += c * pairs[j * n + i];
            for (int f = 0; f < s->n_numeric; f++)
                ret_grad[s->owner[f]] += by_distance * s->factor[f] * (a[f] - b[f]) * (a[f] - b[f]);
            for (int f = s->n_numeric; f < (int)width; f++)
                if (a[f] != b[f])
                    ret_grad[s->owner[f]] += by_distance * s->factor[f];
        }
    }
    ret_grad[s->n_weights] = by_scale + by_noise;
    ret_grad[s->n_weights + 1] = by_noise;
}

/* From gradients by the parameters to gradients by their logarithms, with the priors added. */
static double add_priors(const struct gp_data *z, const double *raw, double *grad)
{
    int d = z->shape->n_weights;
    double loss = 0, scale = exp(raw[d]), spread = exp(raw[d + 1]), noise = spread + GP_NOISE_MIN;

    for (int k = 0; k < d; k++) {
        double w = exp(raw[k]);

        loss += 0.1 / w + 0.1 * w;
        grad[k] = grad[k] * w - 0.1 / w + 0.1 * w;
    }
    loss += scale - raw[d];
    grad[d] = grad[d] * scale + scale - 1;
    if (z->exact) {
        grad[d + 1] = 0;
    } else {
        loss += 30 * noise - 0.1 * log(noise);
        grad[d + 1] = (grad[d + 1] + 30 - 0.1 / noise) * spread;
    }
    return loss;
}

double gp_loss(const struct gp_data *z, const double *raw, double *work, double *ret_grad)
{
    const struct gp_shape *s = z->shape;
    size_t n = (size_t)z->n;
    double *pairs = work, *k = work + n * n, *alpha = k + n * n, *weight = alpha + n;
    double scale = exp(raw[s->n_weights]), loss = 0;
    double noise = GP_NOISE_MIN + (z->exact ? 0 : exp(raw[s->n_weights + 1]));
    const int one = 1;
    int info;

    memset(ret_grad, 0, sizeof(double) * ((size_t)s->n_weights + 2));
    for (int i = 0; i < s->n_weights; i++)
        ret_grad[i] = exp(raw[i]);
    gp_feature_weights(s, ret_grad, weight);
    memset(ret_grad, 0, sizeof(double) * ((size_t)s->n_weights + 2));
    fill(z, weight, scale, noise, pairs, k);
    dpotrf_("L", &z->n, k, &z->n, &info, 1);
    if (info)
        return INFINITY;
    memcpy(alpha, z->y, sizeof(double) * n);
    dpotrs_("L", &z->n, &one, k, &z->n, alpha, &z->n, &info, 1);
    for (size_t i = 0; i < n; i++)
        loss += log(k[i * n + i]) + z->y[i] * alpha[i] / 2;
    dpotri_("L", &z->n, k, &z->n, &info, 1);
    if (info)
        return INFINITY;
    likelihood_gradient(z, pairs, k, alpha, scale, ret_grad);
    return loss + add_priors(z, raw, ret_grad);
}

struct problem {
    const struct gp_data *data;
    double *work;
};

static double loss_of(void *arg, const double *raw, double *ret_grad)
{
    const struct problem *p = arg;

    return gp_loss(p->data, raw, p->work, ret_grad);
}

/* Length-scales and noise that the search may start from; the scale starts at 1. */
static const struct {
    double weight, noise;
} starts[] = {{1, 0.1}, {1, 1e-4}, {10, 1e-4}, {10, 0.1}};
#define STARTS 4

void gp_fit(const struct gp_data *data, struct gp_params *ret, struct arena *a)
{
    struct arena tmp = {0};
    int d = data->shape->n_weights, p = d + 2;
    size_t n = (size_t)data->n;
    double *work = ARENA_ARRAY(&tmp, double, 2 * n * n + n + (size_t)gp_width(data->shape));
    struct problem problem = {data, work};
    double *low = ARENA_ARRAY(&tmp, double, p), *high = ARENA_ARRAY(&tmp, double, p);
    double *raw = ARENA_ARRAY(&tmp, double, p), *best = ARENA_ARRAY(&tmp, double, p);
    double *grad = ARENA_ARRAY(&tmp, double, p), lowest = INFINITY;
    double *weights = ARENA_ARRAY(a, double, d);
    const struct lbfgs lbfgs = {loss_of, &problem, p, low, high, 60, 1e-2, 1e-5};

    for (int i = 0; i < p; i++) {
        low[i] = i < d ? -9 : i == d ? -7 : -23;
        high[i] = i < d ? 9 : i == d ? 5 : 2;
    }
    for (int s = 0; s < STARTS; s++) {
        double f;

        for (int i = 0; i < d; i++)
            raw[i] = log(starts[s].weight);
        raw[d] = 0;
        raw[d + 1] = log(starts[s].noise);
        f = gp_loss(data, raw, work, grad);
        if (s == 0 || f < lowest) {
            lowest = f;
            memcpy(best, raw, sizeof(double) * (size_t)p);
        }
    }
    lbfgs_minimize(&lbfgs, best, &tmp);
    for (int i = 0; i < d; i++)
        weights[i] = exp(best[i]);
    *ret = (struct gp_params){weights, exp(best[d]),
                              GP_NOISE_MIN + (data->exact ? 0 : exp(best[d + 1]))};
    arena_release(&tmp);
}
