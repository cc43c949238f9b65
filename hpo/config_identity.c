/* The lines that a resumed study is compared by. */
#include <math.h>
#include <string.h>

#include "hpo/config_impl.h"

bool config_may_change(const char *path)
{
    static const char *const free_to[] = {
        "study.name",    "study.trials",   "study.timeout",   "study.max_failures",
        "study.target",  "study.patience", "study.min_delta", "study.max_seconds",
        "study.retries", "study.enqueue",  "pruner",          "devices",
        "data.path",     "data.cache",     "data.folds.parallel",
    };

    for (size_t i = 0; i < HPO_LEN(free_to); i++) {
        size_t n = strlen(free_to[i]);

        if (!strncmp(path, free_to[i], n) && (!path[n] || path[n] == '.'))
            return true;
    }
    return false;
}

/* Does every trial (of this type of the section) take the option from `space`? */
static bool always_searched(const struct study_config *c, const struct hpo_section *s,
                            const struct config_types *t, const void *ops, const char *key)
{
    const char *head = config_space_path(s);

    for (int i = 0; head && i < c->space.n; i++) {
        const struct hpo_param *p = &c->space.params[i];
        struct config_target target = config_target_of(c->sections, p->name);
        bool always = true;

        if (target.section != s || strcmp(target.key, key))
            continue;
        for (int w = 0; w < p->n_when; w++) {
            const struct hpo_param *type = &c->space.params[p->when[w].param];
            bool holds = false;

            for (int k = 0; ops && p->when[w].param == t->param && k < p->when[w].n_values; k++)
                holds = holds || !strcmp(type->choices[(int)p->when[w].values[k]].text,
                                         hpo_plugin_of(ops)->name);
            always = always && holds && type->n_when == 0;
        }
        return always;
    }
    return false;
}

/* The same text for what is the same: all folds, said in two ways, and a study that has moved. */
static const char *canonical(const struct study_config *c, const char *path, const char *text,
                             struct arena *a)
{
    if (!strcmp(path, "data.folds.run") && c->folds.run < 0)
        return arena_printf(a, "%d", study_config_folds(c));
    if (!strcmp(path, "data.folds.valid") && c->folds.k == 1 && isnan(c->folds.valid))
        return "0.2";
    if (text && !strcmp(path, "study.warm_start")) {
        size_t n = strlen(text);

        while (n > 1 && text[n - 1] == '/')
            n--;
        text = arena_strndup(a, text, n);
        return strrchr(text, '/') ? strrchr(text, '/') + 1 : text;
    }
    return text;
}

/* ops: the type whose options these are, NULL for those of the section itself. */
static void identify(const struct study_config *c, const struct hpo_section *s,
                     const struct config_types *t, const void *ops, const struct yaml_node *map,
                     struct str *ret)
{
    const struct hpo_opt *opts = ops ? hpo_plugin_of(ops)->opts : s->opts;
    struct arena a = {0};
    void *bound = ops ? config_bind_type(ops, map, &a) : (char *)c + s->offset;

    for (; opts && opts->name; opts++) {
        const char *path = arena_printf(&a, "%s.%s", s->path, opts->name);
        const char *text;

        if (config_may_change(path) || opts->flags & HPO_OPT_PATH || /* where it lies */
            always_searched(c, s, t, ops, opts->name))
            continue;
        text = canonical(c, path, hpo_opt_get(opts, bound, &a), &a);
        if (ops && t->n > 1)
            str_addf(ret, "%s (%s)", path, hpo_plugin_of(ops)->name);
        else
            str_add(ret, path);
        str_addf(ret, ": %s\n", text ? text : "null");
    }
    arena_release(&a);
}

static void identify_space(const struct study_config *c, struct str *ret)
{
    struct arena a = {0};

    for (int i = 0; i < c->space.n; i++) {
        const struct hpo_param *p = &c->space.params[i];
        const struct yaml_node *n = config_param_node(&c->space, p, &a);
        struct str text = {0};

        yaml_write(n, &text);
        str_addf(ret, "space.%s: ", p->name);
        for (size_t k = 0; k + 1 < text.n; k++) { /* block style on one line */
            if (text.s[k] == '\n') {
                k += strspn(text.s + k + 1, " ");
                str_add(ret, "; ");
            } else {
                str_addc(ret, text.s[k]);
            }
        }
        str_addc(ret, '\n');
        str_release(&text);
    }
    arena_release(&a);
}

void study_config_identity(const struct study_config *c, struct str *ret)
{
    struct arena a = {0};

    for (const struct hpo_section *s = c->sections; s->path; s++) {
        struct yaml_node *map = config_section_map(c, s, NULL, &a);
        struct config_types t = {.param = -1};

        if (config_may_change(s->path) || config_left_out(c, s))
            continue;
        identify(c, s, &t, NULL, map, ret);
        if (!s->kinds)
            continue;
        t = config_types_in(c, s, map, NULL, &a);
        if (!always_searched(c, s, &t, NULL, "type"))
            str_addf(ret, "%s.type: %s\n", s->path, hpo_plugin_of(t.base)->name);
        for (int i = 0; i < t.n; i++)
            identify(c, s, &t, t.ops[i], map, ret);
    }
    config_identify_fidelity(c, ret);
    identify_space(c, ret);
    arena_release(&a);
}
