/* hpo/controller_impl.h - inside the controller: its state, and what its two files share.
 * controller.c has the loop and the life of workers, controller_messages.c what workers say. */
#ifndef HPO_CONTROLLER_IMPL_H
#define HPO_CONTROLLER_IMPL_H

#include <sys/types.h>

#include "hpo/controller.h"
#include "hpo/message.h"

struct worker_proc {
    const struct device_spec *device;
    pid_t pid;
    int fd; /* -1: not running */
    struct message_reader in;
    struct run_slot *slot; /* device->slots of them */
    bool ready, given_up;
    int early_deaths; /* before it was ready, in a row */
};

struct run {
    const struct run_options *o;
    struct study *study;
    struct worker_proc *worker;
    int n_workers;
    struct run_slot *slot;
    struct run_view view;
    struct arena arena;
    bool pausing;
    double pause_deadline;
    enum run_end end;
    int signal;
    bool at_once; /* a second signal: do not wait for anyone */
};

void run_emit(struct run *r, struct run_event e);
void run_note(struct run *r, const char *fmt, ...) HPO_PRINTF(2, 3);

/* The study's side of the trial in this slot; NULL: idle. */
struct study_trial *run_held_by(const struct run *r, const struct run_slot *s);
void run_vacate(struct run_slot *s);
/* Of finished trials, only the best one's checkpoint is kept. */
void run_tidy(struct run *r, const struct hpo_trial *t);

/* Store the end of the trial in this slot, tell it, and free the slot. */
int run_end_trial(struct run *r, struct run_slot *s, enum hpo_trial_state state,
                  const struct tr_result *result, const char *reason, double seconds,
                  struct hpo_err *err);
/* Obey one message of a worker. An error ends the run. */
int run_handle(struct run *r, struct worker_proc *w, const cJSON *m, struct hpo_err *err);

#endif
