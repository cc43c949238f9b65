/* hpo/objective.h - what a trial is: values in, points of a learning curve on the way, a value at
 * the end. Training a network with k folds is one (`trainer:`); a test function and a command of
 * the user's are others (`objective:`).
 *
 * An objective lives in a worker process: it is opened once, has some slots, each a thread that
 * runs one trial after the other, and is closed. What a trial says passes through its callbacks to
 * the controller, which stores it and asks the pruner. */
#ifndef HPO_OBJECTIVE_H
#define HPO_OBJECTIVE_H

#include "hpo/config.h"
#include "hpo/core/storage.h"

#define OBJECTIVE_MAX_FOLDS 64
#define OBJECTIVE_MAX_METRICS 34

/* A point of the trial's learning curve, and the epochs behind it. */
struct objective_report {
    int64_t step; /* rising within a trial; struct pruner says where in the folds it lies */
    double value; /* what the trial is judged by, in the study's own direction; NaN is possible */
    int n_rows;   /* 0 to OBJECTIVE_MAX_FOLDS: what people read of it, of at most
                     OBJECTIVE_MAX_METRICS metrics each */
    const struct hpo_epoch_report *rows;
    double rate; /* images (or what it works through) a second; 0: nobody knows */
    bool again;  /* answered OBJECTIVE_GO in an earlier attempt already, and only repeated */
};

/* Where it is, for people. */
struct objective_progress {
    int fold, epoch;
    int step, steps; /* within the epoch; steps 0: nobody knows */
    double rate;     /* images (or what it works through) a second; 0: nobody knows */
    double loss;     /* NaN: none */
    int folds;       /* that it works on side by side, from `fold` on; 0: it has none */

    /* For who shares a device out. */
    double work;              /* what this attempt got done so far, in any unit; 0: nobody knows */
    double bytes, bytes_free; /* device memory that it takes; that was left. 0: unknown */
};

enum objective_verdict {
    OBJECTIVE_GO,
    OBJECTIVE_PRUNE, /* not worth more: end now, keep nothing */
    OBJECTIVE_PAUSE  /* keep what can be kept and return HPO_ESTOPPED; to be continued later */
};

struct objective_trial {
    int number;
    int rung;             /* what study_config_rung tells of it holds; 0 where there are none */
    const double *values; /* space->n */
    const struct hpo_point
        *past;       /* what earlier attempts reported, in the study's own direction; */
    int n_past;      /* if wants_past */
    const char *dir; /* the trial's own folder, absolute; it exists if the objective needs it */
    const char *oof; /* runs/<name>/oof/0007.oof, absolute: where its out-of-fold predictions are
                        kept when its own folder is gone; NULL: they are not kept */

    /* Hand a report in and wait for the answer. */
    enum objective_verdict (*report)(void *arg, const struct objective_report *r);
    /* Cheap. Called at least 20 times a second, whatever else it waits for. p: NULL, or where it
     * is. */
    enum objective_verdict (*poll)(void *arg, const struct objective_progress *p);
    /* It has to wait for something that others hold, and why (a part of a sentence); NULL: it goes
     * on. What it waits does not count as its time. */
    void (*waits)(void *arg, const char *why);
    void *arg;
};

struct objective_result {
    double value; /* in the study's own direction */
    int n_folds;  /* 0: it has none */
    struct hpo_fold folds[OBJECTIVE_MAX_FOLDS];
    double seconds; /* over every attempt, when it can know; also filled on failure */
    bool pruned;    /* HPO_ESTOPPED: by OBJECTIVE_PRUNE */
};

/* Where a worker runs. */
struct objective_site {
    const char *device;  /* "cpu", "cuda:1": the name the study gives it */
    const char *backend; /* "cpu", "cuda" */
    int index;           /* of the device on its backend */
    int threads;         /* CPU threads of one slot */
    int slots;
};

struct objective {
    const struct objective_ops *ops;
    const struct study_config *config; /* config->objective.priv: the options */
    struct objective_site site;
    void *state; /* ops->state_size zeroed bytes */
    /* Must what is opened be given up? For waits that may be long. */
    bool (*stopping)(void *arg);
    void *arg;
};

struct objective_ops {
    struct hpo_plugin plugin;

    /* It is the study file's `trainer:` and `data:` that say what a trial is, and `space:` searches
     * options of theirs. Otherwise these sections are not allowed, and parameters of the space may
     * have any names. */
    bool trains;
    /* Nobody but the user knows what is better: study.direction must be given. */
    bool needs_direction;
    bool needs_dir;  /* a trial has a folder of its own, */
    bool wants_past; /* it cannot know what an earlier attempt of a trial reported */
    size_t state_size, slot_size;

    /* Optional. Does the study fit? HPO_ECONFIG, with "KEY: what is wrong" relative to `objective`
     * ("run: the first word ..."). Called when the study file was read otherwise without a
     * mistake. */
    int (*check)(const struct study_config *c, struct hpo_err *err);
    /* What struct pruner says of steps. */
    void (*steps)(const struct study_config *c, int *ret_folds, int *ret_fold_steps);

    /* Optional. Is the folder of every finished trial kept, and not the best one's alone? */
    bool (*keeps_dirs)(const struct study_config *c);

    /* Optional. HPO_ESTOPPED: o->stopping said so. */
    int (*open)(struct objective *o, struct hpo_err *err);
    int (*open_slot)(struct objective *o, void *slot, struct hpo_err *err);
    /* One trial. HPO_ESTOPPED: paused or pruned. Any other failure is the trial's FAIL with this
     * reason; HPO_EIO and HPO_EMISSING are the world's and end the run; after HPO_EDEVICE the
     * worker process ends, and the trial goes on in another. */
    int (*run)(struct objective *o, void *slot, const struct objective_trial *t,
               struct objective_result *ret, struct hpo_err *err);
    /* Optional; both must accept what a failed opening leaves behind. */
    void (*close_slot)(struct objective *o, void *slot);
    void (*close)(struct objective *o);
};

extern const struct objective_ops *const objective_registry[]; /* NULL ends it */

static inline const struct objective_ops *objective_of(const struct study_config *c)
{
    return c->objective.ops;
}

#endif
