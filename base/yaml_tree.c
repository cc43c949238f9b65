#include "base/yaml.h"

#include <string.h>

/* Arrays have room for the smallest power of two that is not below n. */
static size_t room_for(int n)
{
    size_t room = 1;

    while (room < (size_t)n)
        room *= 2;
    return room;
}

static struct yaml_node **grown(struct arena *a, struct yaml_node **old, int n)
{
    struct yaml_node **ret;

    if (n & (n - 1))
        return old;
    ret = ARENA_ARRAY(a, struct yaml_node *, room_for(n + 1));
    if (n)
        memcpy(ret, old, sizeof(*ret) * (size_t)n);
    return ret;
}

void yaml_append_pair(struct arena *a, struct yaml_node *map, struct yaml_node *key,
                      struct yaml_node *val)
{
    map->key = grown(a, map->key, map->n);
    map->val = grown(a, map->val, map->n);
    map->key[map->n] = key;
    map->val[map->n++] = val;
}

void yaml_append(struct arena *a, struct yaml_node *seq, struct yaml_node *item)
{
    seq->val = grown(a, seq->val, seq->n);
    seq->val[seq->n++] = item;
}

static struct yaml_node *new_node(struct arena *a, enum yaml_kind kind, const char *text)
{
    struct yaml_node *n = ARENA_NEW(a, struct yaml_node);

    n->kind = kind;
    n->text = arena_strdup(a, text);
    return n;
}

struct yaml_node *yaml_new_map(struct arena *a)
{
    return new_node(a, YAML_MAP, "");
}

struct yaml_node *yaml_new_seq(struct arena *a)
{
    return new_node(a, YAML_SEQ, "");
}

struct yaml_node *yaml_new_scalar(struct arena *a, const char *text)
{
    return new_node(a, YAML_SCALAR, text);
}

struct yaml_node *yaml_clone(struct arena *a, const struct yaml_node *n)
{
    struct yaml_node *ret = ARENA_NEW(a, struct yaml_node);

    *ret = *n;
    ret->text = arena_strdup(a, n->text);
    ret->key = ret->val = NULL;
    if (n->kind == YAML_SCALAR || !n->n)
        return ret;
    ret->val = ARENA_ARRAY(a, struct yaml_node *, room_for(n->n));
    if (n->kind == YAML_MAP)
        ret->key = ARENA_ARRAY(a, struct yaml_node *, room_for(n->n));
    for (int i = 0; i < n->n; i++) {
        ret->val[i] = yaml_clone(a, n->val[i]);
        if (n->kind == YAML_MAP)
            ret->key[i] = yaml_clone(a, n->key[i]);
    }
    return ret;
}

struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (int i = 0; i < map->n; i++)
        if (!strcmp(map->key[i]->text, key))
            return map->val[i];
    return NULL;
}

/* The part of path before its first '.', in a; *path moves behind it (NULL: that was the last). */
static const char *step_of(struct arena *a, const char **path)
{
    const char *from = *path, *dot = strchr(from, '.');

    *path = dot ? dot + 1 : NULL;
    return dot ? arena_strndup(a, from, (size_t)(dot - from)) : from;
}

struct yaml_node *yaml_get_path(const struct yaml_node *map, const char *path)
{
    struct arena a = {0};
    struct yaml_node *n = (struct yaml_node *)map;

    while (path && n)
        n = yaml_get(n, step_of(&a, &path));
    arena_release(&a);
    return n;
}

void yaml_put(struct arena *a, struct yaml_node *map, const char *key, struct yaml_node *val)
{
    for (int i = 0; i < map->n; i++) {
        if (!strcmp(map->key[i]->text, key)) {
            map->val[i] = val;
            return;
        }
    }
    yaml_append_pair(a, map, yaml_new_scalar(a, key), val);
}

bool yaml_put_path(struct arena *a, struct yaml_node *map, const char *path, struct yaml_node *val)
{
    while (map->kind == YAML_MAP) {
        const char *key = step_of(a, &path);
        struct yaml_node *child;

        if (!path) {
            yaml_put(a, map, key, val);
            return true;
        }
        child = yaml_get(map, key);
        if (!child || yaml_is_null(child)) {
            child = yaml_new_map(a);
            yaml_put(a, map, key, child);
        }
        map = child;
    }
    return false;
}

bool yaml_is_null(const struct yaml_node *n)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    if (n->kind != YAML_SCALAR || n->quoted)
        return false;
    for (size_t i = 0; i < HPO_LEN(words); i++)
        if (!strcmp(n->text, words[i]))
            return true;
    return false;
}
