/* tests/hpo/storage/fixture.h - a small space with every kind of parameter, and a folder that goes
 * away again. */
#ifndef TESTS_STORAGE_FIXTURE_H
#define TESTS_STORAGE_FIXTURE_H

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "hpo/core/storage.h"

extern const struct storage_ops storage_sqlite;

static const struct hpo_choice fx_types[] = {{HPO_CHOICE_STR, "sgd"}, {HPO_CHOICE_STR, "adamw"}};
static const struct hpo_choice fx_mixed[] = {
    {HPO_CHOICE_STR, "a \"quoted\" caf\xc3\xa9"}, {HPO_CHOICE_INT, "3"}, {HPO_CHOICE_REAL, "2.5"},
    {HPO_CHOICE_BOOL, "true"}, {HPO_CHOICE_NULL, "null"},
};
static const double fx_sgd[] = {0};
static const struct hpo_when fx_when[] = {{.param = 4, .n_values = 1, .values = fx_sgd}};
static const struct hpo_param fx_params[] = {
    {.name = "optimizer.lr", .kind = HPO_PARAM_FLOAT, .low = 1e-5, .high = 0.1, .log = true},
    {.name = "model.dropout", .kind = HPO_PARAM_FLOAT, .low = 0, .high = 0.5, .step = 0.1},
    {.name = "units", .kind = HPO_PARAM_INT, .low = 1, .high = 9, .step = 2},
    {.name = "width", .kind = HPO_PARAM_INT, .low = 16, .high = 256, .step = 1, .log = true},
    {.name = "optimizer.type", .kind = HPO_PARAM_CATEGORICAL, .high = 1, .n_choices = 2,
     .choices = fx_types},
    {.name = "mixed", .kind = HPO_PARAM_CATEGORICAL, .high = 4, .n_choices = 5,
     .choices = fx_mixed},
    {.name = "optimizer.momentum", .kind = HPO_PARAM_FLOAT, .low = 0.8, .high = 0.99, .n_when = 1,
     .when = fx_when},
};
#define FX_N 7
static const int fx_order[FX_N] = {0, 1, 2, 3, 4, 5, 6};
static const struct hpo_space fx_space = {fx_params, FX_N, fx_order};

struct fx {
    char folder[64];
    char path[96];
    struct arena arena;
    struct storage s;
    struct hpo_err err;
    int calls;
};

static inline struct hpo_study_info fx_info(bool maximize)
{
    return (struct hpo_study_info){.name = "cifar10",
                                   .maximize = maximize,
                                   .metric = "accuracy",
                                   .config = "study: {name: cifar10}\n",
                                   .digest = "space: 1\n",
                                   .created = 1790000000.25};
}

static inline void fx_init(struct fx *f)
{
    *f = (struct fx){.s = {.ops = &storage_sqlite}};
    f->s.arena = &f->arena;
    strcpy(f->folder, "/tmp/hpo_storage.XXXXXX");
    if (!mkdtemp(f->folder))
        abort();
    snprintf(f->path, sizeof(f->path), "%s/study.db", f->folder);
}

static inline int fx_open(struct fx *f, enum storage_mode mode)
{
    f->err = (struct hpo_err){0};
    return f->s.ops->open(&f->s, f->path, mode, &f->err);
}

static inline void fx_close(struct fx *f)
{
    f->s.ops->close(&f->s);
    f->s.priv = NULL;
}

static inline void fx_release(struct fx *f)
{
    fx_close(f);
    file_remove_tree(f->folder, NULL);
    arena_release(&f->arena);
}

/* A new study, open for writing. */
static inline void fx_create(struct fx *f, bool maximize)
{
    struct hpo_study_info info = fx_info(maximize);

    fx_init(f);
    if (fx_open(f, STORAGE_CREATE) || f->s.ops->create_study(&f->s, &info, &f->err))
        fail_msg("%s", f->err.msg);
}

/* The values of trial number n: all in the space, momentum only with sgd. */
static inline const double *fx_values(struct arena *a, int n)
{
    double *v = ARENA_ARRAY(a, double, FX_N);

    v[0] = exp(log(1e-5) + (n % 17 + 0.5) / 17 * (log(0.1) - log(1e-5)));
    v[1] = (n % 6) * 0.1;
    v[2] = 1 + 2 * (n % 5);
    v[3] = 16 + n * 7 % 241;
    v[4] = n % 2;
    v[5] = n % 5;
    v[6] = n % 2 ? NAN : 0.8 + 0.01 * (n % 19);
    return v;
}

#define assert_ok(f, expr)                                                                         \
    do {                                                                                           \
        if ((expr) != 0)                                                                           \
            fail_msg("%s", (f)->err.msg);                                                          \
    } while (0)

/* A RUNNING trial with the values of its number. */
static inline struct hpo_trial fx_add(struct fx *f, int number)
{
    struct hpo_trial t = {.number = number, .state = HPO_TRIAL_RUNNING, .value = NAN,
                          .values = fx_values(&f->arena, number),
                          .started = 1790000000.5 + number};

    assert_ok(f, f->s.ops->add_trial(&f->s, &fx_space, &t, &f->err));
    assert_true(t.id > 0);
    return t;
}

/* Two metrics of an epoch, and the point of step 10 * fold + epoch. */
static inline void fx_report(struct fx *f, const struct hpo_trial *t, int fold, int epoch, double value)
{
    static const char *const names[] = {"accuracy", "train_loss"};
    const double values[] = {0.5 + 0.01 * epoch, epoch ? 1.5 : NAN};
    const struct hpo_epoch_report r = {fold, epoch, 2, names, values};
    const struct hpo_point p = {fold * 10 + epoch, value};

    assert_ok(f, f->s.ops->report(&f->s, t->id, &r, &p, &f->err));
}

static inline void fx_end(struct fx *f, struct hpo_trial *t, enum hpo_trial_state state, double value)
{
    t->state = state;
    t->value = value;
    t->ended = t->started + 60;
    assert_ok(f, f->s.ops->finish(&f->s, t, &f->err));
}

/* All n trials. */
static inline struct hpo_trial *fx_load(struct fx *f, int n)
{
    struct hpo_trial *trials = NULL;
    int count = -1;

    assert_ok(f, f->s.ops->load_trials(&f->s, &fx_space, &f->arena, &trials, &count, &f->err));
    assert_int_equal(count, n);
    return trials;
}

#endif
