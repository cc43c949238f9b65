#include "samplers/math/tpe_past.h"

#include <stdlib.h>
#include <string.h>

void tpe_past_release(struct tpe_past *p)
{
    free(p->values);
    free(p->scores.state);
    free(p->scores.first);
    free(p->scores.second);
    *p = (struct tpe_past){0};
}

/* Bit by bit: NaN equals NaN. Inlined, for memcmp's call takes as long as comparing. */
static inline bool same(const double *a, const double *b, int n)
{
    uint64_t differ = 0;

    for (int i = 0; i < n; i++) {
        uint64_t x, y;

        memcpy(&x, &a[i], sizeof(x));
        memcpy(&y, &b[i], sizeof(y));
        differ |= x ^ y;
    }
    return !differ;
}

static void append(struct tpe_past *p, const struct hpo_trial *t)
{
    size_t width = (size_t)p->width;

    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 128;
        p->values = xrealloc(p->values, sizeof(double) * width * (size_t)p->cap);
        p->scores.state = xrealloc(p->scores.state, (size_t)p->cap);
        p->scores.first = xrealloc(p->scores.first, sizeof(double) * (size_t)p->cap);
        p->scores.second = xrealloc(p->scores.second, sizeof(double) * (size_t)p->cap);
    }
    if (width)
        memcpy(p->values + width * (size_t)p->n, t->values, sizeof(double) * width);
    tpe_score(t, &p->scores, p->n++);
}

bool tpe_past_matches(const struct tpe_past *p, const struct hpo_history *h)
{
    return p->n && h->n && same(p->values, h->trials[0]->values, p->width);
}

void tpe_past_sync(struct tpe_past *p, const struct hpo_history *h)
{
    size_t width = (size_t)p->width;
    int i = 0;

    for (; i < p->n && i < h->n; i++) {
        const struct hpo_trial *t = h->trials[i];

        if (!same(p->values + width * (size_t)i, t->values, p->width))
            break;
        /* Most are COMPLETE and what they were: worth a short cut. */
        if (t->state != HPO_TRIAL_COMPLETE || p->scores.state[i] != HPO_TRIAL_COMPLETE ||
            t->value != p->scores.first[i])
            tpe_score(t, &p->scores, i);
    }
    if (i < p->n) {
        p->n = i;
        p->epoch++;
    }
    for (; i < h->n; i++)
        append(p, h->trials[i]);
}
