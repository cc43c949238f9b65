/* What a density is at a point: exactly, and to within a bound for many points. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "samplers/math/parzen_impl.h"

/* The largest exponent (of 2) of a kernel in single precision: a million of them still have a sum.
 * The prior's is at least BOTTOM, so that what is taken for 0, below -110, does not count. */
#define TOP 100.0
#define BOTTOM -50.0
#define FLOAT_EPS 0x1p-24
/* What parzen_best gives up to rounding in double precision. */
#define SLACK 1e-9

void *parzen_scratch(struct parzen *z, size_t bytes)
{
    if (bytes > z->scratch_bytes) {
        free(z->scratch);
        z->scratch_bytes = bytes + bytes / 2;
        z->scratch = xmalloc(z->scratch_bytes);
    }
    return z->scratch;
}

void parzen_prepare(struct parzen *z)
{
    int n = z->n;

    if (z->ready)
        return;
    z->ready = true;
    z->drawable = false;
    z->padded = (n + PARZEN_LANES) / PARZEN_LANES * PARZEN_LANES;
    z->weight[0] = 1;
    parzen_weights(n, z->weight + 1);
    for (int i = n + 1; i < z->padded; i++) {
        z->weight[i] = 0;
        z->constant[i] = -1e30;
        for (int j = 0; j < z->d; j++)
            int_of(z, j, GROUP)[i] = 0; /* what was left behind may no longer be one */
    }
    z->log_total = log(1 + parzen_total_weight(n));
    z->max_constant = z->vec->highest(z->constant, z->padded);
    z->vec->to_float(z->weight, z->constant, z->max_constant, TOP, z->padded, z->weight_f,
                     z->constant_f);
    for (int j = 0; j < z->d; j++)
        if (z->dims[j].grid)
            parzen_cells_trim(&z->dims[j].cells);
}

/* A trial's choice has a share of 1 + 1/n, every other one 1/n, of their sum. */
const double *parzen_choice_row(const struct parzen *z, struct dim *m, double x)
{
    int c = m->p->n_choices;
    double *row = m->rows + (size_t)x * (size_t)(c + 1);

    if (m->row_kernels != z->n + 1) {
        double sum = 1 + (double)c / (z->n + 1);

        m->row_kernels = z->n + 1;
        m->hit = (1 + 1.0 / (z->n + 1)) / sum;
        m->miss = 1.0 / (z->n + 1) / sum;
        for (int k = 0; k < c; k++)
            for (int g = 0; g <= c; g++)
                m->rows[(size_t)k * (size_t)(c + 1) + (size_t)g] =
                    g == c ? -log(c) : log(g == k ? m->hit : m->miss);
    }
    return row;
}

/* The parts of one point, in arrays of d each. */
struct parts {
    struct parzen_normal *normals;
    struct parzen_lookup *lookups;
    struct parzen_cell *cells;
    int n_normals, n_lookups, n_cells;
    double shift; /* to be added to the logarithm: widths of narrow cells */
};

static void set_parts(struct parzen *z, const double *x, struct parts *p)
{
    p->n_normals = p->n_lookups = p->n_cells = 0;
    p->shift = 0;
    for (int j = 0; j < z->d; j++) {
        struct dim *m = &z->dims[j];
        const double *mu = real_of(z, j, MU), *inv = real_of(z, j, INV), *row;

        if (!m->choices && !m->grid) {
            p->normals[p->n_normals++] =
                (struct parzen_normal){mu, inv, m->p->log ? log(x[j]) : x[j]};
            continue;
        }
        row = m->choices ? parzen_choice_row(z, m, x[j]) : parzen_cells_row(&m->cells, x[j]);
        if (row) {
            p->lookups[p->n_lookups++] = (struct parzen_lookup){int_of(z, j, GROUP), row};
        } else {
            struct parzen_cell *c = &p->cells[p->n_cells++];

            *c = (struct parzen_cell){.mu = mu, .inv = inv, .norm = real_of(z, j, NORM)};
            parzen_cells_narrow(&m->cells, x[j], &c->x, &c->width);
            p->shift += log(c->width);
        }
    }
}

