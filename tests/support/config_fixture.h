/* A study file in memory and what is said of it. */
#ifndef HPO_TESTS_CONFIG_FIXTURE_H
#define HPO_TESTS_CONFIG_FIXTURE_H

#include <string.h>

#include "hpo/config.h"
#include "trainer/metric.h"

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

static inline const char *config_replace(struct arena *a, const char *text, const char *word,
                                         const char *names)
{
    const char *at = strstr(text, word);

    return at ? arena_printf(a, "%.*s%s%s", (int)(at - text), text, names, at + strlen(word))
              : text;
}

/* A message with "{samplers}", "{pruners}", "{devices}" and "{metrics}" (that a trial can be judged
 * by) replaced by the names of what this build has: one more of them is no reason for a test to
 * fail. */
static inline const char *config_expect(struct arena *a, const char *text)
{
    const struct {
        const char *word;
        const void *const *registry;
    } lists[] = {{"{samplers}", (const void *const *)sampler_registry},
                 {"{pruners}", (const void *const *)pruner_registry},
                 {"{devices}", (const void *const *)kn_backend_registry}};
    const char *metrics = "";

    for (size_t i = 0; i < HPO_LEN(lists); i++) {
        const char *names = "";

        for (const void *const *k = lists[i].registry; *k; k++)
            names = arena_printf(a, "%s%s%s", names, *names ? ", " : "", hpo_plugin_of(*k)->name);
        text = config_replace(a, text, lists[i].word, names);
    }
    for (int i = 0; metric_registry[i]; i++)
        if (!metric_registry[i]->describes)
            metrics = arena_printf(a, "%s%s%s", metrics, *metrics ? ", " : "",
                                   metric_registry[i]->plugin.name);
    return config_replace(a, text, "{metrics}", metrics);
}

#endif
