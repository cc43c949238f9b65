/* A study file in memory and what is said of it. */
#ifndef HPO_TESTS_CONFIG_FIXTURE_H
#define HPO_TESTS_CONFIG_FIXTURE_H

#include <string.h>

#include "hpo/config.h"

struct config_fixture {
    struct arena a;
    struct diags d;
    struct study_config c;
    struct str said;
};

static inline void config_close(struct config_fixture *f)
{
    study_config_release(&f->c);
    arena_release(&f->a);
    str_release(&f->said);
    *f = (struct config_fixture){0};
}

static inline int config_open_n(struct config_fixture *f, const char *text, size_t n,
                                const char *const *sets, int n_sets)
{
    int rc;

    config_close(f);
    f->d.arena = &f->a;
    rc = study_config_parse(&f->c, text, n, "s.yaml", sets, n_sets, &f->d);
    diag_print(&f->d, &f->said);
    return rc;
}

static inline int config_open(struct config_fixture *f, const char *text)
{
    return config_open_n(f, text, strlen(text), NULL, 0);
}

#endif
