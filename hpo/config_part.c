/* Options whose value is more than a word: a command line, and a part with options of its own. */
#include <string.h>

#include "hpo/config_impl.h"

/* ---------------------------------------------------------------- into the field */

int config_set_argv(const struct hpo_opt *o, void *base, const struct yaml_node *value,
                    struct arena *a, struct hpo_err *err)
{
    const char **argv;

    if (value->kind != YAML_SEQ || !value->n)
        return hpo_fail(err, HPO_ECONFIG, "%s: %s is needed",
                        value->kind == YAML_SEQ
                            ? "the list is empty"
                            : arena_printf(a, "%s stands here", config_kind_name(value)),
                        hpo_opt_allowed(o, a));
    argv = ARENA_ARRAY(a, const char *, value->n + 1);
    for (int i = 0; i < value->n; i++) {
        const struct yaml_node *item = value->val[i];

        if (item->kind != YAML_SCALAR)
            return hpo_fail(err, HPO_ECONFIG, "%s stands in the list: texts are needed",
                            config_kind_name(item));
        if (yaml_is_null(item))
            return hpo_fail(err, HPO_ECONFIG,
                            "item %d of the list is nothing: a text is needed, "
                            "and one such as 'null' or '' in quotes",
                            i + 1);
        argv[i] = arena_strdup(a, item->text);
    }
    *(const char *const **)((char *)base + o->offset) = argv;
    return 0;
}

/* The type that such a mapping names, or NULL. */
static const void *type_in(const void *const *kinds, const struct yaml_node *map)
{
    const struct yaml_node *type = yaml_get(map, "type");

    return type && type->kind == YAML_SCALAR ? hpo_registry_find(kinds, type->text) : NULL;
}

int config_set_part(const struct hpo_opt *o, void *base, const struct yaml_node *value,
                    struct arena *a, struct hpo_err *err)
{
    struct hpo_part *field = (struct hpo_part *)((char *)base + o->offset);
    const void *ops = type_in(o->kinds, value);

    if (!ops)
        return hpo_fail(err, HPO_ECONFIG, "%s is needed", hpo_opt_allowed(o, a));
    *field = (struct hpo_part){ops, config_bind_type(ops, value, a)};
    return 0;
}

/* ---------------------------------------------------------------- the short form */

void config_to_typed(struct yaml_node *n, struct arena *a)
{
    struct yaml_node *type, *key;

    if (n->kind != YAML_SCALAR || yaml_is_null(n))
        return;
    type = yaml_clone(a, n);
    key = yaml_clone(a, n);
    key->text = "type";
    *n = (struct yaml_node){
        .kind = YAML_MAP, .file = n->file, .line = n->line, .column = n->column, .text = ""};
    yaml_append_pair(a, n, key, type);
}

/* A type may still come from the command line, so the options of all of them count. */
static const struct hpo_opt *part_option(const void *const *kinds, const struct hpo_opt *beside,
                                         const char *key)
{
    const struct hpo_opt *o = hpo_opt_find(beside, key);

    for (; !o && *kinds; kinds++) {
        o = hpo_opt_find(hpo_plugin_of(*kinds)->opts, key);
        if (o && o->type != HPO_OPT_PART)
            o = NULL;
    }
    return o && o->type == HPO_OPT_PART ? o : NULL;
}

void config_normalise_parts(const void *const *kinds, const struct hpo_opt *beside,
                            struct yaml_node *map, struct arena *a)
{
    if (map->kind != YAML_MAP)
        return;
    for (int i = 0; i < map->n; i++) {
        const struct hpo_opt *o = part_option(kinds, beside, map->key[i]->text);

        if (!o)
            continue;
        config_to_typed(map->val[i], a);
        config_normalise_parts(o->kinds, NULL, map->val[i], a);
    }
}

/* ---------------------------------------------------------------- mistakes */

void config_check_required(struct config_reader *r, const char *path, const struct hpo_opt *opts,
                           const struct yaml_node *map)
{
    for (; opts && opts->name; opts++) {
        if (!(opts->flags & HPO_OPT_REQUIRED) || yaml_get(map, opts->name) || r->partial)
            continue;
        config_mistake(r, map ? map : r->root, "%s.%s is missing: %s", path, opts->name,
                       opts->help);
    }
}

static bool check_part(struct config_reader *r, const char *path, const struct hpo_opt *o,
                       const struct yaml_node *map, int depth)
{
    const struct hpo_section *s = config_section_of_kinds(r->c->sections, o->kinds);
    const struct yaml_node *type = yaml_get(map, "type");
    const void *ops = type_in(o->kinds, map);
    struct words known = {.a = r->a};
    int before = r->d->n + r->d->dropped;

    if (depth > CONFIG_MAX_PARTS) {
        config_mistake(r, map, "%s: parts stand in one another, %d are allowed", path,
                       CONFIG_MAX_PARTS);
        return false;
    }
    if (!type) {
        config_mistake(r, map, "%s has no type: %s is needed", path, hpo_opt_allowed(o, r->a));
        return false;
    }
    if (!ops) {
        words_add_registry(&known, o->kinds);
        config_unknown(r, type, s ? config_noun(s) : "type",
                       type->kind == YAML_SCALAR ? type->text : config_kind_name(type),
                       arena_printf(r->a, " in %s", path), "known", &known);
        return false;
    }
    words_add(&known, "type");
    words_add_options(&known, hpo_plugin_of(ops)->opts);
    config_check_keys(
        r, map, arena_printf(r->a, " in %s of type %s", path, hpo_plugin_of(ops)->name), &known);
    for (int i = 0; i < map->n; i++) {
        const struct hpo_opt *inner = hpo_opt_find(hpo_plugin_of(ops)->opts, map->key[i]->text);

        if (inner)
            config_check_option(r, path, inner, map->val[i], depth);
    }
    config_check_required(r, path, hpo_plugin_of(ops)->opts, map);
    return r->d->n + r->d->dropped == before;
}

bool config_check_option(struct config_reader *r, const char *path, const struct hpo_opt *o,
                         const struct yaml_node *value, int depth)
{
    struct hpo_err why;

    if (o->type == HPO_OPT_PART && value->kind == YAML_MAP)
        return check_part(r, arena_printf(r->a, "%s.%s", path, o->name), o, value, depth + 1);
    if (!config_set(o, config_scratch(o, r->a), value, r->a, &why))
        return true;
    config_mistake(r, value, "%s.%s: %s", path, o->name, why.msg);
    return false;
}
