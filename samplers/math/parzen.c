#include "samplers/math/parzen.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "samplers/math/sort.h"
#include "samplers/math/truncnorm.h"

#define HALF_LOG_2PI 0.91893853320467274178
#define FULL_WEIGHT 25 /* trials that count fully */

/* Kernels are gone through in blocks of this many: a constant for the vectoriser, and a block stays
 * in the L1 cache while all candidates pass over it. */
#define BLOCK 128
/* Points at a time, which bounds the memory of their tables. */
#define POINTS 64

/* One parameter. mu, sigma: per kernel, in the logarithm for log parameters; not for choices. */
struct dim {
    const struct hpo_param *p;
    double low, high; /* of the kernels: half a step beyond the grid's ends */
    double *mu, *sigma;

    double *inv_sigma; /* continuous: 1 / (sigma sqrt(2)), 0 beyond the last kernel */

    /* Discrete: kernels with equal mu and sigma, or with the same choice, share a group, and what
     * a point gets from a kernel is looked up in a table of groups. */
    int32_t *group; /* per kernel */
    int n_groups;
    int32_t *first;   /* per group: a kernel of it; not for choices */
    double *norm;     /* per group: log mass of the whole range */
    double hit, miss; /* choices: the share of the trial's own and of the others */
};

struct parzen {
    struct arena *arena;
    struct dim *dims;
    int d, n; /* n: kernels, the prior included */
    int padded;
    double *cumulative; /* of the weights */
    double *constant;   /* per kernel: what does not depend on the point; -inf beyond the last */
};

static bool is_continuous(const struct hpo_param *p)
{
    return p->kind == HPO_PARAM_FLOAT && p->step <= 0;
}

static double spacing(const struct hpo_param *p)
{
    return p->kind == HPO_PARAM_INT && p->step < 1 ? 1 : p->step;
}

void parzen_weights(int n, double *ret)
{
    int ramp = n > FULL_WEIGHT ? n - FULL_WEIGHT : 0;

    for (int i = 0; i < ramp; i++)
        ret[i] = ramp > 1 ? 1.0 / n + i * ((1 - 1.0 / n) / (ramp - 1)) : 1.0 / n;
    for (int i = ramp; i < n; i++)
        ret[i] = 1;
}

/* sigma is the larger distance to a neighbour; the ends of the range are neighbours only of a lone
 * trial. Ties keep the order of the trials. */
static void set_sigmas(struct dim *m, int n, const int32_t *order)
{
    double range = m->high - m->low;
    double least = range / fmin(100, 2 + n);

    for (int k = 0; k < n; k++) {
        double mu = m->mu[order[k]];
        double left = mu - (k ? m->mu[order[k - 1]] : m->low);
        double right = (k + 1 < n ? m->mu[order[k + 1]] : m->high) - mu;
        double sigma = fmax(left, right);

        if (n > 1 && k == 0)
            sigma = right;
        if (n > 1 && k == n - 1)
            sigma = left;
        m->sigma[order[k]] = fmin(fmax(sigma, least), range);
    }
    m->mu[n] = 0.5 * (m->low + m->high);
    m->sigma[n] = range;
}

static double range_log_mass(const struct dim *m, int i)
{
    return truncnorm_log_mass((m->low - m->mu[i]) / m->sigma[i],
                              (m->high - m->mu[i]) / m->sigma[i]);
}

static void add_continuous(struct parzen *z, struct dim *m)
{
    double sigma = 0, log_sigma = 0;

    m->inv_sigma = ARENA_ARRAY(z->arena, double, z->padded);
    for (int i = 0; i < z->n; i++) {
        if (m->sigma[i] != sigma) { /* among thousands of trials most have the least one */
            sigma = m->sigma[i];
            log_sigma = log(sigma);
        }
        m->inv_sigma[i] = M_SQRT1_2 / sigma;
        z->constant[i] -= HALF_LOG_2PI + log_sigma + range_log_mass(m, i);
    }
}

static void group_cells(struct parzen *z, struct dim *m, const int32_t *order)
{
    int n = z->n - 1;

    m->group = ARENA_ARRAY(z->arena, int32_t, z->padded);
    m->first = ARENA_ARRAY(z->arena, int32_t, z->n);
    for (int k = 0; k < n; k++) {
        int32_t i = order[k], before = m->n_groups ? m->first[m->n_groups - 1] : 0;

        if (!m->n_groups || m->mu[i] != m->mu[before] || m->sigma[i] != m->sigma[before])
            m->first[m->n_groups++] = i;
        m->group[i] = m->n_groups - 1;
    }
    m->first[m->n_groups] = n;
    m->group[n] = m->n_groups++;
    m->norm = ARENA_ARRAY(z->arena, double, m->n_groups);
    for (int g = 0; g < m->n_groups; g++)
        m->norm[g] = range_log_mass(m, m->first[g]);
}

