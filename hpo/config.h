/* hpo/config.h - the study file, whole: read, checked, with defaults filled in.
 *
 * Only hpo/config*.c know the layout of the file. Every option is a row of a table in the part that
 * owns it; this file lists the sections. All mistakes are reported at once. */
#ifndef HPO_CONFIG_H
#define HPO_CONFIG_H

#include "base/diag.h"
#include "base/opt.h"
#include "base/str.h"
#include "base/yaml.h"
#include "hpo/core/pruner.h"
#include "hpo/core/sampler.h"
#include "hpo/core/space.h"
#include "trainer/config.h"
#include "trainer/trainer.h"

struct study_opts { /* study: */
    const char *name;
    int direction; /* 0 minimize, 1 maximize */
    const char *metric_name;
    int trials;
    double timeout; /* seconds; NaN: none */
    int seed;
    int epoch;        /* 0 best, 1 last */
    int max_failures; /* this many FAIL in a row stop the study; 0: never */

    /* What else ends a study, and a trial. */
    double target;      /* in the study's own direction; NaN: none */
    int patience;       /* finished trials without a better one; 0: any number */
    double min_delta;   /* by how much better counts */
    double max_seconds; /* of one trial; NaN: any time */
    int retries;        /* how often a failed trial is repeated */

    const char *warm_start; /* folder or name of a study whose trials the sampler learns from */
};

struct sampler_opts {     /* sampler: what stands beside the options of its type */
    struct hpo_part part; /* ops: struct sampler_ops * */
    int lag;        /* trial n is sampled and pruned on the results of trials below n - lag + 1
                       alone; 0: on whatever has ended */
    int duplicates; /* 0 resample, 1 allow */
};

struct devices_opts { /* devices: */
    const char *use;  /* "auto", "cpu", "cpu,cpu", "cuda:0,cuda:1" */
    int trials_per_device;
    int threads; /* -1: auto */
};

struct folds_opts { /* data.folds: */
    int k;          /* of one split; 1: a holdout */
    bool auto_k;    /* k was left out: a manifest's fold column may say something else */
    bool stratified, group;
    int repeats;  /* splits */
    double valid; /* the share of a holdout; NAN: auto */
    int run;      /* -1: all */
    int order;    /* enum tr_order */
    int parallel; /* folds of a trial at once; -1: auto */
};

struct data_opts { /* data: */
    const char *path;
    const char *cache;
    int image_size;
    int limit; /* 0: all */
    int resize, on_error;
};

/* A rung of `fidelity:`, from cheap to expensive. */
struct study_rung {
    const struct study_config *config; /* the study as it is on this rung, without rungs */
    double promote;                    /* to the next one: a share below 1, or how many */
    int explore;                       /* others, drawn at random, that go on with them */
    const char *says;                  /* "limit 2000, epochs 3" */
};

struct study_config {
    struct arena arena; /* owns everything here */
    const char *file;   /* as given; messages use it */
    const char *folder; /* of the file: relative data paths start there */
    struct study_opts study;
    struct devices_opts devices;
    struct data_opts data;
    struct folds_opts folds;
    struct sampler_opts sampler;
    struct hpo_part pruner;    /* ops: struct pruner_ops * */
    struct hpo_part objective; /* ops: struct objective_ops * */
    struct tr_config trainer;  /* the base: values of `space` not applied */
    struct hpo_space space;
    int metric;     /* index into metric_registry; -1: the objective does not train */
    int max_epochs; /* of any trial that is trained: fold * max_epochs + epoch is a step */
    int n_enqueue;  /* study.enqueue: n_enqueue x space.n values, NaN where none is given */
    const double *enqueue;
    int n_rungs; /* 0: every trial is one of the study as it is written */
    const struct study_rung *rungs;
    struct yaml_node *tree; /* the checked file with --set applied; typed sections as mappings,
                               paths absolute, name, metric and direction filled in */
    const struct hpo_section *sections; /* those of study_sections() that the file can have: without
                                           `trainer` and `data` when the objective does not train */
};

/* A study file's text -> *ret. sets: "KEY=VALUE" overrides, applied before checking; a mistake in
 * one has the place "--set KEY=VALUE". Mistakes go to diags (its arena must be set) and HPO_ECONFIG
 * is returned; *ret must be released either way. A relative path (data.path, data.cache, those of
 * an objective, a study.warm_start with a '/' in it) starts at the folder of the file; in a --set,
 * at the working directory. */
int study_config_parse(struct study_config *ret, const char *text, size_t n, const char *file,
                       const char *const *sets, int n_sets, struct diags *diags);
