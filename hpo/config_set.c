/* Overrides from the command line: the tree, before it is checked. */
#include <string.h>

#include "hpo/config_impl.h"

/* `sampler: random` is short for `sampler: {type: random}`. */
void config_normalise(const struct hpo_section *all, struct yaml_node *root, struct arena *a)
{
    for (; all->path; all++) {
        struct yaml_node *n = all->kinds ? yaml_get_path(root, all->path) : NULL;

        if (!n)
            continue;
        config_to_typed(n, a);
        config_normalise_parts(all->kinds, all->opts, n, a);
    }
}

/* From now on the node's place is the command line. */
static void relabel(struct yaml_node *n, const char *label)
{
    n->file = label;
    n->line = n->column = 0;
    for (int i = 0; i < n->n; i++) {
        if (n->kind == YAML_MAP)
            relabel(n->key[i], label);
        relabel(n->val[i], label);
    }
}

/* The same for the keys and mappings that were made on the way. */
static void label_new(struct yaml_node *n, const char *label)
{
    if (!n->file)
        n->file = label;
    for (int i = 0; i < n->n; i++) {
        if (n->kind == YAML_MAP)
            label_new(n->key[i], label);
        label_new(n->val[i], label);
    }
}

static struct yaml_node *parse_value(struct config_reader *r, const char *text, const char *label)
{
    struct diags d = {.arena = r->a};
    struct yaml_node *n;

    if (!text[strspn(text, " \t")]) {
        n = yaml_new_scalar(r->a, "");
    } else {
        n = yaml_parse(text, strlen(text), label, &d);
        for (int i = 0; i < d.n; i++) { /* places inside the value say little */
            const char *end = strstr(d.item[i].text, ", while ");

            diag_add(r->d, label, 0, 0, "%.*s",
                     (int)(end ? (size_t)(end - d.item[i].text) : strlen(d.item[i].text)),
                     d.item[i].text);
        }
        if (d.n || !n)
            return NULL;
    }
    relabel(n, label);
    return n;
}

/* The names of parameters have dots in them, so a key of `space` is not a path of its own: the
 * longest name that is there already counts, else all of it is a new name. */
static bool put_in_space(struct config_reader *r, const char *key, struct yaml_node *value)
{
    struct yaml_node *space = yaml_get(r->root, "space"), *entry = NULL;
    size_t longest = 0;

    if (!space || yaml_is_null(space)) {
        space = yaml_new_map(r->a);
        yaml_put(r->a, r->root, "space", space);
    }
    if (space->kind != YAML_MAP)
        return false;
    for (int i = 0; i < space->n; i++) {
        size_t n = strlen(space->key[i]->text);

        if (n >= longest && !strncmp(space->key[i]->text, key, n) && key[n] == '.') {
            longest = n;
            entry = space->val[i];
        }
    }
    if (!entry || yaml_get(space, key)) {
        yaml_put(r->a, space, key, value);
        return true;
    }
    return yaml_put_path(r->a, entry, key + longest + 1, value);
}

/* The file's own nesting is bounded by its reader. */
static bool too_deep(const char *key)
{
    int dots = 0;

    for (; *key; key++)
        dots += *key == '.';
    return dots > CONFIG_MAX_PARTS + 1;
}

void config_apply_set(struct config_reader *r, const char *set)
{
    const char *label = arena_printf(r->a, "--set %s", config_show(r->a, set));
    const char *eq = strchr(set, '='), *key;
    struct yaml_node *value;
    bool ok;

    if (!eq || eq == set) {
        diag_add(r->d, label, 0, 0, "KEY=VALUE is needed, such as study.trials=4");
        return;
    }
    key = arena_strndup(r->a, set, (size_t)(eq - set));
    value = parse_value(r, eq + 1, label);
    if (!value)
        return;
    if (too_deep(key))
        ok = false;
    else if (!strncmp(key, "space.", 6) && key[6])
        ok = put_in_space(r, key + 6, value);
    else
        ok = yaml_put_path(r->a, r->root, key, value);
    label_new(r->root, label);
    config_normalise(r->c->sections, r->root, r->a);
    if (!ok)
        diag_add(r->d, label, 0, 0, "unknown key '%s': what it goes through has no keys",
                 config_show(r->a, key));
}