static void add_numeric(struct parzen *z, struct dim *m, const double *obs)
{
    const struct hpo_param *p = m->p;
    int n = z->n - 1;
    double margin = is_continuous(p) ? 0 : spacing(p) / 2;
    int32_t *order = ARENA_ARRAY(z->arena, int32_t, n);

    m->low = p->low - margin;
    m->high = p->high + margin;
    if (p->log) {
        m->low = log(m->low);
        m->high = log(m->high);
    }
    m->mu = ARENA_ARRAY(z->arena, double, z->padded);
    m->sigma = ARENA_ARRAY(z->arena, double, z->n);
    for (int i = 0; i < n; i++)
        m->mu[i] = p->log ? log(obs[i]) : obs[i];
    sort_order(m->mu, n, order);
    set_sigmas(m, n, order);
    if (is_continuous(p))
        add_continuous(z, m);
    else
        group_cells(z, m, order);
}

/* A trial's choice has a share of 1 + 1/n, every other one 1/n. */
static void add_choices(struct parzen *z, struct dim *m, const double *obs)
{
    int n = z->n - 1, c = m->p->n_choices;
    double sum = 1 + (double)c / z->n;

    m->group = ARENA_ARRAY(z->arena, int32_t, z->padded);
    for (int i = 0; i < n; i++)
        m->group[i] = (int32_t)obs[i];
    m->group[n] = c;
    m->n_groups = c + 1;
    m->hit = (1 + 1.0 / z->n) / sum;
    m->miss = 1.0 / z->n / sum;
}

struct parzen *parzen_new(struct arena *a, const struct hpo_param *const *params, int d,
                          const double *obs, int n)
{
    struct parzen *z = ARENA_NEW(a, struct parzen);
    double sum = 1;

    z->arena = a;
    z->d = d;
    z->n = n + 1;
    z->padded = (z->n + BLOCK - 1) / BLOCK * BLOCK;
    z->dims = ARENA_ARRAY(a, struct dim, d);
    z->cumulative = ARENA_ARRAY(a, double, z->n);
    z->constant = ARENA_ARRAY(a, double, z->padded);
    parzen_weights(n, z->cumulative);
    z->cumulative[n] = 1;
    for (int i = 0; i < n; i++)
        sum += z->cumulative[i];
    for (int i = 0; i < z->padded; i++)
        z->constant[i] = i < z->n ? log(z->cumulative[i] / sum) : -INFINITY;
    for (int i = 0; i < z->n; i++)
        z->cumulative[i] = z->cumulative[i] / sum + (i ? z->cumulative[i - 1] : 0);
    for (int j = 0; j < d; j++) {
        z->dims[j].p = params[j];
        if (params[j]->kind == HPO_PARAM_CATEGORICAL)
            add_choices(z, &z->dims[j], obs + (size_t)j * (size_t)n);
        else
            add_numeric(z, &z->dims[j], obs + (size_t)j * (size_t)n);
    }
    return z;
}

static double sample_choice(const struct parzen *z, const struct dim *m, int kernel, double u)
{
    int c = m->p->n_choices, own = m->group[kernel];
    double sum = 0;

    for (int k = 0; k < c - 1; k++) {
        sum += own == c ? 1.0 / c : k == own ? m->hit : m->miss;
        if (u <= sum)
            return k;
    }
    return c - 1;
}

static double sample_numeric(const struct dim *m, int kernel, double u)
{
    const struct hpo_param *p = m->p;
    double mu = m->mu[kernel], sigma = m->sigma[kernel];
    double x = mu + sigma * truncnorm_quantile(u, (m->low - mu) / sigma, (m->high - mu) / sigma);
    int64_t count = hpo_param_count(p), k;

    if (p->log)
        x = exp(x);
    x = fmin(fmax(x, p->low), p->high);
    if (is_continuous(p))
        return x;
    if (count < 0) /* more values than integers that a double tells apart */
        return fmin(p->low + rint((x - p->low) / spacing(p)) * spacing(p), p->high);
    k = (int64_t)rint((x - p->low) / spacing(p));
    return hpo_param_at(p, k < count ? k : count - 1);
}

void parzen_sample(const struct parzen *z, struct hpo_rng *rng, double *ret)
{
    double u = hpo_rng_uniform(rng);
    int low = 0, high = z->n - 1;

    /* The first kernel whose cumulative weight is above u; the last one when rounding hides it. */
    while (low < high) {
        int middle = low + (high - low) / 2;

        if (z->cumulative[middle] > u)
            high = middle;
        else
            low = middle + 1;
    }
    for (int j = 0; j < z->d; j++) {
        const struct dim *m = &z->dims[j];

        u = hpo_rng_uniform(rng);
        ret[j] = m->p->kind == HPO_PARAM_CATEGORICAL ? sample_choice(z, m, low, u)
                                                     : sample_numeric(m, low, u);
    }
}

