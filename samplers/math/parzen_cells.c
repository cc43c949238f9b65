#include "samplers/math/parzen_cells.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "samplers/math/truncnorm.h"

/* Narrow: below an eighth of the least sigma that any number of trials leads to, a hundredth of the
 * range. */
#define NARROW (0.125 / 100)
/* More groups' masses than this are not kept. */
#define ROW_BYTES ((size_t)8 << 20)

static double cell_width(const struct parzen_cells *c, double x)
{
    return c->p->log ? log1p(2 * c->half / (x - c->half)) : 2 * c->half;
}

static int64_t count_wide(const struct parzen_cells *c, double range)
{
    int64_t low = 0, high = hpo_param_count(c->p);

    if (high < 0 || !(cell_width(c, c->p->low) > NARROW * range))
        return 0;
    if (!c->p->log)
        return high;
    while (low + 1 < high) { /* cell `low` is wide; they get narrower */
        int64_t middle = low + (high - low) / 2;

        if (cell_width(c, hpo_param_at(c->p, middle)) > NARROW * range)
            low = middle;
        else
            high = middle;
    }
    return low + 1;
}

void parzen_cells_init(struct parzen_cells *c, const struct hpo_param *p, double range)
{
    double step = p->kind == HPO_PARAM_INT && p->step < 1 ? 1 : p->step;

    *c = (struct parzen_cells){.p = p, .half = step / 2, .first_free = -1};
    c->n_wide = count_wide(c, range);
    c->rows = xcalloc((size_t)c->n_wide, sizeof(*c->rows));
    if (p->kind == HPO_PARAM_FLOAT && c->n_wide) {
        /* A decimal number for each, which takes a microsecond. */
        c->values = xmalloc(sizeof(double) * (size_t)c->n_wide);
        for (int64_t k = 0; k < c->n_wide; k++)
            c->values[k] = hpo_param_at(p, k);
    }
}

static void drop_rows(struct parzen_cells *c)
{
    for (int64_t k = 0; k < c->n_wide; k++) {
        free(c->rows[k]);
        c->rows[k] = NULL;
    }
}

void parzen_cells_release(struct parzen_cells *c)
{
    drop_rows(c);
    free(c->rows);
    free(c->groups);
    free(c->values);
    *c = (struct parzen_cells){0};
}

void parzen_cells_clear(struct parzen_cells *c)
{
    drop_rows(c);
    c->n_groups = 0;
    c->first_free = -1;
}

static void grow(struct parzen_cells *c)
{
    c->cap = c->cap ? 2 * c->cap : 32;
    c->groups = xrealloc(c->groups, sizeof(*c->groups) * (size_t)c->cap);
    for (int64_t k = 0; k < c->n_wide; k++)
        if (c->rows[k])
            c->rows[k] = xrealloc(c->rows[k], sizeof(double) * (size_t)c->cap);
}

int parzen_cells_new(struct parzen_cells *c, double mu, double sigma, double norm)
{
    int g = c->first_free;

    if (g >= 0) {
        c->first_free = c->groups[g].next_free;
    } else {
        if (c->n_groups == c->cap)
            grow(c);
        g = c->n_groups++;
    }
    c->groups[g] = (struct parzen_group){mu, sigma, norm, 1, -1};
    for (int64_t k = 0; k < c->n_wide; k++)
        if (c->rows[k])
            c->rows[k][g] = NAN;
    return g;
}

int parzen_cells_join(struct parzen_cells *c, int group)
{
    c->groups[group].kernels++;
    return group;
}

void parzen_cells_leave(struct parzen_cells *c, int group)
{
    if (--c->groups[group].kernels)
        return;
    c->groups[group].next_free = c->first_free;
    c->first_free = group;
}

static double log_share(const struct parzen_cells *c, const struct parzen_group *g, double left,
                        double right)
{
    return truncnorm_log_mass((left - g->mu) / g->sigma, (right - g->mu) / g->sigma) - g->norm;
}

void parzen_cells_trim(struct parzen_cells *c)
{
    size_t bytes = 0;

    for (int64_t k = 0; k < c->n_wide; k++)
        bytes += c->rows[k] ? sizeof(double) * (size_t)c->cap : 0;
    if (bytes > ROW_BYTES)
        drop_rows(c);
}

const double *parzen_cells_row(struct parzen_cells *c, double x)
{
    double cell = rint((x - c->p->low) / (2 * c->half)), *row, left, right;
    int64_t k;

    if (!(cell >= 0 && cell < (double)c->n_wide))
        return NULL;
    k = (int64_t)cell;
    row = c->rows[k];
    if (!row) {
        row = c->rows[k] = xmalloc(sizeof(double) * (size_t)c->cap);
        for (int g = 0; g < c->n_groups; g++)
            row[g] = NAN;
    }
    if (c->values)
        x = c->values[k];
    left = c->p->log ? log(x - c->half) : x - c->half;
    right = c->p->log ? log(x + c->half) : x + c->half;
    for (int g = 0; g < c->n_groups; g++)
        if (isnan(row[g]))
            row[g] = c->groups[g].kernels ? log_share(c, &c->groups[g], left, right) : 0;
    return row;
}

void parzen_cells_narrow(const struct parzen_cells *c, double x, double *ret_middle,
                         double *ret_width)
{
    *ret_middle = c->p->log ? log(x) + log1p(-(c->half / x) * (c->half / x)) / 2 : x;
    *ret_width = cell_width(c, x);
}

double parzen_cells_round(const struct parzen_cells *c, double x)
{
    const struct hpo_param *p = c->p;
    double step = 2 * c->half, k = rint((x - p->low) / step);
    double v = p->low + k * step;

    k = fmax(k, 0);
    if (c->values)
        return c->values[k < (double)c->n_wide ? (int64_t)k : c->n_wide - 1];
    if (p->kind == HPO_PARAM_FLOAT && hpo_param_count(p) > 0)
        v = hpo_param_at(p, (int64_t)fmin(k, (double)(hpo_param_count(p) - 1)));
    return fmin(fmax(v, p->low), p->high);
}
