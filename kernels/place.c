#include "kernels/place.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/arena.h"

int kn_buf_add(struct kn_bufs *b, size_t bytes, int first, int last)
{
    if (!bytes)
        return -1;
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 64;
        b->item = xrealloc(b->item, sizeof(*b->item) * (size_t)b->cap);
    }
    b->item[b->n] =
        (struct kn_buf){.bytes = kn_align_up(bytes, b->align), .first = first, .last = last};
    return b->n++;
}

void kn_buf_lives_until(struct kn_bufs *b, int i, int last)
{
    if (b->item[i].last < last)
        b->item[i].last = last;
}

void kn_bufs_release(struct kn_bufs *b)
{
    free(b->item);
    *b = (struct kn_bufs){.align = b->align};
}

static int larger_first(const void *a, const void *b)
{
    const struct kn_buf *const *x = a, *const *y = b;

    if ((*x)->bytes != (*y)->bytes)
        return (*x)->bytes < (*y)->bytes ? 1 : -1;
    return (*x > *y) - (*x < *y);
}

static bool collide(const struct kn_buf *a, size_t offset, const struct kn_buf *b)
{
    return a->first <= b->last && b->first <= a->last && offset < b->offset + b->bytes &&
           b->offset < offset + a->bytes;
}

/* Greedy by size (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference",
 * 2020): the largest first, each at the lowest offset where it meets nothing of its time. */
void kn_bufs_place(struct kn_bufs *b)
{
    struct kn_buf **order = xcalloc((size_t)b->n + 1, sizeof(*order));

    for (int i = 0; i < b->n; i++)
        order[i] = &b->item[i];
    qsort(order, (size_t)b->n, sizeof(struct kn_buf *), larger_first);
    b->total = 0;
    for (int i = 0; i < b->n; i++) {
        size_t offset = 0;

        for (int j = 0; j < i; j++)
            if (collide(order[i], offset, order[j])) {
                offset = order[j]->offset + order[j]->bytes;
                j = -1; /* offsets only grow: it ends */
            }
        order[i]->offset = offset;
        if (offset + order[i]->bytes > b->total)
            b->total = offset + order[i]->bytes;
    }
    free(order);
}
