/* The study as resolved, as a study file. */
#include <math.h>
#include <string.h>

#include "hpo/config_impl.h"

const char *config_number_text(const char *text, struct arena *a)
{
    const char *e = strchr(text, 'e');

    if (!e || memchr(text, '.', (size_t)(e - text)))
        return text;
    return arena_printf(a, "%.*s.0%s", (int)(e - text), text, e);
}

static struct yaml_node *argv_node(const char *const *argv, struct arena *a)
{
    struct yaml_node *ret = yaml_new_seq(a), *n;

    for (; *argv; argv++) {
        n = yaml_new_scalar(a, *argv);
        n->quoted = yaml_looks_special(*argv);
        yaml_append(a, ret, n);
    }
    return ret;
}

static struct yaml_node *option_node(const struct hpo_opt *o, const void *base, struct arena *a);

static struct yaml_node *part_node(const struct hpo_part *part, struct arena *a)
{
    struct yaml_node *ret = yaml_new_map(a);
    const struct hpo_opt *o = hpo_plugin_of(part->ops)->opts;

    yaml_put(a, ret, "type", yaml_new_scalar(a, hpo_plugin_of(part->ops)->name));
    for (; o && o->name; o++)
        yaml_put(a, ret, o->name, option_node(o, part->priv, a));
    return ret;
}

/* An option's value as a node; null when it is unset. */
static struct yaml_node *option_node(const struct hpo_opt *o, const void *base, struct arena *a)
{
    const void *field = (const char *)base + o->offset;
    const char *text = hpo_opt_get(o, base, a);
    struct yaml_node *n;

    if (!text)
        return yaml_new_scalar(a, "null");
    if (o->type == HPO_OPT_ARGV)
        return argv_node(*(const char *const *const *)field, a);
    if (o->type == HPO_OPT_PART)
        return part_node(field, a);
    if ((o->type == HPO_OPT_LIST || o->type == HPO_OPT_NUMBERS) && strchr(text, ',')) {
        char *all = arena_strdup(a, text), *save = NULL;

        n = yaml_new_seq(a);
        for (char *p = strtok_r(all, ",", &save); p; p = strtok_r(NULL, ",", &save))
            yaml_append(a, n, yaml_new_scalar(a, p));
        return n;
    }
    if (o->type == HPO_OPT_REAL && strcmp(text, "auto"))
        text = config_number_text(text, a);
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

struct config_types config_types_in(const struct study_config *c, const struct hpo_section *s,
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
    void *bound = arena_alloc(a, sizeof(struct study_config));

    if (s->kinds) {
        struct config_types t = config_types_in(c, s, map, values, a);

        yaml_put(a, ret, "type", yaml_new_scalar(a, hpo_plugin_of(t.base)->name));
        for (int i = 0; i < t.n; i++)
            put_options(hpo_plugin_of(t.ops[i])->opts, config_bind_type(t.ops[i], map, a), &t, map,
                        ret, a);
    }
    config_bind(s->opts, bound, map, a, NULL);
    put_options(s->opts, bound, NULL, map, ret, a);
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

    return yaml_new_scalar(a, config_number_text(str_double(buf, v), a));
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

struct yaml_node *config_param_node(const struct hpo_space *s, const struct hpo_param *p,
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

bool config_left_out(const struct study_config *c, const struct hpo_section *s)
{
    return !strcmp(s->path, "objective") &&
           !strcmp(hpo_plugin_of(c->objective.ops)->name, s->def_type) &&
           !hpo_plugin_of(c->objective.ops)->opts;
}

/* values: a trial's, and then without `space`. */
static struct yaml_node *resolved(const struct study_config *c, const double *values,
                                  struct arena *a)
{
    struct yaml_node *root = yaml_new_map(a), *space;

    for (const struct hpo_section *s = c->sections; s->path; s++)
        if (!config_left_out(c, s))
            yaml_put_path(a, root, s->path, section_node(c, s, values, a));
    if (values)
        return root;
    if (c->n_rungs)
        yaml_put(a, root, "fidelity", config_fidelity_node(c, a));
    if (!c->space.n)
        return root;
    if (c->n_enqueue)
        yaml_put_path(a, root, "study.enqueue",
                      config_enqueue_node(&c->space, c->enqueue, c->n_enqueue, a));
    space = yaml_new_map(a);
    for (int i = 0; i < c->space.n; i++)
        yaml_put(a, space, c->space.params[i].name,
                 config_param_node(&c->space, &c->space.params[i], a));
    yaml_put(a, root, "space", space);
    return root;
}

void study_config_write(const struct study_config *c, struct str *ret)
{
    struct arena a = {0};

    yaml_write(resolved(c, NULL, &a), ret);
    arena_release(&a);
}

/* Only what trains can do without a space. */
static struct yaml_node *single(const struct study_config *c, const double *values, struct arena *a)
{
    struct study_config one = *c;

    if (((const struct objective_ops *)c->objective.ops)->trains)
        return resolved(c, values, a);
    one.enqueue = values;
    one.n_enqueue = 1;
    return resolved(&one, NULL, a);
}

void study_config_single(const struct study_config *c, const double *values, struct str *ret)
{
    struct arena a = {0};
    struct yaml_node *root = single(c, values, &a);

    yaml_put_path(&a, root, "study.name",
                  yaml_new_scalar(&a, arena_printf(&a, "%.100s-single", c->study.name)));
    yaml_put_path(&a, root, "study.trials", yaml_new_scalar(&a, "1"));
    yaml_put_path(&a, root, "study.timeout", yaml_new_scalar(&a, "null"));
    yaml_put_path(&a, root, "study.warm_start", yaml_new_scalar(&a, "null"));
    for (const struct hpo_section *s = c->sections; s->path; s++) {
        struct yaml_node *plain;

        if (!s->kinds || config_space_path(s) || !strcmp(s->path, "objective"))
            continue;
        plain = yaml_new_map(&a); /* nothing is left to search, or to prune */
        yaml_put(&a, plain, "type", yaml_new_scalar(&a, s->def_type));
        yaml_put_path(&a, root, s->path, plain);
    }
    yaml_write(root, ret);
    arena_release(&a);
}
