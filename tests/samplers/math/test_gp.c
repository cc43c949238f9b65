/* Known values: sklearn.gaussian_process.GaussianProcessRegressor (1.2) with ConstantKernel(1.7) *
 * Matern(length_scale=[0.4, 0.9], nu=2.5), alpha=0.02. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "base/rng.h"
#include "samplers/math/gp.h"
#include "samplers/math/gp_fit.h"

#define LN_2PI 1.8378770664093453

static const int owner[] = {0, 1, 2, 1};
static const double factor[] = {1, 1, 1, 0.25};
static const struct gp_shape plane = {2, 0, 2, owner, factor};
/* Two numbers, the second with a flag of its own, and a choice. */
static const struct gp_shape mixed = {2, 2, 3, owner, factor};

static const double x[] = {0.551, 0.708, 0.291, 0.511, 0.893, 0.896, 0.126, 0.207,
                           0.051, 0.441, 0.03,  0.457, 0.649, 0.278, 0.676, 0.591};
static const double y[] = {0.883, 1.214, -0.221, 0.477, 0.545, 0.248, -0.144, 0.093};
static const double weights[] = {1 / 0.16, 1 / 0.81};
static struct arena arena;

static void near(double a, double b, double absolute)
{
    if (!(fabs(a - b) <= absolute))
        fail_msg("%.17g is not %.17g", a, b);
}

static void test_posterior(void **state)
{
    const double q[] = {0.5, 0.5, 0.1, 0.9, 0.999, 0.001, 0.127, 0.207};
    const double means[] = {0.8232528757273683, 0.7817824483773187, -0.5698231590414904,
                            0.4937389245493372};
    const double vars[] = {0.057677842548041536, 0.34974699965053535, 0.954055361108331,
                           0.0182818717295532};
    const struct gp_params p = {weights, 1.7, 0.02};
    struct gp g;
    double k[4 * 8], var[4], bound[4], work[16], mean1, var1, dmean[2], dvar[2];

    gp_condition(&g, &plane, &p, x, y, 8, &arena);
    gp_covariances(&g, q, 4, k, NULL);
    for (int i = 0; i < 4; i++) {
        near(gp_mean(&g, k + 8 * i), means[i], 1e-12);
        bound[i] = gp_variance_bound(&g, k + 8 * i);
    }
    gp_variances(&g, k, 4, var);
    for (int i = 0; i < 4; i++) {
        near(var[i], vars[i], 1e-11);
        assert_true(bound[i] >= var[i] && bound[i] <= 1.7 + 1e-11);
        gp_predict(&g, q + 2 * i, work, &mean1, &var1, dmean, dvar);
        near(mean1, means[i], 1e-12);
        near(var1, vars[i], 1e-11);
    }
}

static void random_data(const struct gp_shape *s, uint64_t seed, int n, double *ret_x,
                        double *ret_y)
{
    struct hpo_rng rng = hpo_rng_for(seed, -1, -1, "test", 0);

    for (int i = 0; i < n; i++) {
        double *row = ret_x + i * gp_width(s);

        for (int f = 0; f < gp_width(s); f++)
            row[f] = f < s->n_numeric ? hpo_rng_uniform(&rng) : (double)hpo_rng_below(&rng, 3);
        ret_y[i] = sin(4 * row[0]) + (s->n_nominal ? row[2] : 0) + 0.1 * hpo_rng_normal(&rng);
    }
}

static void test_prediction_gradient(void **state)
{
    const double w[] = {5, 0.7, 1.3};
    const struct gp_params p = {w, 1.3, 0.01};
    double xs[15 * 4], ys[15], work[30], mean, var, dmean[2], dvar[2], unused[2];
    struct gp g;

    random_data(&mixed, 1, 15, xs, ys);
    gp_condition(&g, &mixed, &p, xs, ys, 15, &arena);
    for (int i = 0; i < 6; i++) {
        double at[] = {0.1 + 0.15 * i, 0.9 - 0.1 * i, i % 3, i % 2}, e = 1e-6;

        gp_predict(&g, at, work, &mean, &var, dmean, dvar);
        for (int f = 0; f < 2; f++) {
            double m[2], v[2], middle = at[f];

            for (int side = 0; side < 2; side++) {
                at[f] = middle + (side ? e : -e);
                gp_predict(&g, at, work, &m[side], &v[side], unused, unused);
            }
            at[f] = middle;
            near(dmean[f], (m[1] - m[0]) / (2 * e), 1e-7);
            near(dvar[f], (v[1] - v[0]) / (2 * e), 1e-7);
        }
    }
}

/* A flag that differs is a quarter of a full distance. */
static void test_kernel(void **state)
{
    const double w[] = {2, 3, 5};
    double feature[4], a[] = {0.2, 0.5, 1, 0}, b[] = {0.6, 0.4, 2, 1};
    double r = sqrt(5 * (2 * 0.16 + 3 * 0.01 + 5 + 3 * 0.25));

    gp_feature_weights(&mixed, w, feature);
    near(gp_kernel(&mixed, feature, 1.5, a, b), 1.5 * (1 + r + r * r / 3) * exp(-r), 1e-15);
    near(gp_kernel(&mixed, feature, 1.5, a, a), 1.5, 0);
}

