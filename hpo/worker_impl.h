/* hpo/worker_impl.h - inside the worker: its state. worker.c opens it and listens to the
 * controller, worker_trial.c runs trials in its slots. */
#ifndef HPO_WORKER_IMPL_H
#define HPO_WORKER_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "hpo/load.h"
#include "hpo/message.h"
#include "hpo/objective.h"

struct worker;

struct slot {
    struct worker *w;
    int index;
    pthread_t thread;
    void *state;        /* the objective's */
    struct arena arena; /* of the trial at hand */
    int trial;          /* -1: idle */
    int rung;
    double *values;
    const struct hpo_point *past;
    int n_past;
    char *dir, *oof;
    bool quit;
    atomic_bool stop; /* the trial at hand takes too long */
    int verdict;      /* the answer to a report: an enum objective_verdict, or -1 while waiting */
    double last_progress;
    pthread_cond_t wake;
};

struct worker {
    int fd;
    pthread_mutex_t lock; /* of everything below, and of sending; never held for long */
    atomic_bool pause;
    struct study_config config;
    struct objective objective;
    struct arena arena; /* as long as the worker */
    bool opened;
    struct load load;
    struct slot *slot;
    int n_slots;
};

void worker_send(struct worker *w, cJSON *m);
/* objective.stopping. */
bool worker_stopping(void *worker);
/* The thread of a slot: trials, one after the other, until it is told to quit. */
void *worker_slot_main(void *slot);

#endif
