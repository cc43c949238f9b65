/* tests/trainer/parts.h - plug-ins with their options set, for tests. */
#ifndef TESTS_TRAINER_PARTS_H
#define TESTS_TRAINER_PARTS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/opt.h"

/* The options of a plug-in: defaults, then "key=value key=value". */
static inline void *make_priv(struct arena *a, const struct hpo_plugin *p, const char *sets)
{
    void *priv = arena_alloc(a, p->priv_size + 1);
    char *copy = arena_strdup(a, sets ? sets : ""), *save = NULL;

    hpo_opt_defaults(p->opts, priv, a);
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *eq = strchr(word, '=');
        const struct hpo_opt *o;
        struct hpo_err err = {0};

        assert_non_null(eq);
        *eq = 0;
        o = hpo_opt_find(p->opts, word);
        assert_non_null(o);
        if (hpo_opt_set(o, priv, eq + 1, a, &err))
            fail_msg("%s: %s", word, err.msg);
    }
    return priv;
}

static inline void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.17g is not within %g of %.17g", got, tolerance, want);
}

#endif
