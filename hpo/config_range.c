/* The distributions of `space` against the options that they search. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "hpo/config_impl.h"

#define MAX_NAME 128

/* One end of a numeric distribution inside the option's range? */
static bool end_fits(struct config_reader *r, const struct hpo_opt *o, const struct yaml_node *n)
{
    struct hpo_err why;

    if (!config_set(o, config_scratch(o, r->a), n, r->a, &why))
        return true;
    config_mistake(r, n, "%s", why.msg);
    return false;
}

/* false: a mistake was reported. */
static bool fits(struct config_reader *r, int i, const struct hpo_opt *o)
{
    const struct hpo_param *p = &r->params[i];
    const struct draft *d = &r->drafts[i];
    bool ok = true;

    if (p->kind == HPO_PARAM_CATEGORICAL) {
        for (int k = 0; k < p->n_choices; k++)
            ok = end_fits(r, o, d->choices[k]) && ok;
        return ok;
    }
    if (o->type != HPO_OPT_INT && o->type != HPO_OPT_REAL && o->type != HPO_OPT_TIME) {
        config_mistake(r, d->type, "'%s' is not a number (%s): its type must be categorical",
                       p->name, hpo_opt_allowed(o, r->a));
        return false;
    }
    if (o->type == HPO_OPT_INT && p->kind == HPO_PARAM_FLOAT) {
        config_mistake(r, d->type, "'%s' is a whole number: its type must be int or categorical",
                       p->name);
        return false;
    }
    ok = end_fits(r, o, d->low);
    return end_fits(r, o, d->high) && ok;
}

static void check_type_param(struct config_reader *r, int i, const struct hpo_section *s)
{
    const struct hpo_param *p = &r->params[i];
    struct words known = {.a = r->a};

    if (p->kind != HPO_PARAM_CATEGORICAL) {
        config_mistake(r, r->drafts[i].type, "'%s' is a name: its type must be categorical",
                       p->name);
        return;
    }
    words_add_registry(&known, s->kinds);
    for (int k = 0; k < p->n_choices; k++)
        if (!hpo_registry_find(s->kinds, p->choices[k].text))
            config_unknown(r, r->drafts[i].choices[k], config_noun(s), p->choices[k].text, "",
                           "known", &known);
}

/* The values of SECTION.type that an explicit `when` of parameter i leaves; NULL: there is none. */
static const struct hpo_when *type_condition(const struct hpo_param *p, int type_param)
{
    for (int i = 0; i < p->n_when; i++)
        if (p->when[i].param == type_param)
            return &p->when[i];
    return NULL;
}

/* Where the parameter's own `when` says nothing of the type, it is active for the types that have
 * the option. */
static void add_type_condition(struct config_reader *r, int i, const struct config_types *t,
                               const char *key)
{
    const struct hpo_param *type = &r->params[t->param];
    double *values = ARENA_ARRAY(r->a, double, type->n_choices);
    const struct hpo_section *s = config_target_of(r->c->sections, type->name).section;
    bool base_has = !type->n_when || hpo_opt_find(hpo_plugin_of(t->base)->opts, key);
    int n = 0;

    for (int k = 0; k < type->n_choices; k++) {
        const void *ops = hpo_registry_find(s->kinds, type->choices[k].text);

        if (ops && hpo_opt_find(hpo_plugin_of(ops)->opts, key))
            values[n++] = k;
    }
    if (n > 0 && (n < type->n_choices || !base_has))
        config_add_when(r, i, (struct hpo_when){t->param, n, values});
}

/* Every type that the explicit condition names must have the option. */
static void check_condition(struct config_reader *r, int i, const struct hpo_when *w,
                            const struct hpo_section *s, const char *key)
{
    const struct hpo_param *type = &r->params[w->param];

    for (int k = 0; k < w->n_values; k++) {
        const char *name = type->choices[(int)w->values[k]].text;
        const void *ops = hpo_registry_find(s->kinds, name);

        if (ops && !hpo_opt_find(hpo_plugin_of(ops)->opts, key))
            config_mistake(r, r->drafts[i].when, "when: %s has no '%s'", name, key);
    }
}

static bool condition_allows(const struct config_reader *r, const struct hpo_when *w,
                             const void *ops)
{
    if (!w)
        return true;
    for (int k = 0; k < w->n_values; k++)
        if (!strcmp(r->params[w->param].choices[(int)w->values[k]].text, hpo_plugin_of(ops)->name))
            return true;
    return false;
}

static void no_type_has_it(struct config_reader *r, int i, const struct config_target *t,
                           const struct config_types *types)
{
    struct words here = {.a = r->a}, owners = {.a = r->a};

    for (int k = 0; k < types->n; k++)
        words_add(&here, hpo_plugin_of(types->ops[k])->name);
    for (const void *const *k = t->section->kinds; *k; k++)
        if (hpo_opt_find(hpo_plugin_of(*k)->opts, t->key))
            words_add(&owners, hpo_plugin_of(*k)->name);
    config_mistake(r, r->drafts[i].key,
                   "'%s' is no option of %s, the type in this study: it "
                   "belongs to %s",
                   r->params[i].name, words_join(&here), words_join(&owners));
}