/* The arrays of `points` parts, and `more` bytes after them; *ret[0 .. points). */
static void *parts_new(struct parzen *z, int points, struct parts **ret, size_t more)
{
    size_t d = (size_t)z->d, m = (size_t)points;
    size_t one = d * (sizeof(struct parzen_cell) + sizeof(struct parzen_normal) +
                      sizeof(struct parzen_lookup));
    char *at = parzen_scratch(z, more + m * (sizeof(struct parts) + one));
    struct parts *p = (struct parts *)(void *)(at + more);
    char *arrays = (char *)(p + m);

    for (int i = 0; i < points; i++, arrays += one) {
        p[i].cells = (struct parzen_cell *)(void *)arrays;
        p[i].normals = (struct parzen_normal *)(void *)(p[i].cells + d);
        p[i].lookups = (struct parzen_lookup *)(void *)(p[i].normals + d);
    }
    *ret = p;
    return at;
}

static double log_pdf(struct parzen *z, const double *x)
{
    struct parts *p;
    double *scratch = parts_new(z, 1, &p, 2 * sizeof(double) * (size_t)z->padded);

    set_parts(z, x, p);
    return p->shift - z->log_total +
           z->vec->log_sum(&(struct parzen_point){z->padded, z->constant, z->weight, p->n_normals,
                                                  p->n_lookups, p->n_cells, p->normals, p->lookups,
                                                  p->cells},
                           scratch);
}

void parzen_log_pdf(struct parzen *z, const double *x, int m, double *ret)
{
    parzen_prepare(z);
    for (int i = 0; i < m; i++)
        ret[i] = log_pdf(z, x + (size_t)i * (size_t)z->d);
}

/* ---- single precision ---- */

/* How much lower than max_constant the prior is at this point, and an upper bound of what narrow
 * cells add to any kernel, since their constants do not contain it. */
static double prior_below(const struct parzen *z, const struct parts *p, double *ret_bound)
{
    double exponent = z->constant[0], bound = 0;

    for (int k = 0; k < p->n_normals; k++) {
        double t = (p->normals[k].x - p->normals[k].mu[0]) * p->normals[k].inv[0];

        exponent -= t * t;
    }
    for (int k = 0; k < p->n_lookups; k++)
        exponent += p->lookups[k].row[p->lookups[k].group[0]];
    for (int k = 0; k < p->n_cells; k++) {
        const struct parzen_cell *c = &p->cells[k];
        double t = (c->x - c->mu[0]) * c->inv[0];

        exponent -= t * t + c->norm[0];
        /* sigma is a share of the prior's; the mass inside is at least a third, where sigma is
         * the range and mu one of its ends. */
        bound += 1.1 - HALF_LOG_2PI - log(parzen_least(z->n) * M_SQRT1_2 / c->inv[0]);
    }
    *ret_bound = bound;
    return z->max_constant + bound - exponent;
}

/* Of the logarithm, when the prior is `below` lower than the highest that a kernel can be.
 *
 * What weighs less than 2^-60 of the prior in all does not count; what counts has an exponent of
 * at most q (of 2) below its constant. With 1 / sigma at most 100 of the range, x / sigma and
 * mu / sigma are off by their roundings and that of 1 / sigma, their difference by delta and its
 * square by 2 delta times itself. Then rounding: of d additions to an exponent of at most 200, of
 * the sums, and the series of 2^x. A narrow cell's series leaves out the sixth power of z times
 * half the width. All twice. */
static double error_bound(const struct parzen *z, double below, bool narrow)
{
    double d = z->d, q = below * M_LOG2E + log2(z->n + 1) + 60;
    double delta = 4 * FLOAT_EPS * 100 * sqrt(M_LOG2E / 2);
    double exponent = 2 * delta * sqrt(d * q) + 6 * FLOAT_EPS * q + (d + 4) * FLOAT_EPS * 200;
    double sum = (z->padded / PARZEN_LANES + 40.0) * FLOAT_EPS + 4e-6;

    return 2 * (M_LN2 * exponent + sum + (narrow ? pow(q * M_LN2 / 128, 3) / 500 : 0));
}

/* The points that the loops see: in units of the range, to a multiple of four. */
static void scale_points(const struct parzen *z, const struct parts *p, int m, int padded,
                         const double *low, const double *range, float *ret)
{
    for (int k = 0; k < p->n_normals; k++) {
        double scale = 1 / range[k];

        for (int i = 0; i < padded; i++)
            ret[k * padded + i] = (float)((p[i < m ? i : m - 1].normals[k].x - low[k]) * scale);
    }
}

static void add_extra(const struct parzen *z, const struct parts *p, int from, int to, float start,
                      float *extra)
{
    for (int i = 0; i < to - from; i++)
        extra[i] = start;
    for (int k = 0; k < p->n_lookups; k++)
        z->vec->extra_lookup(&p->lookups[k], from, to, extra);
    for (int k = 0; k < p->n_cells; k++)
        z->vec->extra_cell(&p->cells[k], from, to, extra);
}

