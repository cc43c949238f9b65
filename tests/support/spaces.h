/* tests/support/spaces.h - small search spaces and made-up histories for tests. */
#ifndef TESTS_SUPPORT_SPACES_H
#define TESTS_SUPPORT_SPACES_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/core/trial.h"

static inline struct hpo_param real_param(const char *name, double low, double high, double step,
                                          bool is_log)
{
    return (struct hpo_param){.name = name,
                              .kind = HPO_PARAM_FLOAT,
                              .low = low,
                              .high = step > 0 ? hpo_grid_high(low, high, step) : high,
                              .step = step,
                              .log = is_log};
}

static inline struct hpo_param int_param(const char *name, double low, double high, double step,
                                         bool is_log)
{
    return (struct hpo_param){.name = name,
                              .kind = HPO_PARAM_INT,
                              .low = low,
                              .high = hpo_grid_high(low, high, step),
                              .step = step,
                              .log = is_log};
}

/* Choices "a", "b", ... */
static inline struct hpo_param choice_param(const char *name, int n)
{
    static const struct hpo_choice letters[] = {
        {HPO_CHOICE_STR, "a"}, {HPO_CHOICE_STR, "b"}, {HPO_CHOICE_STR, "c"}, {HPO_CHOICE_STR, "d"},
        {HPO_CHOICE_STR, "e"}, {HPO_CHOICE_STR, "f"}, {HPO_CHOICE_STR, "g"}, {HPO_CHOICE_STR, "h"},
    };

    return (struct hpo_param){.name = name,
                              .kind = HPO_PARAM_CATEGORICAL,
                              .high = n - 1,
                              .n_choices = n,
                              .choices = letters};
}

/* The space of these parameters; NULL when their conditions are refused. */
static inline struct hpo_space *make_space(struct arena *a, const struct hpo_param *params, int n)
{
    struct hpo_space *s = ARENA_NEW(a, struct hpo_space);

    s->params = arena_dup(a, params, sizeof(*params) * (size_t)n);
    s->n = n;
    return hpo_space_finish(s, a, NULL) ? NULL : s;
}

/* Make p depend on `parent` having one of the values. */
static inline void add_when(struct arena *a, struct hpo_param *p, int parent, const double *values,
                            int n_values)
{
    struct hpo_when *when = ARENA_ARRAY(a, struct hpo_when, p->n_when + 1);

    if (p->n_when)
        memcpy(when, p->when, sizeof(*when) * (size_t)p->n_when);
    when[p->n_when++] = (struct hpo_when){parent, n_values,
                                          arena_dup(a, values, sizeof(*values) * (size_t)n_values)};
    p->when = when;
}

/* An optimizer that has its own parameters, a schedule likewise, and one that needs both: 2 kinds
 * of optimizer (a: momentum of 3 values; b: nothing) x 3 of schedule (c: 2 more) and, under (a, c),
 * 2 of an extra. Declared with the children first. */
static inline struct hpo_space *conditional_space(struct arena *a)
{
    static const double first[] = {0}, third[] = {2};
    struct hpo_param p[] = {
        real_param("momentum", 0.8, 1.0, 0.1, false),
        int_param("extra", 1, 2, 1, false),
        choice_param("optimizer", 2),
        choice_param("schedule", 3),
        int_param("period", 10, 20, 10, false),
    };

    add_when(a, &p[0], 2, first, 1);
    add_when(a, &p[1], 2, first, 1);
    add_when(a, &p[1], 3, third, 1);
    add_when(a, &p[4], 3, third, 1);
    return make_space(a, p, 5);
}
/* (a: 3) x (a, b: 1 each; c: 2 x 2) + (b: 1) x (1 + 1 + 2) */
#define CONDITIONAL_CELLS (3 * (2 + 4) + 4)

/* A history to append to. */
struct past {
    struct arena arena;
    const struct hpo_trial **trials;
    int cap;
    struct hpo_history h;
};

static inline struct hpo_trial *past_add(struct past *p, const struct hpo_space *s,
                                         const double *values, enum hpo_trial_state state)
{
    struct hpo_trial *t = ARENA_NEW(&p->arena, struct hpo_trial);

    t->number = p->h.n;
    t->state = state;
    t->value = state == HPO_TRIAL_COMPLETE ? (double)(p->h.n * 7 % 11) : NAN;
    t->values = arena_dup(&p->arena, values, sizeof(*values) * (size_t)s->n);
    if (p->h.n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 16;
        p->trials = realloc(p->trials, sizeof(*p->trials) * (size_t)p->cap);
    }
    p->trials[p->h.n] = t;
    p->h = (struct hpo_history){s, p->trials, p->h.n + 1, p->h.n + 1};
    return t;
}

static inline void past_release(struct past *p)
{
    arena_release(&p->arena);
    free(p->trials);
    *p = (struct past){0};
}

#endif