static double priors(const double *raw, int d, bool exact)
{
    double sum = 0, noise = exp(raw[d + 1]) + GP_NOISE_MIN;

    for (int i = 0; i < d; i++)
        sum -= 0.1 / exp(raw[i]) + 0.1 * exp(raw[i]);
    sum += raw[d] - exp(raw[d]);
    return exact ? sum : sum + 0.1 * log(noise) - 30 * noise;
}

static void test_loss(void **state)
{
    const struct gp_data data = {&plane, x, y, 8, false};
    const double raw[] = {log(weights[0]), log(weights[1]), log(1.7), log(0.02 - GP_NOISE_MIN)};
    double work[2 * 64 + 8 + 2], grad[4];

    near(-gp_loss(&data, raw, work, grad) - 4 * LN_2PI - priors(raw, 2, false), -5.564310242160282,
         1e-12);
}

static void test_loss_gradient(void **state)
{
    double xs[20 * 4], ys[20], work[2 * 400 + 20 + 4], grad[5], unused[5];

    for (int k = 0; k < 6; k++) {
        struct gp_data data = {&mixed, xs, ys, 20, k % 2};
        double raw[] = {0.3 * k, 1 - 0.4 * k, -0.5, 0.2 * k - 0.4, -3 - 0.5 * k}, e = 1e-5;

        random_data(&mixed, (uint64_t)k, 20, xs, ys);
        gp_loss(&data, raw, work, grad);
        for (int i = 0; i < 5; i++) {
            double f[2], middle = raw[i];

            for (int side = 0; side < 2; side++) {
                raw[i] = middle + (side ? e : -e);
                f[side] = gp_loss(&data, raw, work, unused);
            }
            raw[i] = middle;
            near(grad[i], (f[1] - f[0]) / (2 * e), 1e-5 * fmax(1, fabs(grad[i])));
        }
        assert_int_equal(data.exact, grad[4] == 0);
    }
}

/* The axis that matters has the larger weight, and the noise is found. */
static void test_fit(void **state)
{
    const struct gp_shape s = {2, 0, 2, owner, factor};
    double xs[60 * 2], ys[60], mean = 0, square = 0;
    struct hpo_rng rng = hpo_rng_for(5, -1, -1, "test", 0);
    struct gp_data data = {&s, xs, ys, 60, false};
    struct gp_params p, again;

    for (int noisy = 0; noisy < 2; noisy++) {
        for (int i = 0; i < 60; i++) {
            xs[2 * i] = hpo_rng_uniform(&rng);
            xs[2 * i + 1] = hpo_rng_uniform(&rng);
            ys[i] = sin(9 * xs[2 * i]) * 1.4 + (noisy ? 0.3 : 0) * hpo_rng_normal(&rng);
        }
        gp_fit(&data, &p, &arena);
        gp_fit(&data, &again, &arena);
        assert_memory_equal(p.weights, again.weights, sizeof(double) * 2);
        assert_true(p.scale == again.scale && p.noise == again.noise);
        assert_true(p.weights[0] > 10 * p.weights[1]);
        assert_true(noisy ? p.noise > 0.03 && p.noise < 0.2 : p.noise < 1e-2);
    }
    data.exact = true;
    gp_fit(&data, &p, &arena);
    assert_true(p.noise == GP_NOISE_MIN);
    /* One observation, and equal ones at one place, are no reason to fail. */
    for (int n = 1; n <= 60; n += 59) {
        memset(xs, 0, sizeof(xs));
        memset(ys, 0, sizeof(ys));
        data.n = n;
        gp_fit(&data, &p, &arena);
        mean += p.scale;
        square += p.noise;
        assert_true(isfinite(mean) && isfinite(square) && p.scale > 0 && isfinite(p.weights[0]));
    }
}

/* Hundreds of observations of one place, hardly any noise, a huge scale: never NaN. */
static void test_singular(void **state)
{
    const double w[] = {1e-4, 1e-4};
    const struct gp_params p = {w, 150, 1e-14};
    double xs[2 * 200], ys[200], k[200], var;
    struct gp g;

    for (int i = 0; i < 200; i++) {
        xs[2 * i] = 0.3 + (i % 2) * 1e-12;
        xs[2 * i + 1] = 0.7;
        ys[i] = i % 3;
    }
    gp_condition(&g, &plane, &p, xs, ys, 200, &arena);
    gp_covariances(&g, xs, 1, k, NULL);
    assert_true(isfinite(gp_mean(&g, k)));
    gp_variances(&g, k, 1, &var);
    assert_true(var > 0 && isfinite(var));
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel),
        cmocka_unit_test(test_posterior),
        cmocka_unit_test(test_prediction_gradient),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_loss_gradient),
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_singular),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
