/* The study as resolved: as a study file, and as the lines that a resumed study is compared by. */
#include <math.h>
#include <string.h>

#include "hpo/config_impl.h"

/* "1e-05" is a number in YAML 1.2 and in a study file, but a text to readers of YAML 1.1; "1.0e-05"
 * is a number to all. */
static const char *number_text(const char *text, struct arena *a)
{
    const char *e = strchr(text, 'e');

    if (!e || memchr(text, '.', (size_t)(e - text)))
        return text;
    return arena_printf(a, "%.*s.0%s", (int)(e - text), text, e);
}

/* An option's value as a node; null when it is unset. */
static struct yaml_node *option_node(const struct hpo_opt *o, const void *base, struct arena *a)
{
    const char *text = hpo_opt_get(o, base, a);
    struct yaml_node *n;

    if (!text)
        return yaml_new_scalar(a, "null");
    if (o->type == HPO_OPT_LIST && strchr(text, ',')) {
        char *all = arena_strdup(a, text), *save = NULL;

        n = yaml_new_seq(a);
        for (char *p = strtok_r(all, ",", &save); p; p = strtok_r(NULL, ",", &save))
            yaml_append(a, n, yaml_new_scalar(a, p));
        return n;
    }
    if (o->type == HPO_OPT_REAL && strcmp(text, "auto"))
        text = number_text(text, a);
    n = yaml_new_scalar(a, text);
    n->quoted = o->type == HPO_OPT_STR && yaml_looks_special(text);
    return n;
}

/* Options of one struct. others: types that have options of the same names, in the same mapping;
 * where the file is silent and their defaults differ, one line could not say both. */
static void put_options(const struct hpo_opt *opts, const void *base,
                        const struct config_types *others, const struct yaml_node *given,
                        struct yaml_node *ret, struct arena *a)
{
    for (; opts && opts->name; opts++) {
        bool same = true;

        for (int i = 0; others && i < others->n && !yaml_get(given, opts->name); i++) {
            const struct hpo_opt *o = hpo_opt_find(hpo_plugin_of(others->ops[i])->opts, opts->name);

            same = same && (!o || (!o->def && !opts->def) ||
                            (o->def && opts->def && !strcmp(o->def, opts->def)));
        }
        if (same)
            yaml_put(a, ret, opts->name, option_node(opts, base, a));
    }
}

/* The types of a section: all of the study's, or (values) the one of a trial. */
static struct config_types types_of(const struct study_config *c, const struct hpo_section *s,
                                    const struct yaml_node *map, const double *values,
                                    struct arena *a)
{
    const void *base = ((const struct hpo_part *)((const char *)c + s->offset))->ops;
    struct config_types t = {.param = -1};

    if (!values)
        return config_types_of(&c->space, s, base, a);
    t.ops = ARENA_ARRAY(a, const void *, 1);
    t.ops[t.n++] = t.base = config_section_type(c, s, map, values);
    return t;
}

static struct yaml_node *section_node(const struct study_config *c, const struct hpo_section *s,
                                      const double *values, struct arena *a)
{
    struct yaml_node *ret = yaml_new_map(a), *map = config_section_map(c, s, values, a);

    if (s->kinds) {
        struct config_types t = types_of(c, s, map, values, a);

        yaml_put(a, ret, "type", yaml_new_scalar(a, hpo_plugin_of(t.base)->name));
        for (int i = 0; i < t.n; i++)
            put_options(hpo_plugin_of(t.ops[i])->opts, config_bind_type(t.ops[i], map, a), &t, map,
                        ret, a);
    } else {
        void *bound = arena_alloc(a, sizeof(struct study_config));

        config_bind(s->opts, bound, map, a, NULL);
        put_options(s->opts, bound, NULL, map, ret, a);
    }
    return ret;
}

static struct yaml_node *choice_node(const struct hpo_choice *choice, struct arena *a)
{
    struct yaml_node *n = yaml_new_scalar(a, choice->text);

    n->quoted = choice->kind == HPO_CHOICE_STR && yaml_looks_special(choice->text);
    return n;
}

static struct yaml_node *number_node(double v, struct arena *a)
{
    char buf[HPO_DOUBLE_TEXT];

    return yaml_new_scalar(a, number_text(str_double(buf, v), a));
}

static struct yaml_node *when_node(const struct hpo_space *s, const struct hpo_param *p,
                                   struct arena *a)
{
    struct yaml_node *ret = yaml_new_map(a);

