/* samplers/math/tpe_past.h - what TPE remembers of a history, side by side in memory.
 *
 * A cache: it is compared with the history before each use, all of it, so that it never changes an
 * answer. */
#ifndef SAMPLERS_MATH_TPE_PAST_H
#define SAMPLERS_MATH_TPE_PAST_H

#include "samplers/math/split.h"

struct tpe_past {
    int width; /* parameters of the space; set by the owner */
    int n, cap;
    double *values; /* n x width */
    struct tpe_scores scores;
    /* Raised when trials have gone or have other values than before, so that nothing that was made
     * from the values holds any more. More trials, and other scores, do not count. */
    uint64_t epoch;
};

void tpe_past_release(struct tpe_past *p); /* a zeroed one is valid */

/* Is it (as far as the first trial tells) this history's? */
bool tpe_past_matches(const struct tpe_past *p, const struct hpo_history *h);
/* Afterwards it holds this history. */
void tpe_past_sync(struct tpe_past *p, const struct hpo_history *h);

#endif
