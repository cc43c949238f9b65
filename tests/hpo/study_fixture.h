/* A study in a folder of its own, driven by hand. */
#ifndef HPO_TESTS_STUDY_FIXTURE_H
#define HPO_TESTS_STUDY_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "hpo/study.h"

struct fixture {
    const char *text; /* the study file */
    int parallel;     /* 0: one at a time */
    char root[64];    /* a folder that goes with it */
    char dir[80];     /* of the study, in it */
    struct study_config config;
    struct study study;
    struct arena arena;
};

static inline void read_config(struct fixture *f, const char *const *sets, int n)
{
    struct diags d = {.arena = &f->arena};
    int rc = study_config_parse(&f->config, f->text, strlen(f->text), "t.yaml", sets, n, &d);

    if (rc) {
        struct str s = {0};

        diag_print(&d, &s);
        fail_msg("%s", str_c(&s));
    }
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->root, "/tmp/hpo-study-XXXXXX");
    if (!mkdtemp(f->root))
        return -1;
    snprintf(f->dir, sizeof(f->dir), "%s/t", f->root);
    if (file_mkdirs(f->dir, NULL))
        return -1;
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    study_close(&f->study);
    study_config_release(&f->config);
    file_remove_tree(f->root, NULL);
    arena_release(&f->arena);
    free(f);
    return 0;
}

static inline void open_study(struct fixture *f)
{
    struct hpo_err err = {0};

    if (study_open(&f->study, &f->config, f->dir, "data1", f->parallel ? f->parallel : 1, &err))
        fail_msg("%s", err.msg);
}

static inline struct study_trial *take(struct study *s)
{
    struct study_trial *t = NULL;

    assert_int_equal(study_next(s, &t, NULL), 0);
    if (t)
        assert_int_equal(study_start(s, t, "cpu", 1, NULL), 0);
    return t;
}

static inline void complete(struct study *s, struct study_trial *t, double value)
{
    struct objective_result r = {
        .n_folds = 2, .value = value, .folds = {{0, value, 1, 1}, {1, value, 2, 1}}};

    assert_int_equal(study_finish(s, t, HPO_TRIAL_COMPLETE, &r, NULL, 2, NULL), 0);
}

/* A report of one fold's epoch; is the trial to be pruned? */
static inline bool report(struct study *s, struct study_trial *t, int64_t step, double value)
{
    const char *name = s->config->study.metric_name;
    struct hpo_epoch_report row = {0, (int)step, 1, &name, &value};
    struct objective_report r = {.step = step, .value = value, .n_rows = 1, .rows = &row};
    bool prune = true;

    assert_int_equal(study_report(s, t, &r, &prune, NULL), 0);
    return prune;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
