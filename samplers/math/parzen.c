/* The trials of a density: their kernels' columns, kept in order while they come and go. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "samplers/math/parzen_impl.h"
#include "samplers/math/sort.h"
#include "samplers/math/truncnorm.h"

#define FULL_WEIGHT 25 /* trials that count fully */

void parzen_weights(int n, double *ret)
{
    int ramp = n > FULL_WEIGHT ? n - FULL_WEIGHT : 0;

    for (int i = 0; i < ramp; i++)
        ret[i] = ramp > 1 ? 1.0 / n + i * ((1 - 1.0 / n) / (ramp - 1)) : 1.0 / n;
    for (int i = ramp; i < n; i++)
        ret[i] = 1;
}

double parzen_total_weight(int n)
{
    int ramp = n > FULL_WEIGHT ? n - FULL_WEIGHT : 0;

    return n - ramp + (ramp > 1 ? ramp * (1.0 / n + 1) / 2 : ramp ? 1.0 / n : 0);
}

static void copy_columns(void *to, int to_cap, const void *from, int from_cap, int columns,
                         size_t width)
{
    if (from_cap)
        for (int k = 0; k < columns; k++)
            memcpy((char *)to + (size_t)k * (size_t)to_cap * width,
                   (const char *)from + (size_t)k * (size_t)from_cap * width,
                   (size_t)from_cap * width);
}

static void *grown(void *p, int columns, int cap, int before, size_t width)
{
    void *q = xcalloc((size_t)columns * (size_t)cap, width);

    copy_columns(q, cap, p, before, columns, width);
    free(p);
    return q;
}

static void reserve(struct parzen *z, int kernels)
{
    int cap = z->cap ? z->cap : 4 * PARZEN_LANES, before = z->cap;

    while (cap < kernels + PARZEN_LANES)
        cap *= 2;
    if (cap == before)
        return;
    z->reals = grown(z->reals, z->d * N_REALS, cap, before, sizeof(double));
    z->floats = grown(z->floats, z->d * N_FLOATS, cap, before, sizeof(float));
    z->ints = grown(z->ints, z->d * N_INTS, cap, before, sizeof(int32_t));
    z->constant = grown(z->constant, 1, cap, before, sizeof(double));
    z->weight = xrealloc(z->weight, sizeof(double) * (size_t)cap);
    z->cumulative = xrealloc(z->cumulative, sizeof(double) * (size_t)cap);
    z->constant_f = xrealloc(z->constant_f, sizeof(float) * (size_t)cap);
    z->weight_f = xrealloc(z->weight_f, sizeof(float) * (size_t)cap);
    z->cap = cap;
}

/* sigma is the larger distance to a neighbour; the ends of the range are neighbours only of a lone
 * trial. */
static double sigma_at(const struct parzen *z, int j, int k)
{
    const struct dim *m = &z->dims[j];
    const double *mu = real_of(z, j, MU);
    const int32_t *order = int_of(z, j, ORDER);
    double x = mu[order[k]], range = m->high - m->low, sigma;
    double left = k ? x - mu[order[k - 1]] : z->n > 1 ? 0 : x - m->low;
    double right = k + 1 < z->n ? mu[order[k + 1]] - x : z->n > 1 ? 0 : m->high - x;
    double least = range * parzen_least(z->n);

    sigma = left > right ? left : right;
    sigma = sigma > least ? sigma : least;
    return sigma < range ? sigma : range;
}

static void join_group(struct parzen *z, int j, int kernel, int rank)
{
    struct parzen_cells *c = &z->dims[j].cells;
    const int32_t *order = int_of(z, j, ORDER);
    int32_t *group = int_of(z, j, GROUP);
    double mu = real_of(z, j, MU)[kernel], sigma = real_of(z, j, SIGMA)[kernel];

    /* Equal kernels stand side by side in the order. */
    for (int k = rank - 1; rank >= 0 && k <= rank + 1; k += 2) {
        int g = k >= 0 && k < z->n ? group[order[k]] : -1;

        if (g >= 0 && c->groups[g].mu == mu && c->groups[g].sigma == sigma) {
            group[kernel] = parzen_cells_join(c, g);
            return;
        }
    }
    group[kernel] =
        parzen_cells_new(c, mu, sigma, real_of(z, j, NORM)[kernel] - HALF_LOG_2PI - log(sigma));
}

