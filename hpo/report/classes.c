#include "hpo/report/classes.h"

#include <math.h>
#include <string.h>

static int64_t at(const struct report_classes *c, int given, int taken)
{
    return c->confusion[(size_t)given * (size_t)c->classes + (size_t)taken];
}

static double share(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : NAN;
}

struct class_scores classes_score(const struct report_classes *c, int class)
{
    int64_t hits = at(c, class, class), given = 0, taken = 0;

    for (int i = 0; i < c->classes; i++) {
        given += at(c, class, i);
        taken += at(c, i, class);
    }
    return (struct class_scores){given, share(hits, taken), share(hits, given),
                                 share(2 * hits, given + taken)};
}

double classes_accuracy(const struct report_classes *c)
{
    int64_t hits = 0;

    for (int i = 0; i < c->classes; i++)
        hits += at(c, i, i);
    return share(hits, c->covered);
}

/* The most images first; of equals the lower classes. */
static bool before(const struct confusion *a, const struct confusion *b)
{
    return a->images > b->images;
}

const struct confusion *classes_confusions(const struct report_classes *c, int most,
                                           struct arena *a, int *ret_n, int64_t *ret_all)
{
    struct confusion *top = ARENA_ARRAY(a, struct confusion, most + 1);
    int64_t all = 0;
    int n = 0;

    for (int i = 0; i < c->classes; i++)
        for (int k = 0; k < c->classes; k++) {
            struct confusion now = {i, k, at(c, i, k)};
            int to = n;

            if (i == k || !now.images)
                continue;
            all++;
            while (to && before(&now, &top[to - 1]))
                to--;
            if (to == most)
                continue;
            n += n < most;
            memmove(top + to + 1, top + to, (size_t)(n - 1 - to) * sizeof(*top));
            top[to] = now;
        }
    *ret_n = n;
    *ret_all = all;
    return top;
}
