/* hpo/controller_impl.h - inside the controller: its state, and what its files share.
 * controller.c has the loop, controller_workers.c
 * the life of workers, controller_messages.c what they say. */
#ifndef HPO_CONTROLLER_IMPL_H
#define HPO_CONTROLLER_IMPL_H

#include <sys/types.h>

#include "hpo/control.h"
#include "hpo/controller.h"
#include "hpo/message.h"
#include "hpo/packing.h"

struct worker_proc {
    const struct device_spec *device;
    pid_t pid;
    int fd; /* -1: not running */
    struct message_reader in;
    struct run_slot *slot; /* device->slots of them */
    struct packing packing; /* of a device that is packed */
    bool ready, given_up;
    bool introduced; /* people know which device it is */
    int early_deaths; /* before it was ready, in a row */

    /* Failures of the device, in a row: without a report in between. Whether the device or a trial
     * is to blame shows when another trial fails there, or this one elsewhere. */
    char fault[256]; /* what the worker said before it left; "": nothing */
    int faults;
    int fault_trial;   /* under which the last one was; -1: none */
    bool fault_spread; /* under more than one trial */
    double start_at;   /* monotonic seconds when it is started again; 0: not to be */
};

struct run {
    const struct run_options *o;
    struct study *study;
    struct worker_proc *worker;
    int n_workers;
    struct run_slot *slot;
    struct run_view view;
    const char *dir; /* of the study, absolute: trials may run in another folder */
    struct arena arena;
    bool pausing;
    double pause_deadline;
    enum run_end end;
    int signal;
    bool at_once; /* a second signal: do not wait for anyone */
    struct control control;

    /* Trials that ended since poll returned: they become durable together, with one sync, and are
     * told of only then. */
    bool grouped; /* the storage has a transaction open */
    const struct run_slot **ended_slot;
    const struct hpo_trial **ended;
    int n_ended;
    const struct hpo_trial *best; /* when we last looked */
};

void run_emit(struct run *r, struct run_event e);
void run_note(struct run *r, const char *fmt, ...) HPO_PRINTF(2, 3);

int run_start_worker(struct run *r, struct worker_proc *w, struct hpo_err *err);
/* Those that were to wait for it. */
int run_start_due_workers(struct run *r, double now, struct hpo_err *err);
/* The worker says that its device failed, and leaves: what follows is run_worker_gone. trial: under
 * which; -1: as it was opened. */
void run_device_failed(struct worker_proc *w, int trial, const char *reason);
/* It died: its trials go on elsewhere or fail, and it is started again or left out. */
int run_worker_gone(struct run *r, struct worker_proc *w, struct hpo_err *err);
/* A trial for every slot that is free, as far as there are any. */
int run_hand_out(struct run *r, struct hpo_err *err);
/* Tell trials to end that take too long, and all of them when the study has what it looked for. */
void run_stop_trials(struct run *r, double now);
void run_stop_workers(struct run *r);

/* The study's side of the trial in this slot; NULL: idle. */
struct study_trial *run_held_by(const struct run *r, const struct run_slot *s);
void run_vacate(struct run_slot *s);
/* Of finished trials, only the best one's checkpoint is kept. */
void run_tidy(struct run *r, const struct hpo_trial *t);

/* Store the end of the trial in this slot, and free the slot; run_settle tells it. */
int run_end_trial(struct run *r, struct run_slot *s, enum hpo_trial_state state,
                  const struct objective_result *result, const char *reason, double seconds,
                  struct hpo_err *err);
/* Make durable what ended, and tell of it. */
int run_settle(struct run *r, struct hpo_err *err);
/* The trial in this slot has stopped, as it was told. */
int run_end_stopped(struct run *r, struct run_slot *s, double seconds, struct hpo_err *err);
/* Tell the trial in this slot to end as it is. */
void run_stop(struct run *r, struct worker_proc *w, struct run_slot *s, bool late);
/* Answer what somebody asks over the control socket. Returns the answer. */
cJSON *run_answer(void *run, const cJSON *request);
/* Obey one message of a worker. An error ends the run. */
int run_handle(struct run *r, struct worker_proc *w, const cJSON *m, struct hpo_err *err);

#endif
