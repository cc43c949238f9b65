/* kernels/place.h - buffers with a lifetime, placed in one stretch of memory.
 *
 * A backend adds a buffer for everything that lives within a step, each with the first and the last
 * moment at which it is used; what is never alive together then shares the same bytes. Offsets
 * depend on sizes and moments alone. */
#ifndef HPO_KERNELS_PLACE_H
#define HPO_KERNELS_PLACE_H

#include <stddef.h>

struct kn_buf {
    size_t bytes, offset; /* both multiples of the alignment */
    int first, last;      /* moments, both included */
};

/* Valid when zeroed, once align is set. */
struct kn_bufs {
    size_t align; /* of every buffer, relative to the start */
    struct kn_buf *item;
    int n, cap;
    size_t total; /* bytes of the whole; kn_bufs_place */
};

/* Returns the index of the new buffer, or -1 when bytes is 0. */
int kn_buf_add(struct kn_bufs *b, size_t bytes, int first, int last);
/* Buffer i is still used at moment `last`. */
void kn_buf_lives_until(struct kn_bufs *b, int i, int last);
/* Give every buffer its offset; may be called again when sizes have changed. */
void kn_bufs_place(struct kn_bufs *b);
void kn_bufs_release(struct kn_bufs *b);

static inline size_t kn_align_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* The next piece of a block of memory of which *at bytes are taken; with base NULL only the size
 * counts, and NULL is returned. */
static inline void *kn_take(char *base, size_t *at, size_t bytes, size_t align)
{
    size_t offset = kn_align_up(*at, align);

    *at = offset + bytes;
    return base ? base + offset : NULL;
}

#endif
