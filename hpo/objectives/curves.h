/* hpo/objectives/curves.h - what a trial of a test function shows on its way: learning curves,
 * folds and noise. All of it is a pure function of the study's seed and the trial, so a trial that
 * is repeated or continued shows the same again. */
#ifndef HPO_OBJECTIVES_CURVES_H
#define HPO_OBJECTIVES_CURVES_H

#include "hpo/core/space.h"

/* A curve falls from `start` to `value`, exactly, in `steps` reports; smaller is better. */
struct function_curve {
    double value, start;
    double rate; /* of the exponential decay, in 1 / all steps: 1.5 to 12 */
    double wobble;
    int steps, trial, fold;
    uint64_t seed;
};

/* The curve of one fold of a trial. It starts 2 + |value| above its end, give or take a quarter.
 * How fast it falls depends smoothly on the values: neighbours in the space learn alike, and a fast
 * learner that ends badly crosses a slow one that ends well. wobble: standard deviation of what is
 * added to every report but the last. fold -1: it has none. */
struct function_curve function_curve_of(const struct hpo_space *s, const double *values,
                                        double value, int steps, double wobble, uint64_t seed,
                                        int trial, int fold);
/* 0 <= step < steps. The last one is `value` itself. */
double function_curve_at(const struct function_curve *c, int step);

/* By how much a fold is harder than the others, the same for every trial of the study: normal with
 * this deviation, then shifted so that the `folds` of them add up to 0 and the mean over all folds
 * is the trial's value. One fold: 0. */
double function_fold_offset(double deviation, uint64_t seed, int fold, int folds);

/* Normal noise on the result of a trial (fold -1) or of one of its folds. */
double function_noise(double deviation, uint64_t seed, int trial, int fold);

#endif
