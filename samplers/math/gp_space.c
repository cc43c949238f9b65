#include "samplers/math/gp_space.h"

#include <math.h>

/* A whole number of more values than this is searched as if it were continuous. One that is
 * logarithmic is not: its low values are far apart however many there are. */
#define GRID_MAX 1000

static enum gp_axis_kind kind_of(const struct hpo_param *p, int64_t count)
{
    if (p->kind == HPO_PARAM_CATEGORICAL)
        return GP_CHOICE;
    return count > 0 && (p->log || count <= GRID_MAX) ? GP_GRID : GP_REAL;
}

static void number_features(struct gp_space *z, struct gp_axis *axes, struct arena *a)
{
    int *owner = ARENA_ARRAY(a, int, 2 * z->d), f = 0;
    double *factor = ARENA_ARRAY(a, double, 2 * z->d);

    for (int j = 0; j < z->d; j++) {
        axes[j].numeric = axes[j].nominal = -1;
        if (axes[j].kind == GP_CHOICE)
            continue;
        owner[f] = j;
        factor[f] = 1;
        axes[j].numeric = f++;
    }
    z->shape.n_numeric = f;
    for (int j = 0; j < z->d; j++) {
        if (axes[j].kind != GP_CHOICE && !axes[j].param->n_when)
            continue;
        owner[f] = j;
        factor[f] = axes[j].kind == GP_CHOICE ? 1 : GP_SPACE_INACTIVE;
        axes[j].nominal = f++;
    }
    z->shape.n_nominal = f - z->shape.n_numeric;
    z->shape.n_weights = z->d;
    z->shape.owner = owner;
    z->shape.factor = factor;
}

void gp_space_init(struct gp_space *ret, const struct hpo_space *space, struct arena *a)
{
    struct gp_space z = {.space = space, .scratch = ARENA_ARRAY(a, double, space->n)};
    struct gp_axis *axes = ARENA_ARRAY(a, struct gp_axis, space->n);
    bool *is_parent = ARENA_ARRAY(a, bool, space->n);

    for (int i = 0; i < space->n; i++) {
        for (int w = 0; w < space->params[i].n_when; w++)
            is_parent[space->params[i].when[w].param] = true;
        z.conditional |= space->params[i].n_when > 0;
    }
    for (int i = 0; i < space->n; i++) {
        const struct hpo_param *p = &space->params[i];
        int64_t count = hpo_param_count(p);

        z.scratch[i] = p->low;
        /* A single value says something only by being there or not, and that its parents say. */
        if (count != 1)
            axes[z.d++] = (struct gp_axis){.kind = kind_of(p, count),
                                           .param = p,
                                           .index = i,
                                           .count = count,
                                           .is_parent = is_parent[i]};
    }
    z.axes = axes;
    number_features(&z, axes, a);
    *ret = z;
}

int64_t gp_axis_index(const struct gp_axis *axis, double coord)
{
    if (axis->kind == GP_CHOICE)
        return (int64_t)coord;
    return hpo_param_index(axis->param, hpo_param_decode(axis->param, coord));
}

double gp_axis_at(const struct gp_axis *axis, int64_t index)
{
    if (axis->kind == GP_CHOICE)
        return (double)index;
    return hpo_param_encode(axis->param, hpo_param_at(axis->param, index));
}

double gp_axis_draw(const struct gp_axis *axis, double u)
{
    if (axis->kind == GP_CHOICE)
        return hpo_param_decode(axis->param, u);
    return axis->kind == GP_REAL ? u
                                 : hpo_param_encode(axis->param, hpo_param_decode(axis->param, u));
}

static double value_of(const struct gp_axis *axis, double coord)
{
    const struct hpo_param *p = axis->param;

    if (axis->kind == GP_CHOICE)
        return coord;
    /* The bounds themselves, which a random draw never gives, are where many an optimum lies. */
    if (axis->kind == GP_REAL && (coord <= 0 || coord >= 1))
        return coord <= 0 ? p->low : p->high;
    return hpo_param_decode(p, coord);
}

bool gp_space_read(const struct gp_space *z, const double *values, double *ret_coords)
{
    for (int j = 0; j < z->d; j++) {
        const struct gp_axis *axis = &z->axes[j];
        const struct hpo_param *p = axis->param;
        double v = values[axis->index];

        if (!hpo_param_active(z->space, axis->index, values)) {
            ret_coords[j] = axis->kind == GP_CHOICE ? 0 : gp_axis_draw(axis, 0.5);
            continue;
        }
        if (!(v >= p->low && v <= p->high) || (axis->kind == GP_CHOICE && v != floor(v)))
            return false;
        ret_coords[j] = axis->kind == GP_CHOICE ? v : hpo_param_encode(p, v);
    }
    return true;
}

void gp_space_values(const struct gp_space *z, const double *coords, double *ret_values)
{
    for (int i = 0; i < z->space->n; i++)
        ret_values[i] = z->space->params[i].low;
    for (int j = 0; j < z->d; j++)
        ret_values[z->axes[j].index] = value_of(&z->axes[j], coords[j]);
    hpo_space_mask(z->space, ret_values);
}

void gp_space_active(const struct gp_space *z, const double *coords, bool *ret_active)
{
    if (z->conditional) {
        for (int i = 0; i < z->space->n; i++)
            z->scratch[i] = z->space->params[i].low;
        for (int j = 0; j < z->d; j++)
            if (z->axes[j].is_parent)
                z->scratch[z->axes[j].index] = value_of(&z->axes[j], coords[j]);
        hpo_space_mask(z->space, z->scratch);
    }
    for (int j = 0; j < z->d; j++)
        ret_active[j] = !z->conditional || !isnan(z->scratch[z->axes[j].index]);
}

void gp_space_features(const struct gp_space *z, const double *coords, const bool *active,
                       double *ret_features)
{
    for (int j = 0; j < z->d; j++) {
        const struct gp_axis *axis = &z->axes[j];

        if (axis->kind == GP_CHOICE) {
            ret_features[axis->nominal] = active[j] ? coords[j] : -1;
            continue;
        }
        ret_features[axis->numeric] = active[j] ? coords[j] : 0.5;
        if (axis->nominal >= 0)
            ret_features[axis->nominal] = active[j];
    }
}