static void set_sigma(struct parzen *z, int j, int kernel, int rank, double sigma)
{
    struct dim *m = &z->dims[j];
    double mu = real_of(z, j, MU)[kernel], range = m->high - m->low;
    double inv = sqrt(M_LOG2E / 2) / sigma;
    double a = (m->low - mu) / sigma, b = (m->high - mu) / sigma;
    /* What is cut off beyond 8.3 is below the rounding error of 1. */
    double left = a < -8.3 ? 0 : 0.5 * erfc(-a * M_SQRT1_2);
    double right = b > 8.3 ? 0 : 0.5 * erfc(b * M_SQRT1_2);

    real_of(z, j, SIGMA)[kernel] = sigma;
    real_of(z, j, INV)[kernel] = M_SQRT1_2 / sigma;
    real_of(z, j, LEFT)[kernel] = left;
    real_of(z, j, RIGHT)[kernel] = right;
    real_of(z, j, NORM)[kernel] = HALF_LOG_2PI + log(sigma) + log1p(-left - right);
    float_of(z, j, MU_F)[kernel] = (float)((mu - m->low) * inv);
    float_of(z, j, INV_F)[kernel] = (float)(inv * range);
    if (m->grid) {
        int32_t *group = int_of(z, j, GROUP);

        if (group[kernel] >= 0)
            parzen_cells_leave(&m->cells, group[kernel]);
        join_group(z, j, kernel, rank);
    }
}

static void set_constant(struct parzen *z, int kernel)
{
    double sum = 0;

    for (int j = 0; j < z->d; j++)
        if (!z->dims[j].choices && !z->dims[j].grid)
            sum -= real_of(z, j, NORM)[kernel];
    z->constant[kernel] = sum;
}

/* The kernels of these ranks, after their neighbours changed. */
static void refresh(struct parzen *z, int j, int from, int to)
{
    const int32_t *order = int_of(z, j, ORDER);
    const double *sigmas = real_of(z, j, SIGMA);

    for (int k = from < 0 ? 0 : from; k <= to && k < z->n; k++) {
        double sigma = sigma_at(z, j, k);

        if (sigma == sigmas[order[k]])
            continue;
        set_sigma(z, j, order[k], k, sigma);
        set_constant(z, order[k]);
    }
}

static double to_kernel(const struct dim *m, double x)
{
    return m->p->log ? log(x) : x;
}

static void init_dim(struct parzen *z, int j, const struct hpo_param *p)
{
    struct dim *m = &z->dims[j];

    m->p = p;
    m->choices = p->kind == HPO_PARAM_CATEGORICAL;
    if (m->choices) {
        m->rows = xmalloc(sizeof(double) * (size_t)p->n_choices * (size_t)(p->n_choices + 1));
        int_of(z, j, GROUP)[0] = p->n_choices;
        return;
    }
    m->grid = p->kind == HPO_PARAM_INT || p->step > 0;
    m->margin = !m->grid ? 0 : p->kind == HPO_PARAM_INT && p->step < 1 ? 0.5 : p->step / 2;
    m->low = to_kernel(m, p->low - m->margin);
    m->high = to_kernel(m, p->high + m->margin);
    if (m->grid)
        parzen_cells_init(&m->cells, p, m->high - m->low);
}

static void set_prior(struct parzen *z)
{
    for (int j = 0; j < z->d; j++) {
        struct dim *m = &z->dims[j];

        if (m->choices)
            continue;
        real_of(z, j, MU)[0] = 0.5 * (m->low + m->high);
        int_of(z, j, GROUP)[0] = -1;
        set_sigma(z, j, 0, -1, m->high - m->low);
    }
    set_constant(z, 0);
}

struct parzen *parzen_new(const struct hpo_param *const *params, int d)
{
    struct parzen *z = xcalloc(1, sizeof(*z));

    z->d = d;
    z->dims = xcalloc((size_t)d, sizeof(*z->dims));
    z->vec = parzen_vec_pick();
    reserve(z, 1);
    for (int j = 0; j < d; j++)
        init_dim(z, j, params[j]);
    set_prior(z);
    return z;
}

void parzen_free(struct parzen *z)
{
    if (!z)
        return;
    for (int j = 0; j < z->d; j++) {
        parzen_cells_release(&z->dims[j].cells);
        free(z->dims[j].rows);
    }
    free(z->dims);
    free(z->reals);
    free(z->floats);
    free(z->ints);
    free(z->constant);
    free(z->weight);
    free(z->cumulative);
    free(z->constant_f);
    free(z->weight_f);
    free(z->scratch);
    free(z);
}

/* A kernel whose bandwidths nobody knows yet. */
static void put(struct parzen *z, int j, int kernel, double value)
{
    struct dim *m = &z->dims[j];

    if (m->choices) {
        int_of(z, j, GROUP)[kernel] = (int32_t)value;
        return;
    }
    real_of(z, j, MU)[kernel] = to_kernel(m, value);
    real_of(z, j, SIGMA)[kernel] = 0;
    int_of(z, j, GROUP)[kernel] = -1;
}