static void fixed(struct config_reader *r, int i)
{
    config_mistake(r, r->drafts[i].key,
                   "'%s' cannot be searched: it must be the same for every trial",
                   r->params[i].name);
}

static void check_typed(struct config_reader *r, int i, const struct config_target *t)
{
    struct yaml_node *n = yaml_get_path(r->root, t->section->path), *name = yaml_get(n, "type");
    const void *base = hpo_registry_find(
        t->section->kinds, name && name->kind == YAML_SCALAR ? name->text : t->section->def_type);
    struct config_types types = config_types_of(&r->c->space, t->section, base, r->a);
    const struct hpo_when *w = NULL;
    bool any = false, ok = true;

    if (types.n == 0)
        return; /* an unknown type, reported already */
    if (types.param >= 0)
        w = type_condition(&r->params[i], types.param);
    for (int k = 0; k < types.n; k++) {
        const void *ops = types.ops[k];
        const struct hpo_opt *o = hpo_opt_find(hpo_plugin_of(ops)->opts, t->key);

        if (!o)
            continue;
        any = true;
        if (!config_can_search(o)) {
            fixed(r, i);
            return;
        }
        if (ok && r->drafts[i].ok && condition_allows(r, w, ops))
            ok = fits(r, i, o);
    }
    if (!any)
        no_type_has_it(r, i, t, &types);
    else if (w)
        check_condition(r, i, w, t->section, t->key);
    else if (types.param >= 0)
        add_type_condition(r, i, &types, t->key);
}

bool config_is_nested(const struct yaml_node *n)
{
    return n->kind == YAML_MAP && n->n && n->val[0]->kind == YAML_MAP && !yaml_get(n, "type");
}

static void nested_param(struct config_reader *r, int i)
{
    const char *name = r->params[i].name;
    bool outside = !strcmp(name, "trainer") || !strcmp(name, "data");
    const char *path = outside ? "" : name;

    for (const struct yaml_node *n = r->drafts[i].node; config_is_nested(n); n = n->val[0])
        path = arena_printf(r->a, "%s%s%s", path, *path ? "." : "", n->key[0]->text);
    config_mistake(r, r->drafts[i].key,
                   "unknown parameter '%s': a parameter is named by its whole path, write "
                   "'%s: {...}'",
                   config_show(r->a, name), config_show(r->a, path));
}

static void unknown_param(struct config_reader *r, int i)
{
    static const char *const prefixes[] = {"trainer.", "data."};
    struct words known = {.a = r->a};
    const char *name = r->params[i].name;

    for (size_t k = 0; k < HPO_LEN(prefixes); k++) {
        size_t n = strlen(prefixes[k]);

        if (!strncmp(name, prefixes[k], n) && config_target_of(r->c->sections, name + n).section) {
            config_mistake(r, r->drafts[i].key,
                           "unknown parameter '%s': paths start inside "
                           "'%.*s', write '%s'",
                           config_show(r->a, name), (int)n - 1, prefixes[k], name + n);
            return;
        }
    }
    if (config_is_nested(r->drafts[i].node)) {
        nested_param(r, i);
        return;
    }
    config_add_searchable(r->c->sections, &known);
    config_unknown(r, r->drafts[i].key, "parameter", name, "", "what can be searched", &known);
}

/* Where nothing is trained a parameter is whatever the user calls it, in letters that stay one word
 * in an environment, a command line and a table. */
static void check_free_name(struct config_reader *r, int i)
{
    const char *name = r->params[i].name;
    bool ok = *name && strlen(name) <= MAX_NAME;

    for (const char *p = name; ok && *p; p++)
        ok = isalnum((unsigned char)*p) || *p == '_' || *p == '-' || *p == '.';
    if (!ok)
        config_mistake(r, r->drafts[i].key,
                       "'%s' cannot be the name of a parameter: letters, digits, '-', '_' and "
                       "'.', at most %d",
                       config_show(r->a, name), MAX_NAME);
    else if (config_is_nested(r->drafts[i].node))
        nested_param(r, i);
}

void config_check_space(struct config_reader *r)
{
    if (!r->objective)
        return; /* what can be searched depends on it */
    for (int i = 0; !r->objective->trains && i < r->c->space.n; i++)
        check_free_name(r, i);
    for (int i = 0; r->objective->trains && i < r->c->space.n; i++) {
        struct config_target t = config_target_of(r->c->sections, r->params[i].name);
        const struct hpo_opt *o = t.section ? hpo_opt_find(t.section->opts, t.key) : NULL;

        if (!t.section)
            unknown_param(r, i);
        else if (o && !config_can_search(o))
            fixed(r, i);
        else if (t.is_type && r->drafts[i].ok)
            check_type_param(r, i, t.section);
        else if (o && r->drafts[i].ok)
            fits(r, i, o);
        else if (!o && !t.is_type)
            check_typed(r, i, &t);
    }
}
