/* base/yaml.h - YAML text in, a tree with positions out; and back to text.
 *
 * Over libyaml's event interface. Bounded against hostile files: at most 1 MiB of text, nesting
 * depth 32, 100,000 nodes, 64 KiB a scalar; aliases of collections are refused, aliases of scalars
 * are copied; one document; duplicate keys, tags and non-scalar keys are mistakes. Every mistake
 * becomes a diag with its place; what could be read is returned all the same. */
#ifndef HPO_BASE_YAML_H
#define HPO_BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"

enum yaml_kind { YAML_SCALAR, YAML_SEQ, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    const char *file;
    int line, column; /* of its first character, from 1; 0: not from a file */
    const char *text; /* SCALAR: the value, never NULL */
    bool quoted;      /* SCALAR: '...' or "...": a string even if it looks like a number */
    bool cut;         /* the root: reading stopped before the end, so things may be missing */
    int n;            /* SEQ: items; MAP: pairs */
    struct yaml_node **key; /* MAP: n scalars */
    struct yaml_node **val; /* SEQ and MAP: n nodes */
};

#define YAML_MAX_BYTES ((size_t)1 << 20)

/* text need not be NUL-terminated. NULL when nothing could be read (the diags say why); an empty
 * document is an empty map. Nodes and strings live in d->arena. */
struct yaml_node *yaml_parse(const char *text, size_t n, const char *file, struct diags *d);

struct yaml_node *yaml_new_map(struct arena *a);
struct yaml_node *yaml_new_seq(struct arena *a);
struct yaml_node *yaml_new_scalar(struct arena *a, const char *text); /* plain */
struct yaml_node *yaml_clone(struct arena *a, const struct yaml_node *n);
void yaml_append(struct arena *a, struct yaml_node *seq, struct yaml_node *item);
/* The caller knows that the key is not there yet. */
void yaml_append_pair(struct arena *a, struct yaml_node *map, struct yaml_node *key,
                      struct yaml_node *val);

struct yaml_node *yaml_get(const struct yaml_node *map, const char *key); /* NULL: not there */
/* Follow "a.b.c" through maps. */
struct yaml_node *yaml_get_path(const struct yaml_node *map, const char *path);
void yaml_put(struct arena *a, struct yaml_node *map, const char *key, struct yaml_node *val);
/* Put at "a.b.c", making maps on the way; false when the way is blocked by a scalar. */
bool yaml_put_path(struct arena *a, struct yaml_node *map, const char *path, struct yaml_node *val);

/* The plain words of YAML 1.2's core schema. A quoted scalar is none of them. */
bool yaml_is_null(const struct yaml_node *n); /* null, ~, or empty plain */

/* Would the text, unquoted, be read as a null, a boolean or a number by a reader of the core schema
 * (or by one of YAML 1.1, which knows "yes" and "on" as well)? */
bool yaml_looks_special(const char *text);

/* As text that yaml_parse reads back as the same tree: block style for maps, flow style for maps
 * and sequences that hold only scalars and fit on a line. Scalars that must be quoted are. */
void yaml_write(const struct yaml_node *n, struct str *ret);

#endif
