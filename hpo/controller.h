/* hpo/controller.h - runs a study: keeps workers busy, stores what they say, obeys budgets and
 * signals, survives their deaths. Prints nothing: it tells what happens as events. */
#ifndef HPO_CONTROLLER_H
#define HPO_CONTROLLER_H

#include "hpo/devices.h"
#include "hpo/study.h"

/* A place where a trial runs. */
struct run_slot {
    const char *device;
    const struct hpo_trial *trial; /* NULL: idle */
    struct objective_progress progress;
    double value; /* the metric of the last epoch, in the user's direction; NaN: none yet */
    double since; /* monotonic seconds when the trial was handed out, less what it waited */
    double waits_since;
    double first_step; /* monotonic seconds of the first sign of training in this run; 0: none */
    bool ready;        /* its worker answers */
    bool spare;        /* it may never be used: the device finds out how many it runs at once */
    bool waits;        /* the trial waits for memory that others hold */
    double stopped;    /* monotonic seconds when the trial was told to stop; 0: it was not */
    bool late;         /* because of study.max_seconds */
};

enum run_event_kind {
    RUN_START,       /* everything is open, workers are starting */
    RUN_TRIAL_START, /* slot took up slot->trial (again: attempts > 1) */
    RUN_EPOCH,       /* a report of slot->trial was stored */
    RUN_TRIAL_END,   /* trial ended: its state says how */
    RUN_NOTE,        /* something a person should know: text */
    RUN_TICK,        /* time to redraw */
    RUN_PAUSING,     /* a signal or the timeout: workers are writing checkpoints */
    RUN_END          /* text: run_end_name */
};

struct run_view {
    const struct study *study;
    const struct run_slot *slot;
    int n_slots;
    double started;      /* monotonic seconds */
    int finished_before; /* trials that earlier runs finished */
};

struct run_event {
    enum run_event_kind kind;
    const struct run_slot *slot;
    const struct hpo_trial *trial;
    const struct objective_report *report; /* RUN_EPOCH */
    const char *text;
};

typedef void run_event_fn(void *arg, const struct run_event *e, const struct run_view *v);

enum run_end {
    RUN_DONE,      /* the trials that were asked for are finished */
    RUN_EXHAUSTED, /* the sampler has nothing left */
    RUN_TIMEOUT,
    RUN_FAILURES,   /* too many failures in a row */
    RUN_TARGET,     /* study.target is reached */
    RUN_PATIENCE,   /* study.patience trials without a better one */
    RUN_INTERRUPTED /* by a signal */
};

const char *run_end_name(enum run_end end); /* "done", "exhausted", ... */

struct run_options {
    struct study *study;
    const char *program;    /* to start workers: the path of this program */
    const char *study_file; /* the resolved study file, which workers read */
    const struct device_spec *device;
    int n_devices;
    int lock_fd;   /* workers inherit it, so that the lock outlives a killed controller until they
                      are gone too */
    int signal_fd; /* a signalfd with SIGINT, SIGTERM and (unless ignored) SIGHUP, all blocked */
    run_event_fn *event;
    void *arg;
};

/* Until the study is over, or stopped. *ret_signal: the signal of RUN_INTERRUPTED. A failure of the
 * world (disk full, no device left) is an error: everything stored stays, the same command goes on.
 */
int run_study(const struct run_options *o, enum run_end *ret, int *ret_signal, struct hpo_err *err);

#endif
