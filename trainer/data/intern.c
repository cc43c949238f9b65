#include "trainer/data/intern.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct intern_slot {
    int32_t id; /* + 1; 0: free */
    uint32_t hash;
};

static void grow(struct intern *t)
{
    size_t n = t->n_slots ? t->n_slots * 2 : 64;
    struct intern_slot *slot = xcalloc(n, sizeof(*slot));

    for (size_t i = 0; i < t->n_slots; i++) {
        size_t at = t->slot[i].hash & (n - 1);

        if (!t->slot[i].id)
            continue;
        while (slot[at].id)
            at = (at + 1) & (n - 1);
        slot[at] = t->slot[i];
    }
    free(t->slot);
    t->slot = slot;
    t->n_slots = n;
}

int32_t intern_get(struct intern *t, const char *s, size_t len, bool *ret_new)
{
    uint32_t hash = (uint32_t)XXH3_64bits(s, len);
    size_t at;

    if ((size_t)t->n * 2 >= t->n_slots)
        grow(t);
    for (at = hash & (t->n_slots - 1); t->slot[at].id; at = (at + 1) & (t->n_slots - 1)) {
        const char *name = t->name[t->slot[at].id - 1];

        if (t->slot[at].hash == hash && !strncmp(name, s, len) && !name[len]) {
            *ret_new = false;
            return t->slot[at].id - 1;
        }
    }
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->name = xrealloc(t->name, (size_t)t->cap * sizeof(*t->name));
    }
    t->name[t->n] = arena_strndup(t->arena, s, len);
    t->slot[at] = (struct intern_slot){++t->n, hash};
    *ret_new = true;
    return t->n - 1;
}

void intern_release(struct intern *t)
{
    free(t->name);
    free(t->slot);
    *t = (struct intern){0};
}
