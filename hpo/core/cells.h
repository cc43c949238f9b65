/* hpo/core/cells.h - the distinct configurations ("cells") of a finite space, numbered.
 *
 * Parameters that no condition connects vary independently, so only connected groups need a table;
 * cell numbers are mixed-radix over the groups. Order: lexicographic in space->order, the last
 * group fastest. Inactive parameters are NaN and make no cells of their own. */
#ifndef HPO_CORE_CELLS_H
#define HPO_CORE_CELLS_H

#include "hpo/core/space.h"

/* A table of more cells than this would not be small any more. */
#define HPO_CELLS_MAX 1000000

struct hpo_cells_group;

struct hpo_cells {
    const struct hpo_space *space; /* outlives this */
    int64_t count;
    int n_groups;
    struct hpo_cells_group *groups;
    int32_t *scratch; /* so find is for one thread at a time */
};

/* false, *ret untouched: the space is infinite or has more than HPO_CELLS_MAX cells. */
bool hpo_cells_init(struct hpo_cells *ret, const struct hpo_space *space);
void hpo_cells_release(struct hpo_cells *c); /* a zeroed one is valid */

/* Cell 0 <= i < count -> space->n values. */
void hpo_cells_at(const struct hpo_cells *c, int64_t i, double *ret_values);
/* The number of the cell with these values, or -1 when there is none. */
int64_t hpo_cells_find(const struct hpo_cells *c, const double *values);

#endif
