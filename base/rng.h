/* base/rng.h - random numbers as a value: PCG XSL-RR 128/64 ("pcg64").
 *
 * O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random
 * Number Generation", HMC-CS-2014-0905, 2014. State 128 bits, output 64 bits, 2^127 streams.
 *
 * No draw in this program comes from shared state: a stream is named by (study seed, trial, fold,
 * purpose, counter), so it does not matter who draws first, or again after a restart. */
#ifndef HPO_BASE_RNG_H
#define HPO_BASE_RNG_H

#include <stdint.h>

__extension__ typedef unsigned __int128 hpo_u128;

struct hpo_rng {
    hpo_u128 state, inc; /* inc is odd */
};

/* The reference implementation's pcg64_srandom_r. */
void hpo_rng_seed(struct hpo_rng *r, hpo_u128 state, hpo_u128 stream);

/* The stream of (seed, trial, fold, purpose, counter); purpose is a short constant word such as
 * "sample", "fold", "init", "order". Pass -1 for a trial or fold that does not apply. */
struct hpo_rng hpo_rng_for(uint64_t seed, int64_t trial, int64_t fold, const char *purpose,
                           uint64_t counter);

uint64_t hpo_rng_next(struct hpo_rng *r);                    /* uniform on 64 bits */
void hpo_rng_advance(struct hpo_rng *r, hpo_u128 delta);     /* skip delta draws */
double hpo_rng_uniform(struct hpo_rng *r);                   /* [0, 1), 53 bits */
uint64_t hpo_rng_below(struct hpo_rng *r, uint64_t n);       /* [0, n), unbiased; n > 0 */
double hpo_rng_normal(struct hpo_rng *r);                    /* mean 0, deviation 1 */
double hpo_rng_beta(struct hpo_rng *r, double a, double b);  /* Beta(a, b) in [0, 1]; a, b > 0 */
void hpo_rng_shuffle(struct hpo_rng *r, int32_t *a, int n);  /* Fisher-Yates, from the top */

#endif
