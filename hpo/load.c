#include "hpo/load.h"

static void pass(struct load *l, double now)
{
    if (!l->begins && now > l->last)
        l->seconds[l->trains] += now - l->last;
    l->last = now;
}

void load_set(struct load *l, int slot, enum load_state state, double now)
{
    pass(l, now);
    l->begins += (state == LOAD_BEGINS) - (l->state[slot] == LOAD_BEGINS);
    l->trains += (state == LOAD_TRAINS) - (l->state[slot] == LOAD_TRAINS);
    l->state[slot] = state;
    l->done[slot] = 0;
}

void load_progress(struct load *l, int slot, double work, double now)
{
    if (l->state[slot] != LOAD_TRAINS) {
        load_set(l, slot, LOAD_TRAINS, now);
    } else {
        pass(l, now);
        if (!l->begins && work > l->done[slot])
            l->work[l->trains] += work - l->done[slot];
    }
    l->done[slot] = work;
}