void parzen_fill(struct parzen *z, const double *obs, int n)
{
    reserve(z, n + 1);
    z->n = n;
    z->ready = false;
    for (int j = 0; j < z->d; j++) {
        if (z->dims[j].grid)
            parzen_cells_clear(&z->dims[j].cells);
    }
    set_prior(z);
    for (int j = 0; j < z->d; j++) {
        int32_t *order = int_of(z, j, ORDER);

        for (int i = 0; i < n; i++)
            put(z, j, i + 1, obs[(size_t)j * (size_t)n + (size_t)i]);
        if (z->dims[j].choices)
            continue;
        sort_order(real_of(z, j, MU) + 1, n, order);
        for (int k = 0; k < n; k++)
            order[k]++;
        for (int k = 0; k < n; k++)
            set_sigma(z, j, order[k], k, sigma_at(z, j, k));
    }
    for (int i = 1; i <= n; i++)
        set_constant(z, i);
}

static void shift(void *base, int columns, int cap, size_t width, int from, int to, int n)
{
    for (int k = 0; k < columns; k++) {
        char *column = (char *)base + (size_t)k * (size_t)cap * width;

        memmove(column + (size_t)to * width, column + (size_t)from * width, (size_t)n * width);
    }
}

/* Move n kernels; the columns of the order are none of kernels. */
static void shift_all(struct parzen *z, int from, int to, int n)
{
    if (!n)
        return;
    shift(z->reals, z->d * N_REALS, z->cap, sizeof(double), from, to, n);
    shift(z->floats, z->d * N_FLOATS, z->cap, sizeof(float), from, to, n);
    shift(z->constant, 1, z->cap, sizeof(double), from, to, n);
    for (int j = 0; j < z->d; j++) {
        int32_t *order = int_of(z, j, ORDER), add = to - from;

        shift(int_of(z, j, GROUP), 1, z->cap, sizeof(int32_t), from, to, n);
        if (!z->dims[j].choices)
            for (int k = 0; k < z->n; k++)
                order[k] += order[k] >= from ? add : 0;
    }
}

/* The rank of a kernel among n, or the one that it would get. */
static int rank_of(const struct parzen *z, int j, int n, double mu, int kernel)
{
    const double *mus = real_of(z, j, MU);
    const int32_t *order = int_of(z, j, ORDER);
    int low = 0, high = n;

    while (low < high) {
        int middle = low + (high - low) / 2, other = order[middle];

        if (mus[other] < mu || (mus[other] == mu && other < kernel))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Those whose neighbours changed; all while the least sigma depends on the number of trials. */
static void refresh_around(struct parzen *z, int n_before, int left, int right)
{
    bool all = parzen_least(n_before) != parzen_least(z->n) || z->n < 3;

    for (int j = 0; j < z->d; j++) {
        int k = z->dims[j].rank;

        if (!z->dims[j].choices)
            refresh(z, j, all ? 0 : k + left, all ? z->n - 1 : k + right);
    }
}

void parzen_insert(struct parzen *z, int at, const double *values)
{
    int kernel = at + 1;

    reserve(z, z->n + 2);
    shift_all(z, kernel, kernel + 1, z->n - at);
    for (int j = 0; j < z->d; j++) {
        int32_t *order = int_of(z, j, ORDER);
        int k;

        put(z, j, kernel, values[j]);
        if (z->dims[j].choices)
            continue;
        k = z->dims[j].rank = rank_of(z, j, z->n, real_of(z, j, MU)[kernel], kernel);
        memmove(order + k + 1, order + k, sizeof(*order) * (size_t)(z->n - k));
        order[k] = kernel;
    }
    z->n++;
    z->ready = false;
    set_constant(z, kernel);
    refresh_around(z, z->n - 1, -1, 1);
}

void parzen_remove(struct parzen *z, int at)
{
    int kernel = at + 1;

    z->n--;
    z->ready = false;
    for (int j = 0; j < z->d; j++) {
        int32_t *order = int_of(z, j, ORDER);
        int k;

        if (z->dims[j].choices)
            continue;
        k = z->dims[j].rank = rank_of(z, j, z->n + 1, real_of(z, j, MU)[kernel], kernel);
        memmove(order + k, order + k + 1, sizeof(*order) * (size_t)(z->n - k));
        if (z->dims[j].grid)
            parzen_cells_leave(&z->dims[j].cells, int_of(z, j, GROUP)[kernel]);
    }
    shift_all(z, kernel + 1, kernel, z->n - at);
    refresh_around(z, z->n + 1, -1, 0);
}
