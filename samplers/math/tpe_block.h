/* samplers/math/tpe_block.h - parameters that TPE searches jointly, with the densities around the
 * good and the bad trials that have all of them. */
#ifndef SAMPLERS_MATH_TPE_BLOCK_H
#define SAMPLERS_MATH_TPE_BLOCK_H

#include "samplers/math/parzen.h"
#include "samplers/math/tpe_past.h"

/* A density and the trials it stands on. */
struct tpe_side {
    struct parzen *density;
    int *trials, n, cap; /* positions in the history, rising */
};

struct tpe_block {
    int d;
    const struct hpo_param **params;
    int *index; /* in the space */
    struct tpe_side below, above;

    uint64_t epoch; /* of the past that all of this was made from */
    uint8_t *tells; /* per trial: it has all of the parameters, inside their bounds */
    int n_told, told_cap;
    int n_tell;              /* how many do */
    int *wanted, wanted_cap; /* scratch */
    double *scratch;
    size_t scratch_cap;
};

void tpe_block_init(struct tpe_block *b, const struct hpo_space *space, const int *index, int d);
void tpe_block_release(struct tpe_block *b); /* a zeroed one is valid */

/* The most promising of some candidates drawn around the good trials; ret_values, one per
 * parameter of the space, gets the block's alone. */
void tpe_block_draw(struct tpe_block *b, const struct tpe_past *p, const struct tpe_split *split,
                    int candidates, struct hpo_rng *rng, double *ret_values);

#endif
