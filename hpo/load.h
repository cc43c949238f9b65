/* hpo/load.h - how much the trials of a worker get done together, by how many of them train.
 *
 * The clock runs while nobody is just beginning: what it takes to compile a network, or to open a
 * data set, says nothing about how many trials a device has room for. A trial that waits for memory
 * counts as not there. Pure: the clock is the caller's. */
#ifndef HPO_LOAD_H
#define HPO_LOAD_H

#define LOAD_SLOTS 64

enum load_state { LOAD_IDLE, LOAD_BEGINS, LOAD_TRAINS };

struct load {
    enum load_state state[LOAD_SLOTS];
    double done[LOAD_SLOTS]; /* work of the trial at hand when it was last heard of */
    double last;             /* the clock then, of any of them */
    int begins, trains;      /* slots in this state */

    /* Totals of the times when so many trained. */
    double seconds[LOAD_SLOTS + 1], work[LOAD_SLOTS + 1];
};

/* The slot does something else now. */
void load_set(struct load *l, int slot, enum load_state state, double now);
/* The trial in this slot has done so much since it began (any unit of its own). Its first word says
 * that it trains. */
void load_progress(struct load *l, int slot, double work, double now);

#endif