    for (int i = 0; i < p->n_when; i++) {
        const struct hpo_when *w = &p->when[i];
        const struct hpo_param *parent = &s->params[w->param];
        struct yaml_node *list = yaml_new_seq(a);

        for (int k = 0; k < w->n_values; k++)
            yaml_append(a, list,
                        parent->kind == HPO_PARAM_CATEGORICAL
                            ? choice_node(&parent->choices[(int)w->values[k]], a)
                            : number_node(w->values[k], a));
        yaml_put(a, ret, parent->name, list->n == 1 ? list->val[0] : list);
    }
    return ret;
}

static struct yaml_node *param_node(const struct hpo_space *s, const struct hpo_param *p,
                                    struct arena *a)
{
    static const char *const kinds[] = {"float", "int", "categorical"};
    struct yaml_node *ret = yaml_new_map(a), *list;

    yaml_put(a, ret, "type", yaml_new_scalar(a, kinds[p->kind]));
    if (p->kind == HPO_PARAM_CATEGORICAL) {
        list = yaml_new_seq(a);
        for (int i = 0; i < p->n_choices; i++)
            yaml_append(a, list, choice_node(&p->choices[i], a));
        yaml_put(a, ret, "choices", list);
    } else {
        yaml_put(a, ret, "low", number_node(p->low, a));
        yaml_put(a, ret, "high", number_node(p->high, a));
        if (p->log)
            yaml_put(a, ret, "log", yaml_new_scalar(a, "true"));
        else if (p->step > 0)
            yaml_put(a, ret, "step", number_node(p->step, a));
    }
    if (p->n_when > 0)
        yaml_put(a, ret, "when", when_node(s, p, a));
    return ret;
}

/* values: a trial's, and then without `space`. */
static struct yaml_node *resolved(const struct study_config *c, const double *values,
                                  struct arena *a)
{
    struct yaml_node *root = yaml_new_map(a), *space;

    for (const struct hpo_section *s = c->sections; s->path; s++)
        yaml_put_path(a, root, s->path, section_node(c, s, values, a));
    if (values || !c->space.n)
        return root;
    space = yaml_new_map(a);
    for (int i = 0; i < c->space.n; i++)
        yaml_put(a, space, c->space.params[i].name, param_node(&c->space, &c->space.params[i], a));
    yaml_put(a, root, "space", space);
    return root;
}

void study_config_write(const struct study_config *c, struct str *ret)
{
    struct arena a = {0};

    yaml_write(resolved(c, NULL, &a), ret);
    arena_release(&a);
}

void study_config_single(const struct study_config *c, const double *values, struct str *ret)
{
    struct arena a = {0};
    struct yaml_node *root = resolved(c, values, &a);

    yaml_put_path(&a, root, "study.name",
                  yaml_new_scalar(&a, arena_printf(&a, "%.100s-single", c->study.name)));
    yaml_put_path(&a, root, "study.trials", yaml_new_scalar(&a, "1"));
    yaml_put_path(&a, root, "study.timeout", yaml_new_scalar(&a, "null"));
    for (const struct hpo_section *s = c->sections; s->path; s++) {
        struct yaml_node *plain;

        if (!s->kinds || config_space_path(s))
            continue;
        plain = yaml_new_map(&a); /* nothing is left to search, or to prune */
        yaml_put(&a, plain, "type", yaml_new_scalar(&a, s->def_type));
        yaml_put_path(&a, root, s->path, plain);
    }
    yaml_write(root, ret);
    arena_release(&a);
}

bool config_may_change(const char *path)
{
    static const char *const free_to[] = {
        "study.name", "study.trials", "study.timeout", "study.max_failures",
        "pruner",     "devices",      "data.path",     "data.cache",
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

/* ops: the type whose options these are, NULL in a plain section. */
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

        if (config_may_change(path) || always_searched(c, s, t, ops, opts->name))
            continue;
        text = hpo_opt_get(opts, bound, &a);
        if (!strcmp(path, "data.folds.run") && c->folds.run < 0) /* auto and k are the same */
            text = arena_printf(&a, "%d", c->folds.k);
        if (t->n > 1)
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
        const struct yaml_node *n = param_node(&c->space, p, &a);
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

        if (config_may_change(s->path))
            continue;
        if (!s->kinds) {
            identify(c, s, &t, NULL, map, ret);
            continue;
        }
        t = types_of(c, s, map, NULL, &a);
        if (!always_searched(c, s, &t, NULL, "type"))
            str_addf(ret, "%s.type: %s\n", s->path, hpo_plugin_of(t.base)->name);
        for (int i = 0; i < t.n; i++)
            identify(c, s, &t, t.ops[i], map, ret);
    }
    identify_space(c, ret);
    arena_release(&a);
}
