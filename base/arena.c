#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN ((size_t)16 * 1024)

struct arena_block {
    struct arena_block *before;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
};

static void out_of_memory(size_t bytes)
{
    fprintf(stderr, "hpo: out of memory (%zu bytes)\n", bytes);
    abort();
}

void *xmalloc(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);

    if (!p)
        out_of_memory(bytes);
    return p;
}

void *xcalloc(size_t n, size_t bytes)
{
    void *p = calloc(n ? n : 1, bytes ? bytes : 1);

    if (!p)
        out_of_memory(n * bytes);
    return p;
}

void *xrealloc(void *p, size_t bytes)
{
    p = realloc(p, bytes ? bytes : 1);
    if (!p)
        out_of_memory(bytes);
    return p;
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;

    return memcpy(xmalloc(n), s, n);
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    struct arena_block *b = a->last;
    void *p;

    if (bytes > SIZE_MAX / 2)
        out_of_memory(bytes);
    bytes = (bytes + 15) & ~(size_t)15;
    if (!b || b->size - b->used < bytes) {
        size_t size = bytes > BLOCK_MIN ? bytes : BLOCK_MIN;

        b = xmalloc(sizeof(*b) + size);
        b->before = a->last;
        b->used = 0;
        b->size = size;
        a->last = b;
    }
    p = b->bytes + b->used;
    b->used += bytes;
    return memset(p, 0, bytes);
}

void arena_release(struct arena *a)
{
    while (a->last) {
        struct arena_block *b = a->last;

        a->last = b->before;
        free(b);
    }
}

void *arena_dup(struct arena *a, const void *p, size_t bytes)
{
    void *q = arena_alloc(a, bytes);

    return bytes ? memcpy(q, p, bytes) : q;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *q = arena_alloc(a, n + 1);

    memcpy(q, s, n);
    return q;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    char *s;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    s = arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
    if (n > 0)
        vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    return s;
}
