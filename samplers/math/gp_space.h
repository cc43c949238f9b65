/* samplers/math/gp_space.h - a search space as a Gaussian process sees it.
 *
 * A parameter with more than one value is a coordinate: a number in [0, 1] (hpo_param_encode: log
 * first, steps widened by half), or the index of a choice. A coordinate has a number even where
 * the parameter is inactive: what it would be, were it active.
 *
 * A point's features are what is compared: a numeric feature for a number, a nominal one for a
 * choice. Being inactive is a value of its own. A choice that is inactive is one choice more. A
 * number has one nominal feature more, which says whether it is active and counts
 * GP_SPACE_INACTIVE of a full distance, and rests in the middle while it is not. So two inactive
 * ones are at distance 0, an inactive and an active one at GP_SPACE_INACTIVE + (u - 1/2)^2; since
 * that is a distance between points of a plane, the kernel stays positive definite, which it would
 * not with just any constant. (Hutter & Osborne, "A Kernel for Hierarchical Parameter Spaces",
 * 2013, bend the axis into an arc to the same end.) */
#ifndef SAMPLERS_MATH_GP_SPACE_H
#define SAMPLERS_MATH_GP_SPACE_H

#include "hpo/core/space.h"
#include "samplers/math/gp.h"

#define GP_SPACE_INACTIVE 0.25

enum gp_axis_kind { GP_REAL, GP_GRID, GP_CHOICE };

struct gp_axis {
    enum gp_axis_kind kind;
    const struct hpo_param *param;
    int index;     /* of the parameter */
    int64_t count; /* values of GRID and CHOICE */
    int numeric;   /* its numeric feature, -1 of a choice */
    int nominal;   /* its nominal one, -1 when there is none */
    bool is_parent;
};

struct gp_space {
    const struct hpo_space *space;
    int d;
    const struct gp_axis *axes;
    bool conditional;
    struct gp_shape shape; /* an axis is a weight */
    double *scratch;       /* space->n */
};

void gp_space_init(struct gp_space *ret, const struct hpo_space *space, struct arena *a);

/* Coordinates of the values of a trial; false when they are not of this space (someone wrote them
 * by hand, or another study did). */
bool gp_space_read(const struct gp_space *z, const double *values, double *ret_coords);
/* The values, space->n of them, inactive ones NaN. */
void gp_space_values(const struct gp_space *z, const double *coords, double *ret_values);

/* A place u in [0, 1) of an axis as its coordinate. */
double gp_axis_draw(const struct gp_axis *axis, double u);
/* Between the coordinate of a GRID or CHOICE and the number of its value. */
int64_t gp_axis_index(const struct gp_axis *axis, double coord);
double gp_axis_at(const struct gp_axis *axis, int64_t index);

/* Which axes are active: d of them. */
void gp_space_active(const struct gp_space *z, const double *coords, bool *ret_active);
/* gp_width(&z->shape) features. */
void gp_space_features(const struct gp_space *z, const double *coords, const bool *active,
                       double *ret_features);

#endif