/* What a point at x gets from the kernels of every group. */
static void fill_row(const struct dim *m, double x, double *ret)
{
    double half, left, right;

    if (m->p->kind == HPO_PARAM_CATEGORICAL) {
        int c = m->p->n_choices;
        double miss = log(m->miss);

        for (int g = 0; g < c; g++)
            ret[g] = miss;
        ret[(int)x] = log(m->hit);
        ret[c] = -log(c);
        return;
    }
    half = spacing(m->p) / 2;
    left = m->p->log ? log(x - half) : x - half;
    right = m->p->log ? log(x + half) : x + half;
    for (int g = 0; g < m->n_groups; g++) {
        double mu = m->mu[m->first[g]], sigma = m->sigma[m->first[g]];

        ret[g] = truncnorm_log_mass((left - mu) / sigma, (right - mu) / sigma) - m->norm[g];
    }
}

/* rows[j * m + i]: of point i and parameter j; equal values share a row. t: the points, with
 * continuous log parameters in the logarithm. */
static void fill_rows(const struct parzen *z, const double *x, int m, const double **rows,
                      double *t, struct arena *a)
{
    for (int j = 0; j < z->d; j++) {
        const struct dim *dim = &z->dims[j];

        for (int i = 0; i < m; i++) {
            double v = x[(size_t)i * (size_t)z->d + (size_t)j], *row;
            int k = 0;

            t[j * m + i] = v;
            if (is_continuous(dim->p)) {
                if (dim->p->log)
                    t[j * m + i] = log(v);
                continue;
            }
            while (k < i && t[j * m + k] != v)
                k++;
            if (k < i) {
                rows[j * m + i] = rows[j * m + k];
                continue;
            }
            row = ARENA_ARRAY(a, double, dim->n_groups);
            fill_row(dim, v, row);
            rows[j * m + i] = row;
        }
    }
}

static void add_normal(double *restrict acc, const double *restrict mu,
                       const double *restrict inv_sigma, double x)
{
    for (int i = 0; i < BLOCK; i++) {
        double z = (x - mu[i]) * inv_sigma[i];

        acc[i] -= z * z;
    }
}

static void add_row(double *restrict acc, const int32_t *restrict group, const double *restrict row)
{
    for (int i = 0; i < BLOCK; i++)
        acc[i] += row[group[i]];
}

/* The sum of exp(acc), kept as sum * exp(max). */
struct log_sum {
    double max, sum;
};

static void add_block(struct log_sum *s, const double *acc)
{
    double max = s->max;

    for (int i = 0; i < BLOCK; i++)
        max = acc[i] > max ? acc[i] : max;
    if (max == -INFINITY)
        return;
    if (max > s->max) {
        s->sum *= exp(s->max - max);
        s->max = max;
    }
    for (int i = 0; i < BLOCK; i++)
        if (acc[i] > max - 50) /* a million that are left out weigh less than a rounding error */
            s->sum += exp(acc[i] - max);
}

static void log_pdf_of_few(const struct parzen *z, const double *x, int m, double *ret)
{
    struct arena a = {0};
    const double **rows = ARENA_ARRAY(&a, const double *, (size_t)m *(size_t)z->d);
    double *t = ARENA_ARRAY(&a, double, (size_t)m *(size_t)z->d);
    struct log_sum *sums = ARENA_ARRAY(&a, struct log_sum, m);

    fill_rows(z, x, m, rows, t, &a);
    for (int i = 0; i < m; i++)
        sums[i].max = -INFINITY;
    for (int from = 0; from < z->padded; from += BLOCK)
        for (int i = 0; i < m; i++) {
            double acc[BLOCK];

            memcpy(acc, z->constant + from, sizeof(acc));
            for (int j = 0; j < z->d; j++) {
                const struct dim *dim = &z->dims[j];

                if (is_continuous(dim->p))
                    add_normal(acc, dim->mu + from, dim->inv_sigma + from, t[j * m + i]);
                else
                    add_row(acc, dim->group + from, rows[j * m + i]);
            }
            add_block(&sums[i], acc);
        }
    for (int i = 0; i < m; i++)
        ret[i] = sums[i].max == -INFINITY ? -INFINITY : sums[i].max + log(sums[i].sum);
    arena_release(&a);
}

void parzen_log_pdf(const struct parzen *z, const double *x, int m, double *ret)
{
    for (int i = 0; i < m; i += POINTS) {
        size_t from = (size_t)i * (size_t)z->d;

        log_pdf_of_few(z, x + from, m - i < POINTS ? m - i : POINTS, ret + i);
    }
}
