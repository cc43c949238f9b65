/* hpo/objectives/functions.h - test functions of a search space, to be minimised: pure arithmetic.
 *
 * The classical ones take numbers: the values of the numeric parameters of the space in file order,
 * in user units. A categorical parameter is passed over, unless each of its choices is a number:
 * then it is that number. An inactive parameter counts as the middle of its range. Formulas and
 * minima: Surjanovic and Bingham, "Virtual Library of Simulation Experiments".
 *
 * The others look at the space itself, so they fit every one, and use every kind of parameter. All
 * three are 0 at their best point, and never below. */
#ifndef HPO_OBJECTIVES_FUNCTIONS_H
#define HPO_OBJECTIVES_FUNCTIONS_H

#include "hpo/core/space.h"

struct test_function {
    const char *name;           /* NULL ends the table */
    const char *help;           /* one sentence without a full stop */
    int min_inputs, max_inputs; /* numbers it takes; max 0: any number of them */
    double minimum;             /* its lowest value on the usual domain ... */
    double minimum_each;        /* ... and this for each input on top */
    /* One of the two. */
    double (*eval)(const double *x, int n);
    double (*eval_space)(const struct hpo_space *s, const double *values);
};

extern const struct test_function test_functions[];

const struct test_function *functions_find(const char *name); /* NULL: no such name */

/* The numbers that a classical function gets from this space. */
int functions_inputs(const struct hpo_space *s);
/* HPO_ECONFIG when the space has too few of them, or too many ("branin takes 2 numbers, ..."). */
int functions_fit(const struct test_function *f, const struct hpo_space *s, struct hpo_err *err);

/* Smaller is better. Never NaN: where arithmetic overflows, a point counts as infinitely bad.
 * values: s->n, NaN for inactive ones. */
double functions_value(const struct test_function *f, const struct hpo_space *s,
                       const double *values);
/* The lowest value there is, if the space contains the point: the regret of v is v minus this. */
double functions_minimum(const struct test_function *f, const struct hpo_space *s);

#endif
