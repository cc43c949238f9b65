/* tests/hpo/pruners/curves.h - learning curves written as text, for tests of pruners. */
#ifndef TESTS_HPO_PRUNERS_CURVES_H
#define TESTS_HPO_PRUNERS_CURVES_H

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/core/pruner.h"
#include "spaces.h"

struct curves {
    struct past past;
    struct hpo_space space;
    struct arena arena;
    struct pruner pruner;
};

/* key: an option, or "OPTION.KEY": one of the part that it is set to. */
static inline int curves_set(const struct hpo_opt *opts, void *priv, const char *key,
                             const char *value, struct arena *a)
{
    const char *dot = strchr(key, '.');
    const struct hpo_opt *o =
        hpo_opt_find(opts, dot ? arena_strndup(a, key, (size_t)(dot - key)) : key);
    const struct hpo_part *part;

    if (!o)
        return HPO_ECONFIG;
    if (!dot)
        return hpo_opt_set(o, priv, value, a, NULL);
    part = (const struct hpo_part *)((const char *)priv + o->offset);
    return o->type != HPO_OPT_PART || !part->ops
               ? HPO_ECONFIG
               : curves_set(hpo_plugin_of(part->ops)->opts, part->priv, dot + 1, value, a);
}

/* sets: NULL-ended pairs of option and value, as in curves_set. */
static inline void curves_open(struct curves *c, const char *pruner, const char *const *sets)
{
    const struct pruner_ops *ops = hpo_registry_find((const void *const *)pruner_registry, pruner);
    void *priv;
    int rc = 0;

    *c = (struct curves){0};
    priv = arena_alloc(&c->arena, ops->plugin.priv_size);
    hpo_opt_defaults(ops->plugin.opts, priv, &c->arena);
    for (; sets && *sets; sets += 2)
        rc |= curves_set(ops->plugin.opts, priv, sets[0], sets[1], &c->arena);
    if (rc)
        abort();
    c->pruner = (struct pruner){.ops = ops, .priv = priv};
}

static inline void curves_close(struct curves *c)
{
    past_release(&c->past);
    arena_release(&c->arena);
}

/* Reports "0.5 nan 3:inf": values at steps 0, 1, ...; "STEP:" jumps. */
static inline struct hpo_trial *curves_add(struct curves *c, enum hpo_trial_state state,
                                           const char *text)
{
    struct hpo_trial *t = past_add(&c->past, &c->space, NULL, state);
    struct hpo_point *p = ARENA_ARRAY(&c->arena, struct hpo_point, strlen(text) + 1);
    int64_t step = 0;
    char *end;

    for (; *text; text = end + (*end == ' ')) {
        double v = strtod(text, &end);

        if (*end == ':') {
            step = (int64_t)v;
            v = strtod(end + 1, &end);
        }
        p[t->n_points++] = (struct hpo_point){step++, v};
    }
    t->points = p;
    t->value = t->n_points && state != HPO_TRIAL_RUNNING ? p[t->n_points - 1].value : NAN;
    return t;
}

static inline bool curves_ask(const struct curves *c, const struct hpo_trial *t)
{
    return c->pruner.ops->should_stop(&c->pruner, &c->past.h, t);
}

/* Would a trial with these reports, the last of them just made, be stopped? */
static inline bool curves_stops(struct curves *c, const char *text)
{
    struct hpo_trial *t = curves_add(c, HPO_TRIAL_RUNNING, text);
    bool stop = curves_ask(c, t);

    c->past.h.n--; /* forget it: the next question is asked of the same history */
    return stop;
}

#endif