/* bound: per point, of prior_below. */
static void sweep(struct parzen *z, const struct parzen_sweep *s, const struct parts *p, int m,
                  const double *bound, float *extra, float *sums)
{
    bool plain = s->n_normals == z->d;
    int step = plain ? z->padded : PARZEN_BLOCK;

    memset(sums, 0, sizeof(float) * PARZEN_LANES * (size_t)s->n_points);
    for (int from = 0; from < z->padded; from += step) {
        int to = from + step < z->padded ? from + step : z->padded;

        for (int i = 0; i < m && !plain; i++)
            add_extra(z, &p[i], from, to, (float)-bound[i], extra + (size_t)i * PARZEN_BLOCK);
        z->vec->sweep(s, from, to, plain ? NULL : extra, sums);
    }
}

static double sum_of(const float *lanes)
{
    double sum = 0;

    for (int k = 0; k < PARZEN_LANES; k++)
        sum += (double)lanes[k];
    return sum;
}

bool parzen_screen(struct parzen *z, const double *x, int m, double *ret, double *ret_error)
{
    size_t d = (size_t)z->d, points = ((size_t)m + 3) / 4 * 4;
    size_t floats = points * (PARZEN_LANES + PARZEN_BLOCK + d);
    size_t doubles = points + 2 * d, pointers = 2 * d;
    struct parts *p;
    double *bound, *low, *range, prior, below = 0;
    const float **mu, **inv;
    float *sums, *extra, *scaled;
    bool narrow = false;
    int k = 0;

    parzen_prepare(z);
    bound = parts_new(z, m, &p,
                      doubles * sizeof(double) + pointers * sizeof(*mu) + floats * sizeof(float));
    low = bound + points;
    range = low + d;
    mu = (const float **)(void *)(range + d);
    inv = mu + d;
    sums = (float *)(void *)(inv + d);
    extra = sums + points * PARZEN_LANES;
    scaled = extra + points * PARZEN_BLOCK;
    for (int i = 0; i < m; i++) {
        set_parts(z, x + (size_t)i * d, &p[i]);
        prior = prior_below(z, &p[i], &bound[i]);
        below = prior > below ? prior : below;
        narrow = narrow || p[i].n_cells;
    }
    if (below * M_LOG2E > TOP - BOTTOM)
        return false;
    for (int j = 0; j < z->d; j++)
        if (!z->dims[j].choices && !z->dims[j].grid) {
            mu[k] = float_of(z, j, MU_F);
            inv[k] = float_of(z, j, INV_F);
            low[k] = z->dims[j].low;
            range[k++] = z->dims[j].high - z->dims[j].low;
        }
    scale_points(z, p, m, (int)points, low, range, scaled);
    if (k < z->d) /* the points that only fill up the last four */
        memset(extra + (size_t)m * PARZEN_BLOCK, 0,
               sizeof(float) * (points - (size_t)m) * PARZEN_BLOCK);
    sweep(z, &(struct parzen_sweep){z->constant_f, z->weight_f, k, mu, inv, (int)points, scaled}, p,
          m, bound, extra, sums);
    for (int i = 0; i < m; i++)
        ret[i] = log(sum_of(sums + (size_t)i * PARZEN_LANES)) - TOP * M_LN2 + z->max_constant +
                 bound[i] + p[i].shift - z->log_total;
    *ret_error = error_bound(z, below, narrow);
    return true;
}

int parzen_best(struct parzen *below, struct parzen *above, const double *x, int m)
{
    double *good, *bad, error[2], margin, highest = -INFINITY, best_score = -INFINITY;
    bool screened;
    int best = 0;

    if (m == 1)
        return 0;
    good = xmalloc(sizeof(double) * 2 * (size_t)m);
    bad = good + m;
    screened =
        parzen_screen(below, x, m, good, &error[0]) && parzen_screen(above, x, m, bad, &error[1]);
    margin = screened ? 2 * (error[0] + error[1]) + SLACK : INFINITY;
    for (int i = 0; i < m && screened; i++)
        highest = good[i] - bad[i] > highest ? good[i] - bad[i] : highest;
    for (int i = 0; i < m; i++) {
        const double *at = x + (size_t)i * (size_t)above->d;

        if (screened && good[i] - bad[i] < highest - margin)
            continue;
        parzen_log_pdf(below, at, 1, &good[i]);
        parzen_log_pdf(above, at, 1, &bad[i]);
        if (good[i] - bad[i] > best_score) {
            best = i;
            best_score = good[i] - bad[i];
        }
    }
    free(good);
    return best;
}
