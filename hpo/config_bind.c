/* From nodes to fields. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hpo/config_impl.h"

static bool has(const struct config_types *t, const void *ops)
{
    for (int i = 0; i < t->n; i++)
        if (t->ops[i] == ops)
            return true;
    return false;
}

struct config_types config_types_of(const struct hpo_space *s, const struct hpo_section *section,
                                    const void *base, struct arena *a)
{
    const char *head = config_space_path(section);
    struct config_types t = {.param = -1};

    if (head) {
        struct arena tmp = {0};

        t.param = config_space_find(s, arena_printf(&tmp, "%s.type", head));
        arena_release(&tmp);
    }
    t.ops = ARENA_ARRAY(a, const void *, 1 + (t.param < 0 ? 0 : s->params[t.param].n_choices));
    if (t.param >= 0) {
        const struct hpo_param *p = &s->params[t.param];

        for (int i = 0; i < p->n_choices; i++) {
            const void *ops = hpo_registry_find(section->kinds, p->choices[i].text);

            if (ops && !has(&t, ops))
                t.ops[t.n++] = ops;
        }
    }
    /* Searched without a condition, the file's own type never comes to bear. */
    if (base && !has(&t, base) && (t.n == 0 || s->params[t.param].n_when > 0))
        t.ops[t.n++] = base;
    t.base = base && has(&t, base) ? base : t.n > 0 ? t.ops[0] : NULL;
    return t;
}

static int no(const struct hpo_opt *o, struct arena *a, struct hpo_err *err, const char *what)
{
    return hpo_fail(err, HPO_ECONFIG, "%s: %s is needed", what, hpo_opt_allowed(o, a));
}

static int set_list(const struct hpo_opt *o, void *base, const struct yaml_node *value,
                    struct arena *a, struct hpo_err *err)
{
    struct str s = {0};
    int rc = 0;

    for (int i = 0; !rc && i < value->n; i++) {
        const struct yaml_node *item = value->val[i];

        if (item->kind != YAML_SCALAR || !*item->text || strchr(item->text, ','))
            rc = no(o, a, err,
                    o->type == HPO_OPT_LIST ? "the list holds something else than words"
                                            : "the list holds something else than numbers");
        else
            str_addf(&s, "%s%s", i ? "," : "", item->text);
    }
    if (!rc && !value->n)
        rc = no(o, a, err, "the list is empty");
    if (!rc)
        rc = hpo_opt_set(o, base, str_c(&s), a, err);
    str_release(&s);
    return rc;
}

/* A default of nothing: null says the same. */
static int set_null(const struct hpo_opt *o, void *base, struct arena *a, struct hpo_err *err)
{
    void *field = (char *)base + o->offset;

    if (o->def || o->flags & HPO_OPT_REQUIRED)
        return no(o, a, err, "nothing stands here");
    if (o->type == HPO_OPT_TIME || o->type == HPO_OPT_REAL)
        *(double *)field = NAN;
    else if (o->type == HPO_OPT_STR || o->type == HPO_OPT_LIST || o->type == HPO_OPT_NUMBERS)
        *(const char **)field = NULL;
    else if (o->type == HPO_OPT_ARGV)
        *(const char *const **)field = NULL;
    else if (o->type == HPO_OPT_PART)
        *(struct hpo_part *)field = (struct hpo_part){0};
    return 0;
}

/* What went wrong, said with the words that help most. */
static int explain(const struct hpo_opt *o, const char *text, struct arena *a, struct hpo_err *err)
{
    static const char *const bools[][2] = {{"yes", "true"}, {"on", "true"},   {"true", "true"},
                                           {"no", "false"}, {"off", "false"}, {"false", "false"}};
    const char *shown = config_show(a, text), *near = NULL;

    if (o->type == HPO_OPT_BOOL) {
        for (size_t i = 0; i < HPO_LEN(bools); i++)
            if (!strcasecmp(text, bools[i][0]))
                near = bools[i][1];
    } else if (o->type == HPO_OPT_CHOICE) {
        struct words w = {.a = a};
        char *all = arena_strdup(a, o->choices), *save = NULL;

        for (char *p = strtok_r(all, "|", &save); p; p = strtok_r(NULL, "|", &save))
            words_add(&w, p);
        near = str_nearest(text, w.w, w.n);
    }
    if (near)
        return hpo_fail(err, HPO_ECONFIG, "'%s' is not allowed here, did you mean '%s'? %s", shown,
                        near, hpo_opt_allowed(o, a));
    return hpo_fail(err, HPO_ECONFIG, "'%s' is not allowed here: %s", shown, hpo_opt_allowed(o, a));
}

/* Wherever the field lies in its owner's struct, it ends here. */
void *config_scratch(const struct hpo_opt *o, struct arena *a)
{
    return arena_alloc(a, o->offset + sizeof(struct hpo_part));
}

int config_set(const struct hpo_opt *o, void *base, const struct yaml_node *value, struct arena *a,
               struct hpo_err *err)
{
    bool number = o->type == HPO_OPT_BOOL || o->type == HPO_OPT_INT || o->type == HPO_OPT_REAL;
    struct hpo_err why;

    if (value->kind == YAML_SEQ && (o->type == HPO_OPT_LIST || o->type == HPO_OPT_NUMBERS))
        return set_list(o, base, value, a, err);
    if (o->type == HPO_OPT_ARGV && !yaml_is_null(value))
        return config_set_argv(o, base, value, a, err);
    if (value->kind == YAML_MAP && o->type == HPO_OPT_PART)
        return config_set_part(o, base, value, a, err);
    if (value->kind != YAML_SCALAR)
        return no(o, a, err, arena_printf(a, "%s stands here", config_kind_name(value)));
    if (yaml_is_null(value))
        return set_null(o, base, a, err);
    if (!*value->text)
        return no(o, a, err, "an empty text stands here");
    if (number && value->quoted && !(o->flags & HPO_OPT_AUTO && !strcmp(value->text, "auto")))
        return no(o, a, err,
                  arena_printf(a, "'%s' in quotes is a text", config_show(a, value->text)));
    if (hpo_opt_set(o, base, value->text, a, &why))
        return explain(o, value->text, a, err);
    return 0;
}

int config_bind(const struct hpo_opt *opts, void *base, const struct yaml_node *map,
                struct arena *a, struct hpo_err *err)
{
    int ret = 0;

    hpo_opt_defaults(opts, base, a);
    for (int i = 0; map && map->kind == YAML_MAP && i < map->n; i++) {
        const struct hpo_opt *o = hpo_opt_find(opts, map->key[i]->text);
        struct hpo_err why;

        if (o && config_set(o, base, map->val[i], a, &why) && !ret)
            ret = hpo_fail(err, HPO_ECONFIG, "%s: %s", o->name, why.msg);
    }
    return ret;
}

void *config_bind_type(const void *ops, const struct yaml_node *map, struct arena *a)
{
    const struct hpo_plugin *p = hpo_plugin_of(ops);
    void *priv = arena_alloc(a, p->priv_size ? p->priv_size : 1);

    config_bind(p->opts, priv, map, a, NULL);
    return priv;
}
