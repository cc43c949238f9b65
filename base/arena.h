/* base/arena.h - memory with a lifetime.
 *
 * Everything allocated from an arena is freed at once, with the arena. There are four lifetimes in
 * this program, an arena each: process, study, trial, step. Small host arenas abort the process
 * when memory is out (one place, with a message); data sets and device memory never live here and
 * return HPO_ENOMEM instead. Memory is zeroed. Not thread-safe: an arena has one owner. */
#ifndef HPO_BASE_ARENA_H
#define HPO_BASE_ARENA_H

#include <stddef.h>

#include "base/compiler.h"

struct arena_block;

struct arena {
    struct arena_block *last;
};

/* A zeroed struct arena is a valid empty one. */
void arena_release(struct arena *a); /* frees all, leaves a valid empty arena */

void *arena_alloc(struct arena *a, size_t bytes); /* zeroed, aligned to 16 */
void *arena_dup(struct arena *a, const void *p, size_t bytes);
char *arena_strdup(struct arena *a, const char *s); /* NULL in, NULL out */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) HPO_PRINTF(2, 3);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (size_t)(n)))

/* malloc family for what outlives no arena; abort with a message when memory is out. */
void *xmalloc(size_t bytes);
void *xcalloc(size_t n, size_t bytes);
void *xrealloc(void *p, size_t bytes);
char *xstrdup(const char *s);

#endif
