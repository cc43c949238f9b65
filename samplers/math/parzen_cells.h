/* samplers/math/parzen_cells.h - masses of normal kernels on the cells of a grid.
 *
 * Kernels with equal mu and sigma form a group, and what a group gives a cell is computed once and
 * kept: proposals come back to the same cells. Cells much narrower than any kernel need no table
 * (struct parzen_cell); they are the far end of a log grid, or the whole of a fine one. */
#ifndef SAMPLERS_MATH_PARZEN_CELLS_H
#define SAMPLERS_MATH_PARZEN_CELLS_H

#include <stdint.h>

#include "hpo/core/space.h"

struct parzen_group {
    double mu, sigma, norm; /* norm: log mass of the whole range */
    int kernels;            /* how many; 0: the group is free */
    int next_free;          /* -1: the last one */
};

struct parzen_cells {
    const struct hpo_param *p;
    double half;    /* of a step */
    int64_t n_wide; /* so many of the lowest cells have a table */
    struct parzen_group *groups;
    int n_groups, cap, first_free; /* -1: none */
    double **rows;  /* n_wide: per group, NaN where nobody asked yet; NULL: no group yet */
    double *values; /* n_wide, of a stepped float; NULL: easily computed */
};

/* range: from half a step below the lowest to half a step above the highest cell, in the logarithm
 * for log parameters. */
void parzen_cells_init(struct parzen_cells *c, const struct hpo_param *p, double range);
void parzen_cells_release(struct parzen_cells *c); /* a zeroed one is valid */

int parzen_cells_join(struct parzen_cells *c, int group);
int parzen_cells_new(struct parzen_cells *c, double mu, double sigma, double norm);
void parzen_cells_leave(struct parzen_cells *c, int group);
void parzen_cells_clear(struct parzen_cells *c); /* nobody in any group */
/* Forget masses when there are too many; rows handed out are gone. */
void parzen_cells_trim(struct parzen_cells *c);

/* What each group gives the cell of value x, as the logarithm of a share; NULL: it is narrow. */
const double *parzen_cells_row(struct parzen_cells *c, double x);
/* Middle and width of the cell of x, as the kernels see it. */
void parzen_cells_narrow(const struct parzen_cells *c, double x, double *ret_middle,
                         double *ret_width);
/* The value of the cell that x falls into. */
double parzen_cells_round(const struct parzen_cells *c, double x);

#endif
