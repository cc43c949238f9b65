/* hpo/packing.h - how many trials a device runs at once, found while it runs them.
 *
 * It begins with one. When a window of some seconds is measured in which that many trained
 * (hpo/load.h says how much they got done), another one may begin beside them, and so on while the
 * device gets more done with n + 1 than with n and has memory for another. Then the best number
 * stays; nothing is stopped, a slot is only not filled again. When a trial's work becomes something
 * else altogether, it tries on from there. Pure: everything it knows is what it was fed. */
#ifndef HPO_PACKING_H
#define HPO_PACKING_H

#include <stdbool.h>
#include <stddef.h>

#define PACKING_MAX 64

struct packing {
    int max;                      /* never more than this */
    int n;                        /* may run now */
    int best;                     /* the number that got most done, of those tried */
    bool settled, full;           /* full: for want of memory */
    double rate[PACKING_MAX + 2]; /* work a second with so many; 0: not known */

    /* The window at hand, of n. */
    bool open, again; /* again: a second window, because the first one brought nothing */
    double seconds, work;
    int strange;  /* windows in a row that are nothing like what was measured */
    double bytes; /* the most that a trial's networks took so far */
};

/* What a worker says: with `training` trials, `work` was done in `seconds`, both since it started.
 */
struct packing_sample {
    int training;
    double seconds, work;
    double bytes,
        bytes_free; /* a trial's networks; the device's free memory beside them. 0: unknown */
};

enum packing_news { PACKING_NOTHING, PACKING_MORE, PACKING_SETTLED };

void packing_init(struct packing *p, int max);
enum packing_news packing_feed(struct packing *p, const struct packing_sample *s);
/* A trial has to wait for memory, beside `training` others. */
enum packing_news packing_full(struct packing *p, int training);
/* The worker is a new one: its totals begin anew. */
void packing_restart(struct packing *p);

/* "4 trials at once: 3.1x the throughput of one" */
void packing_say(const struct packing *p, char *ret, size_t n);

#endif
