/* samplers/math/cma_replay.h - the search distribution that a history leads to.
 *
 * Nothing is stored beside the trials: those that have ended are told, in the order of their
 * numbers and a population at a time, to a distribution that starts in the middle of the space.
 * What was computed is kept, and what a history has in common with the last one is not computed
 * again; the answer is the same as from scratch.
 *
 * Told are COMPLETE trials by their value; PRUNED ones, if so wished, as worse than those, the ones
 * that came further first; and FAIL ones as the worst. A trial that lacks a coordinate, or lies
 * outside the bounds, is passed over. Coordinates are those of hpo_param_encode. */
#ifndef SAMPLERS_MATH_CMA_REPLAY_H
#define SAMPLERS_MATH_CMA_REPLAY_H

#include "hpo/core/trial.h"
#include "samplers/math/cma.h"

struct cma_replay_opts {
    int population; /* 0: cma_population(d) */
    double sigma0;
    /* Start again from a random place, with twice the population, when the search has come to an
     * end: Auger and Hansen, "A restart CMA evolution strategy with increasing population size",
     * CEC 2005. */
    bool restart;
    bool pruned;
    int parallel; /* trials that run at once: so many that end after a restart began before it */
};

struct cma_replay;

/* d >= 1 parameters, numbered `index` in the space; none is categorical or has a single value. All
 * are copied but for what params point to. */
struct cma_replay *cma_replay_new(const struct hpo_param *const *params, const int *index, int d,
                                  const struct cma_replay_opts *opts);
void cma_replay_free(struct cma_replay *r); /* NULL is valid */

/* The distribution after h, with its factors; valid until the next call. seed: of where restarts
 * begin. ret_results: COMPLETE trials, and PRUNED ones that were told. One that degenerated (its
 * covariance overflowed) begins again as by a restart. */
const struct cma *cma_replay_sync(struct cma_replay *r, const struct hpo_history *h, uint64_t seed,
                                  int *ret_results);

#endif
