/* tests/kernels/cuda/ops_ref_norm.h - plain loops in double that say what batch norm computes, for
 * one model: a matrix of (rows, stored channels). */
#ifndef HPO_TESTS_KERNELS_CUDA_OPS_REF_NORM_H
#define HPO_TESTS_KERNELS_CUDA_OPS_REF_NORM_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

struct ref_norm {
    size_t rows, stored;
    float eps, momentum;
    bool relu;
    const float *weight, *bias;
};

struct ref_moments {
    double mean, squares;
};

static inline struct ref_moments ref_moments(const struct ref_norm *n, const float *x, size_t c)
{
    struct ref_moments m = {0, 0};

    for (size_t i = 0; i < n->rows; i++)
        m.mean += (double)x[i * n->stored + c];
    m.mean /= (double)n->rows;
    for (size_t i = 0; i < n->rows; i++) {
        double d = (double)x[i * n->stored + c] - m.mean;

        m.squares += d * d;
    }
    return m;
}

/* What training keeps: mean, what its float is off by, 1 / deviation, scale; each (stored). */
static inline void ref_norm_saved(const struct ref_norm *n, const float *x, float *saved)
{
    for (size_t c = 0; c < n->stored; c++) {
        struct ref_moments m = ref_moments(n, x, c);
        double istd = 1 / sqrt(m.squares / (double)n->rows + (double)n->eps);

        saved[c] = (float)m.mean;
        saved[n->stored + c] = (float)(m.mean - (double)(float)m.mean);
        saved[2 * n->stored + c] = (float)istd;
        saved[3 * n->stored + c] = (float)((double)n->weight[c] * istd);
    }
}

static inline void ref_norm_running(const struct ref_norm *n, const float *x, float *mean,
                                    float *var)
{
    double momentum = (double)n->momentum;

    for (size_t c = 0; c < n->stored; c++) {
        struct ref_moments m = ref_moments(n, x, c);

        mean[c] = (float)((1 - momentum) * (double)mean[c] + momentum * m.mean);
        var[c] =
            (float)((1 - momentum) * (double)var[c] + momentum * m.squares / ((double)n->rows - 1));
    }
}

/* mean, var NULL: the batch's. res NULL: none. */
static inline void ref_norm_apply(const struct ref_norm *n, const float *x, const float *res,
                                  const float *mean, const float *var, float *y)
{
    for (size_t c = 0; c < n->stored; c++) {
        struct ref_moments m = ref_moments(n, x, c);
        double center = mean ? (double)mean[c] : m.mean;
        double square = var ? (double)var[c] : m.squares / (double)n->rows;
        double scale = (double)n->weight[c] / sqrt(square + (double)n->eps);

        for (size_t i = c; i < n->rows * n->stored; i += n->stored) {
            double v =
                ((double)x[i] - center) * scale + (double)n->bias[c] + (res ? (double)res[i] : 0);

            y[i] = n->relu && v <= 0 ? 0 : (float)v;
        }
    }
}

/* dx and g (what the residual gets) are added to what lies there. */
static inline void ref_norm_backward(const struct ref_norm *n, const float *x, const float *y,
                                     const float *dy, double *dx, double *g, float *dweight,
                                     float *dbias)
{
    for (size_t c = 0; c < n->stored; c++) {
        struct ref_moments m = ref_moments(n, x, c);
        double istd = 1 / sqrt(m.squares / (double)n->rows + (double)n->eps);
        double sum = 0, product = 0, rows = (double)n->rows;

        for (size_t i = c; i < n->rows * n->stored; i += n->stored) {
            double own = n->relu && y[i] <= 0 ? 0 : (double)dy[i];

            sum += own;
            product += own * ((double)x[i] - m.mean) * istd;
        }
        dweight[c] = (float)product;
        dbias[c] = (float)sum;
        for (size_t i = c; i < n->rows * n->stored; i += n->stored) {
            double own = n->relu && y[i] <= 0 ? 0 : (double)dy[i];
            double xhat = ((double)x[i] - m.mean) * istd;

            g[i] += own;
            dx[i] += (double)n->weight[c] * istd * (own - sum / rows - xhat * product / rows);
        }
    }
}

#endif
