/* The sections of the file against their tables. */
#include <string.h>

#include "hpo/config_impl.h"

/* If `path` lies directly under `parent` ("" is the top), its last word, else NULL. */
static const char *child_name(const char *parent, const char *path)
{
    size_t n = strlen(parent);

    if (n && (strncmp(path, parent, n) || path[n] != '.'))
        return NULL;
    path += n ? n + 1 : 0;
    return *path && !strchr(path, '.') ? path : NULL;
}

static void add_children(const struct hpo_section *all, const char *parent, struct words *ret)
{
    for (; all->path; all++)
        if (child_name(parent, all->path))
            words_add(ret, child_name(parent, all->path));
}

/* `trainer` or `data`, beside an objective that has no use for it? */
static bool out_of_place(const struct config_reader *r, const char *key)
{
    struct hpo_section s = {.path = key};

    return r->objective && !r->objective->trains && config_space_path(&s) && !strchr(key, '.');
}

void config_check_top(struct config_reader *r)
{
    struct words known = {.a = r->a};

    add_children(r->c->sections, "", &known);
    words_add(&known, "space");
    if (!r->objective || r->objective->trains)
        words_add(&known, "fidelity");
    for (int i = 0; i < r->root->n; i++) {
        const char *key = r->root->key[i]->text;

        if (r->objective && !r->objective->trains && !strcmp(key, "fidelity"))
            config_mistake(r, r->root->key[i],
                           "fidelity: not with objective.type %s: rungs are cheaper ways to train "
                           "a network",
                           r->objective->plugin.name);
        else if (out_of_place(r, key))
            config_mistake(r, r->root->key[i],
                           "%s: not with objective.type %s, which trains no network: leave the "
                           "section out",
                           key, r->objective->plugin.name);
        else if (!words_have(&known, key))
            config_unknown(r, r->root->key[i], "key", key, "", "known keys", &known);
    }
}

/* A known option's value against each of the tables that have it; one message a value. */
static void check_value(struct config_reader *r, const struct hpo_section *s,
                        const struct config_types *t, const char *key,
                        const struct yaml_node *value)
{
    const struct hpo_opt *beside = hpo_opt_find(s->opts, key);
    bool ok = !beside || config_check_option(r, s->path, beside, value, 0);

    for (int k = 0; !beside && ok && k < t->n; k++) {
        const struct hpo_opt *o = hpo_opt_find(hpo_plugin_of(t->ops[k])->opts, key);

        ok = !o || config_check_option(r, s->path, o, value, 0);
    }
}

static void check_required(struct config_reader *r, const struct hpo_section *s,
                           const struct config_types *t, const struct yaml_node *map)
{
    if (!r->objective && config_space_path(s))
        return; /* nobody knows whether it has to be there */
    config_check_required(r, s->path, s->opts, map);
    if (t->n == 1)
        config_check_required(r, s->path, hpo_plugin_of(t->base)->opts, map);
}

/* The type that the file or the default names; NULL after a mistake. */
static const void *base_type(struct config_reader *r, const struct hpo_section *s,
                             const struct yaml_node *map)
{
    const struct yaml_node *n = yaml_get(map, "type");
    const char *name = !n ? s->def_type : n->kind == YAML_SCALAR ? n->text : config_kind_name(n);
    const void *ops = hpo_registry_find(s->kinds, name);
    struct words known = {.a = r->a};

    if (!ops) {
        words_add_registry(&known, s->kinds);
        config_unknown(r, n ? n : r->root, config_noun(s), name, "", "known", &known);
    }
    return ops;
}

static void bind(struct config_reader *r, const struct hpo_section *s, const struct config_types *t,
                 const struct yaml_node *map)
{
    void *field = (char *)r->c + s->offset;

    if (s->kinds && t->base)
        *(struct hpo_part *)field =
            (struct hpo_part){t->base, config_bind_type(t->base, map, r->a)};
    config_bind(s->opts, field, map, r->a, NULL);
}

static void check_keys(struct config_reader *r, const struct hpo_section *s,
                       const struct config_types *t, const struct yaml_node *map)
{
    struct words known = {.a = r->a};

    if (s->kinds)
        words_add(&known, "type");
    words_add_options(&known, s->opts);
    for (int i = 0; i < t->n; i++)
        words_add_options(&known, hpo_plugin_of(t->ops[i])->opts);
    add_children(r->c->sections, s->path, &known);
    if (!strcmp(s->path, "study"))
        words_add(&known, "enqueue"); /* rows of values, not an option */
    config_check_keys(
        r, map,
        t->n == 1 ? arena_printf(r->a, " in %s of type %s", s->path, hpo_plugin_of(t->base)->name)
                  : arena_printf(r->a, " in %s", s->path),
        &known);
}

void config_check_section(struct config_reader *r, const struct hpo_section *s)
{
    struct yaml_node *map = yaml_get_path(r->root, s->path);
    struct config_types t = {.param = -1};
    bool sure = true;

    if (map && yaml_is_null(map))
        map = NULL; /* a section whose keys are all commented out */
    if (map && map->kind != YAML_MAP) {
        config_mistake(r, map, "%s: %s stands here: a mapping is needed", s->path,
                       config_kind_name(map));
        map = NULL;
        sure = false;
    }
    if (s->kinds) {
        const void *base = base_type(r, s, map);

        t = config_types_of(&r->c->space, s, base, r->a);
        sure = sure && base;
    }
    if (map && sure) { /* of an unknown type no key can be judged */
        check_keys(r, s, &t, map);
        for (int i = 0; i < map->n; i++)
            check_value(r, s, &t, map->key[i]->text, map->val[i]);
    }
    if (sure)
        check_required(r, s, &t, map);
    bind(r, s, &t, map);
}
