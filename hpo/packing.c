#include "hpo/packing.h"

#include <stdio.h>

/* Long enough for some epochs of a small network, evaluation and checkpoint included. */
#define WINDOW_S 3.0
/* Less is noise, and costs the sampler: it knows nothing of trials that run beside each other. */
#define GAIN 1.05
/* Of the memory that another trial needs, because not all networks are as large as those so far. */
#define MEMORY_MARGIN 1.1
/* Work is something else when so many windows in a row are off by this factor. */
#define STRANGE 3
#define STRANGE_FACTOR 2.0

void packing_init(struct packing *p, int max)
{
    *p = (struct packing){.max = max < 1             ? 1
                                 : max > PACKING_MAX ? PACKING_MAX
                                                     : max,
                          .n = 1,
                          .best = 1};
    p->settled = p->max == 1;
}

void packing_restart(struct packing *p)
{
    p->open = false;
}

static enum packing_news settle(struct packing *p)
{
    p->n = p->best;
    p->settled = true;
    p->open = p->again = false;
    p->strange = 0;
    return PACKING_SETTLED;
}

/* n is the best so far; what about one more? */
static enum packing_news try_more(struct packing *p, const struct packing_sample *s)
{
    p->best = p->n;
    p->open = p->again = false;
    p->full = s->bytes_free > 0 && p->bytes * MEMORY_MARGIN > s->bytes_free;
    if (p->n == p->max || p->full)
        return settle(p);
    p->n++;
    return PACKING_MORE;
}

/* Trials of another kind are looked at anew, from what runs on: nothing is stopped for it. */
static enum packing_news look_again(struct packing *p, const struct packing_sample *s, double rate)
{
    double was = p->rate[p->n];
    bool strange = rate > was * STRANGE_FACTOR || rate * STRANGE_FACTOR < was;

    p->strange = strange ? p->strange + 1 : 0;
    if (p->max == 1 || p->strange < STRANGE)
        return PACKING_NOTHING;
    for (int i = 0; i <= p->max; i++)
        p->rate[i] = 0;
    p->rate[p->n] = rate;
    p->settled = false;
    p->strange = 0;
    return try_more(p, s);
}

static enum packing_news measured(struct packing *p, const struct packing_sample *s, double rate)
{
    if (p->settled)
        return look_again(p, s, rate);
    if (rate > p->rate[p->n])
        p->rate[p->n] = rate;
    if (p->n == p->best || p->rate[p->n] > p->rate[p->best] * GAIN)
        return try_more(p, s);
    if (p->again)
        return settle(p);
    p->again = true;
    return PACKING_NOTHING;
}

enum packing_news packing_feed(struct packing *p, const struct packing_sample *s)
{
    double seconds = s->seconds - p->seconds, work = s->work - p->work;
    bool open = p->open && seconds >= 0;

    if (s->bytes > p->bytes)
        p->bytes = s->bytes;
    if (s->training != p->n)
        return PACKING_NOTHING;
    if (open && seconds < WINDOW_S)
        return PACKING_NOTHING;
    p->open = true;
    p->seconds = s->seconds;
    p->work = s->work;
    return open && work > 0 ? measured(p, s, work / seconds) : PACKING_NOTHING;
}

enum packing_news packing_full(struct packing *p, int training)
{
    if (p->settled || training >= p->n || p->n <= p->best)
        return PACKING_NOTHING;
    p->full = true;
    return settle(p);
}

void packing_say(const struct packing *p, char *ret, size_t n)
{
    double gain = p->rate[1] > 0 ? p->rate[p->best] / p->rate[1] : 0;
    const char *memory = p->full ? "; there is no memory for another" : "";

    if (p->best == 1 && p->rate[2] > 0)
        snprintf(ret, n, "one trial at a time: two at once get %.2f times as much done",
                 p->rate[2] / p->rate[1]);
    else if (p->best == 1)
        snprintf(ret, n, "one trial at a time%s", memory);
    else if (gain > 0)
        snprintf(ret, n, "%d trials at once: %.1fx the throughput of one%s", p->best, gain, memory);
    else
        snprintf(ret, n, "%d trials at once%s", p->best, memory);
}
