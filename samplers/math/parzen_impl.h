/* samplers/math/parzen_impl.h - what parzen*.c share. */
#ifndef SAMPLERS_MATH_PARZEN_IMPL_H
#define SAMPLERS_MATH_PARZEN_IMPL_H

#include <stddef.h>

#include "samplers/math/parzen.h"
#include "samplers/math/parzen_cells.h"
#include "samplers/math/parzen_vec.h"

#define HALF_LOG_2PI 0.91893853320467274178

/* Columns of a parameter: a value per kernel. */
enum real_column {
    MU, /* in the logarithm for log parameters */
    SIGMA,
    INV,  /* 1 / (sigma sqrt(2)) */
    NORM, /* log of sigma sqrt(2 pi) times the mass inside the range */
    LEFT, /* masses that are cut off */
    RIGHT,
    N_REALS
};
enum float_column {
    MU_F,
    INV_F,
    N_FLOATS
}; /* (x - mu) inv = x INV_F - MU_F, x from 0 to 1 over
      the range; the square is an exponent of 2 */
enum int_column {
    ORDER, /* not per kernel: the n trials' kernels in the order of (mu, kernel), from 0 */
    GROUP, /* of cells, or the choice; the prior of choices: their number */
    N_INTS
};

struct dim {
    const struct hpo_param *p;
    bool choices, grid;        /* neither: continuous */
    double low, high;          /* of the kernels: half a step beyond the grid's ends */
    double margin;             /* half a step; 0: continuous */
    struct parzen_cells cells; /* grid */
    int rank;                  /* where the trial that came or went last stands in the order */
    int row_kernels;           /* choices: the number of kernels that the rows hold for */
    double *rows;              /* choices: a row of n_choices + 1 each */
    double hit, miss;          /* choices: the share of the trial's own and of the others */
};

/* Kernel 0 is the prior, 1 .. n are the trials. Columns are padded to PARZEN_LANES. */
struct parzen {
    int d, n, padded, cap;
    struct dim *dims;
    double *reals, *constant;
    float *floats;
    int32_t *ints;

    /* Follow from the above; made when they are needed. */
    bool ready, drawable;
    double *weight, log_total; /* of the weights */
    double *cumulative;        /* of the weights; when drawable */
    double max_constant;
    float *constant_f, *weight_f;

    const struct parzen_vec *vec;
    void *scratch;
    size_t scratch_bytes;
};

static inline double *real_of(const struct parzen *z, int j, enum real_column k)
{
    return z->reals + ((size_t)j * N_REALS + k) * (size_t)z->cap;
}

static inline float *float_of(const struct parzen *z, int j, enum float_column k)
{
    return z->floats + ((size_t)j * N_FLOATS + k) * (size_t)z->cap;
}

static inline int32_t *int_of(const struct parzen *z, int j, enum int_column k)
{
    return z->ints + ((size_t)j * N_INTS + k) * (size_t)z->cap;
}

/* Weights, sums, and the copies in single precision, when trials came or went. */
void parzen_prepare(struct parzen *z);
/* At least so many bytes, aligned for anything. Its old contents are gone. */
void *parzen_scratch(struct parzen *z, size_t bytes);
/* The table of what each choice gives x (struct dim, rows). */
const double *parzen_choice_row(const struct parzen *z, struct dim *m, double x);

/* The least sigma among n trials ("magic clip"), as a share of the range. */
static inline double parzen_least(int n)
{
    return 1.0 / (n + 2 < 100 ? n + 2 : 100);
}

#endif
