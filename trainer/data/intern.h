/* trainer/data/intern.h - strings to small numbers, in order of first appearance. */
#ifndef HPO_TRAINER_DATA_INTERN_H
#define HPO_TRAINER_DATA_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct intern { /* zeroed, with an arena for the strings, is a valid empty one */
    struct arena *arena;
    const char **name; /* (n) */
    int32_t n, cap;
    struct intern_slot *slot; /* open addressing, at most half full */
    size_t n_slots;
};

/* The number of s[0 .. len); a copy is kept when it is new. */
int32_t intern_get(struct intern *t, const char *s, size_t len, bool *ret_new);
void intern_release(struct intern *t); /* not the strings: they are the arena's */

#endif