/* The same from a path; HPO_EMISSING and HPO_EIO go to err. */
int study_config_read(struct study_config *ret, const char *path, const char *const *sets,
                      int n_sets, struct diags *diags, struct hpo_err *err);
void study_config_release(struct study_config *c); /* a zeroed one is valid */

/* The study as resolved, every default filled in, data.path absolute: a study file again. */
void study_config_write(const struct study_config *c, struct str *ret);

/* The study as its trials on a rung see it: another data set, fewer folds or epochs. c itself where
 * there are no rungs. Lives as long as c; never to be released. */
const struct study_config *study_config_rung(const struct study_config *c, int rung);

/* Of so many finished trials of a rung, this many go on for their values. */
int study_rung_quota(const struct study_rung *r, int finished);

/* One trial: the base with these values (space->n of them) in place. Allocated in a. image_size may
 * be searched too, so it comes back beside the trainer's part. HPO_ECONFIG when a combination is
 * not allowed. */
struct trial_config {
    struct tr_config trainer;
    int image_size;
};
int study_config_trial(const struct study_config *c, const double *values, struct arena *a,
                       struct trial_config *ret, struct hpo_err *err);
/* A study file that runs this one configuration (report --best): without `space:`, or, when the
 * objective does not train, with the values as its only `enqueue`. */
void study_config_single(const struct study_config *c, const double *values, struct str *ret);

/* A row of `study.enqueue` from the command line: "PARAMETER=VALUE" texts -> space.n values, NaN
 * where none is given. A value is written as in the study file. HPO_ECONFIG: names the parameter
 * and says what is allowed. What an active parameter needs of its parents is filled in where there
 * is one way to do so. */
int study_config_values(const struct study_config *c, const char *const *pairs, int n,
                        double *ret_values, struct hpo_err *err);
/* The same from and as JSON, {"optimizer.lr": 0.1, "optimizer.type": "sgd"}: what Optuna keeps as a
 * trial's fixed_params. */
int study_config_values_read(const struct study_config *c, const char *json, double *ret_values,
                             struct hpo_err *err);
void study_config_values_write(const struct study_config *c, const double *values, struct str *ret);

/* Is every value of the old space one of the new as well, of the same parameters in the same order?
 * Bounds may be wider on the same grid, choices may be appended, and a `when` may grow by values
 * that its parent did not have before. Otherwise *ret_why says what is not so ("'epochs': its
 * lowest value was 2 and is 4"). */
bool study_space_extends(const struct hpo_space *old, const struct hpo_space *now,
                         struct str *ret_why);

/* The pruner with all that it is told of the study. */
struct pruner study_config_pruner(const struct study_config *c);

/* What must stay the same while a study goes on, as "key: value" lines in a fixed order: whatever
 * changes the value of a configuration (objective, data, folds, trainer), its meaning (metric,
 * direction, study.epoch) or what is proposed (space, seed, sampler, warm_start). Not: name, what
 * ends the study or a trial, enqueue, pruner and devices, which may change between runs, and where
 * the data lies; the data set's digest is added by the study. Base values that every trial replaces
 * are left out, and so is an objective that is the default. */
void study_config_identity(const struct study_config *c, struct str *ret);

/* Folds of a trial: those of all splits; how many of them are trained; and the trainings that come
 * of it, with trainer.seeds: training i is fold i % folds_run with seed i / folds_run. */
int study_config_folds(const struct study_config *c);
int study_config_folds_run(const struct study_config *c);
int study_config_trainings(const struct study_config *c);
/* What data.folds.k: auto comes to, in the tree as well. */
void study_config_set_k(struct study_config *c, int k);

/* The folds of its data. HPO_ECONFIG with the place in the study file, or the line of the manifest. */
int study_config_make_folds(const struct study_config *c, const struct tr_dataset *d,
                            struct tr_folds *ret, struct hpo_err *err);
/* data.folds.k: auto becomes what the data say: the folds of a manifest's fold column. To be called
 * before anybody counts the study's steps. HPO_ECONFIG: data.folds.run is more than that. */
int study_config_settle_folds(struct study_config *c, const struct tr_dataset *d,
                              struct hpo_err *err);

/* Every section that a file can have, in order, offsets into struct study_config: those of hpo/
 * and, under "trainer", those of tr_sections. Ends with path NULL; allocated in a. */
const struct hpo_section *study_sections(struct arena *a);

/* The JSON Schema (draft-07) of the study file, and docs/study-file.md, from the tables. */
void study_schema_write(struct str *ret);
void study_docs_write(struct str *ret);

#endif
