/* tests/hpo/report/fixture.h - a small study made by hand. */
#ifndef TESTS_REPORT_FIXTURE_H
#define TESTS_REPORT_FIXTURE_H

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "hpo/core/report.h"

static const struct hpo_choice rf_types[] = {{HPO_CHOICE_STR, "sgd"}, {HPO_CHOICE_STR, "adamw"}};
static const struct hpo_choice rf_mixed[] = {{HPO_CHOICE_INT, "64"}, {HPO_CHOICE_REAL, "0.5"},
    {HPO_CHOICE_BOOL, "true"}, {HPO_CHOICE_NULL, "null"}, {HPO_CHOICE_STR, "a, \"b\""}};
static const double rf_sgd[] = {0};
static const struct hpo_when rf_when[] = {{.param = 1, .n_values = 1, .values = rf_sgd}};
static const struct hpo_param rf_params[] = {
    {.name = "optimizer.lr", .kind = HPO_PARAM_FLOAT, .low = 1e-5, .high = 1, .log = true},
    {.name = "optimizer.type", .kind = HPO_PARAM_CATEGORICAL, .high = 1, .n_choices = 2,
     .choices = rf_types},
    {.name = "momentum", .kind = HPO_PARAM_FLOAT, .low = 0, .high = 1, .n_when = 1,
     .when = rf_when},
    {.name = "width", .kind = HPO_PARAM_INT, .low = 8, .high = 64, .step = 8},
    {.name = "mixed", .kind = HPO_PARAM_CATEGORICAL, .high = 4, .n_choices = 5,
     .choices = rf_mixed},
};
static const int rf_order[] = {0, 1, 2, 3, 4};
static const struct hpo_space rf_space = {rf_params, 5, rf_order};

/* lr, type, momentum, width, mixed */
static const double rf_values[][5] = {
    {0.012345678901234567, 0, 0.9, 32, 0},
    {1e-05, 1, NAN, 8, 4},
    {0.5, 0, 0.25, 64, 1},
    {0.1, 1, NAN, 16, 3},
    {0.25, 1, NAN, 16, 2},
};
static const struct hpo_fold rf_folds[] = {{0, 0.75, 2, 31}, {1, 0.25, 0, 30.5}};
static const struct hpo_point rf_points[] = {{0, -0.5}, {1, NAN}};

/* value is internal: smaller is better. The same trials in both directions. */
static const struct hpo_trial rf_trials[] = {
    {.number = 0, .state = HPO_TRIAL_COMPLETE, .value = -0.25, .values = rf_values[0],
     .started = 1790000000.25, .ended = 1790000061.75, .seconds = 61.5, .attempts = 1,
     .device = "cpu"},
    {.number = 1, .state = HPO_TRIAL_PRUNED, .value = NAN, .values = rf_values[1],
     .started = 1790000100, .ended = 1790000103, .seconds = 3, .attempts = 1, .device = "cpu"},
    {.number = 2, .state = HPO_TRIAL_COMPLETE, .value = -0.5, .values = rf_values[2],
     .folds = rf_folds, .n_folds = 2, .points = rf_points, .n_points = 2, .started = 1790000200,
     .ended = 1790000262, .seconds = 61.5, .attempts = 2, .device = "cpu:1"},
    {.number = 3, .state = HPO_TRIAL_FAIL, .value = NAN, .values = rf_values[3],
     .started = 1790000300, .ended = 1790000301, .attempts = 3, .device = "cpu",
     .reason = "the loss became NaN,\nin \"fold\" 0"},
    {.number = 4, .state = HPO_TRIAL_RUNNING, .value = NAN, .values = rf_values[4],
     .started = 1790000400},
};

static const char *const rf_names[] = {"accuracy", "train_loss"};
static const double rf_metrics[][2] = {{0.5, 1.25}, {0.75, NAN}, {0.25, 0.00012}};
static const struct hpo_epoch_report rf_epochs[] = {
    {0, 0, 2, rf_names, rf_metrics[0]},
    {0, 1, 2, rf_names, rf_metrics[1]},
    {1, 0, 2, rf_names, rf_metrics[2]},
};

struct rf {
    const struct hpo_trial *trials[8];
    struct hpo_history history;
    struct hpo_study_info study;
    struct report r;
    struct str out;
};

/* The trials of which `pick` has a bit. */
static inline void rf_init(struct rf *f, bool maximize, unsigned pick)
{
    *f = (struct rf){.study = {.name = "cifar10", .maximize = maximize, .metric = "accuracy"}};
    for (int i = 0; i < 5; i++)
        if (pick & 1u << i)
            f->trials[f->history.n++] = &rf_trials[i];
    f->history.space = &rf_space;
    f->history.trials = f->trials;
    f->r = (struct report){.study = &f->study, .history = &f->history, .target = 8};
}

static inline void rf_view(struct rf *f, enum report_view view, const struct hpo_trial *trial)
{
    f->r.view = view;
    f->r.trial = trial;
    if (trial) {
        f->r.single = "study: {name: cifar10}\n";
        f->r.epochs = rf_epochs;
        f->r.n_epochs = 3;
    }
}

static inline const char *rf_print(struct rf *f, const struct report_ops *ops)
{
    struct hpo_err err;

    str_clear(&f->out);
    if (ops->print(&f->r, &f->out, &err))
        fail_msg("%s", err.msg);
    return str_c(&f->out);
}

static inline void rf_release(struct rf *f)
{
    str_release(&f->out);
}

#endif
