#include "base/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define MAX_DEPTH 32
#define MAX_NODES 100000
#define MAX_SCALAR ((size_t)64 << 10)
#define MAX_ANCHORS 256
/* libyaml compares every %TAG line with all earlier ones. */
#define MAX_DIRECTIVES 64

struct anchor {
    const char *name;
    const struct yaml_node *scalar; /* NULL: of a collection, which was reported already */
};

struct reader {
    yaml_parser_t parser;
    const char *text, *file;
    size_t n;
    struct diags *d;
    struct arena *a;
    int nodes, n_anchors;
    bool stop; /* nothing after this can be read */
    struct anchor anchor[MAX_ANCHORS];
};

static struct yaml_node *read_node(struct reader *r, yaml_event_t *e, int depth);

/* Marks count from 0. */
HPO_PRINTF(3, 4)
static void add(struct reader *r, yaml_mark_t at, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    diag_add(r->d, r->file, (int)at.line + 1, (int)at.column + 1, "%s", text);
}

static void stop_at(struct reader *r, yaml_mark_t at, const char *why)
{
    add(r, at, "%s", why);
    r->stop = true;
}

/* Line and column of a byte; a column is a code point. */
static void place_of(const struct reader *r, size_t offset, int *ret_line, int *ret_column)
{
    int line = 1, column = 1;

    for (size_t i = 0; i < offset && i < r->n; i++) {
        if (r->text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)r->text[i] & 0xC0) != 0x80) {
            column++;
        }
    }
    *ret_line = line;
    *ret_column = column;
}

/* Is the character at the mark a tab? */
static bool tab_at(const struct reader *r, yaml_mark_t at)
{
    const char *p = r->text, *end = p + r->n;

    for (size_t line = 0; line < at.line; line++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (!p)
            return false;
        p++;
    }
    for (size_t column = 0; p < end && *p != '\n'; p++) {
        if (((unsigned char)*p & 0xC0) == 0x80)
            continue;
        if (column++ == at.column)
            return *p == '\t';
    }
    return false;
}

static void report_syntax(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "unreadable";
    int line, column;

    r->stop = true;
    if (p->error == YAML_MEMORY_ERROR) {
        add(r, p->mark, "out of memory");
    } else if (p->error == YAML_READER_ERROR) {
        place_of(r, p->problem_offset, &line, &column);
        diag_add(r->d, r->file, line, column, "this is not UTF-8 text: %s", problem);
    } else if (tab_at(r, p->problem_mark)) {
        add(r, p->problem_mark, "a tab stands here: YAML is indented with spaces");
    } else if (p->context) {
        add(r, p->problem_mark, "this is not YAML: %s, %s that starts at %d:%d", problem,
            p->context, (int)p->context_mark.line + 1, (int)p->context_mark.column + 1);
    } else {
        add(r, p->problem_mark, "this is not YAML: %s", problem);
    }
}

/* false: there is no further event. */
static bool next_event(struct reader *r, yaml_event_t *ret)
{
    if (r->stop)
        return false;
    if (!yaml_parser_parse(&r->parser, ret)) {
        report_syntax(r);
        return false;
    }
    return true;
}

static struct yaml_node *make_node(struct reader *r, enum yaml_kind kind, yaml_mark_t at)
{
    struct yaml_node *n;

    if (++r->nodes > MAX_NODES) {
        stop_at(r, at, "the file has too much in it: 100000 values are allowed");
        return NULL;
    }
    n = ARENA_NEW(r->a, struct yaml_node);
    n->kind = kind;
    n->file = r->file;
    n->line = (int)at.line + 1;
    n->column = (int)at.column + 1;
    n->text = "";
    return n;
}

static void note_tag(struct reader *r, const yaml_char_t *tag, yaml_mark_t at)
{
    if (tag)
        add(r, at, "a tag ('%.40s') stands here: tags are not allowed", (const char *)tag);
}

static void note_anchor(struct reader *r, const yaml_char_t *name, const struct yaml_node *scalar,
                        yaml_mark_t at)
{
    if (!name)
        return;
    if (!scalar)
        add(r, at,
            "an anchor ('&%.40s') stands on a mapping or list: only single values may be "
            "repeated",
            (const char *)name);
    if (r->n_anchors == MAX_ANCHORS) {
        stop_at(r, at, "too many anchors: 256 are allowed");
        return;
    }
    r->anchor[r->n_anchors++] = (struct anchor){arena_strdup(r->a, (const char *)name), scalar};
}

static struct yaml_node *read_scalar(struct reader *r, const yaml_event_t *e)
{
    struct yaml_node *n = make_node(r, YAML_SCALAR, e->start_mark);
    const char *value = (const char *)e->data.scalar.value;
    size_t length = e->data.scalar.length;

    if (!n)
        return NULL;
    if (length > MAX_SCALAR)
        add(r, e->start_mark, "this text is too long: 65536 bytes are allowed");
    else if (memchr(value, 0, length))
        add(r, e->start_mark, "this text has a zero byte in it");
    else
        n->text = arena_strndup(r->a, value, length);
    n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    note_tag(r, e->data.scalar.tag, e->start_mark);
    note_anchor(r, e->data.scalar.anchor, n, e->start_mark);
    return n;
}

/* The text is shared, not copied: a thousand aliases of a long text cost a thousand nodes. */
static struct yaml_node *read_alias(struct reader *r, const yaml_event_t *e)
{
    struct yaml_node *n = make_node(r, YAML_SCALAR, e->start_mark);
    const char *name = (const char *)e->data.alias.anchor;

    if (!n)
        return NULL;
    for (int i = r->n_anchors - 1; i >= 0; i--) {
        if (strcmp(r->anchor[i].name, name))
            continue;
        if (r->anchor[i].scalar) {
            n->text = r->anchor[i].scalar->text;
            n->quoted = r->anchor[i].scalar->quoted;
        } else {
            add(r, e->start_mark,
                "'*%.40s' repeats a mapping or list: only single values may be "
                "repeated",
                name);
        }
        return n;
    }
    add(r, e->start_mark, "'*%.40s' repeats nothing: no '&%.40s' comes before it", name, name);
    return n;
}

static bool too_deep(struct reader *r, int depth, yaml_mark_t at)
{
    if (depth < MAX_DEPTH)
        return false;
    stop_at(r, at, "nested too deep: 32 levels are allowed");
    return true;
}

static struct yaml_node *read_seq(struct reader *r, const yaml_event_t *start, int depth)
{
    struct yaml_node *seq = make_node(r, YAML_SEQ, start->start_mark);
    yaml_event_t e;

    if (!seq || too_deep(r, depth, start->start_mark))
        return NULL;
    note_tag(r, start->data.sequence_start.tag, start->start_mark);
    note_anchor(r, start->data.sequence_start.anchor, NULL, start->start_mark);
    while (next_event(r, &e)) {
        bool end = e.type == YAML_SEQUENCE_END_EVENT;

        if (!end) {
            struct yaml_node *item = read_node(r, &e, depth + 1);

            if (item)
                yaml_append(r->a, seq, item);
        }
        yaml_event_delete(&e);
        if (end)
            break;
    }
    return seq;
}

struct key_ref {
    const char *text;
    int index;
};

static int by_text(const void *a, const void *b)
{
    const struct key_ref *x = a, *y = b;
    int c = strcmp(x->text, y->text);

    return c ? c : (x->index > y->index) - (x->index < y->index);
}

/* Report keys that were there before and take them out: the first one counts. Sorted, because a
 * hostile map has 50,000 keys. */
static void drop_duplicates(struct reader *r, struct yaml_node *map)
{
    struct key_ref *ref;
    int n = 0;

    if (map->n < 2)
        return;
    ref = xmalloc(sizeof(*ref) * (size_t)map->n);
    for (int i = 0; i < map->n; i++)
        ref[i] = (struct key_ref){map->key[i]->text, i};
    qsort(ref, (size_t)map->n, sizeof(*ref), by_text);
    for (int i = 1, first = 0; i < map->n; i++) {
        struct yaml_node *key = map->key[ref[i].index];

        if (strcmp(ref[i].text, ref[first].text)) {
            first = i;
            continue;
        }
        diag_add(r->d, r->file, key->line, key->column,
                 "'%.60s' stands here a second time: the first is in line %d", key->text,
                 map->key[ref[first].index]->line);
        map->val[ref[i].index] = NULL;
    }
    for (int i = 0; i < map->n; i++) {
        if (map->val[i]) {
            map->key[n] = map->key[i];
            map->val[n++] = map->val[i];
        }
    }
    map->n = n;
    free(ref);
}

static struct yaml_node *read_map(struct reader *r, const yaml_event_t *start, int depth)
{
    struct yaml_node *map = make_node(r, YAML_MAP, start->start_mark), *key = NULL, *node;
    bool has_key = false;
    yaml_event_t e;

    if (!map || too_deep(r, depth, start->start_mark))
        return NULL;
    note_tag(r, start->data.mapping_start.tag, start->start_mark);
    note_anchor(r, start->data.mapping_start.anchor, NULL, start->start_mark);
    while (next_event(r, &e)) {
        bool end = e.type == YAML_MAPPING_END_EVENT;

        if (!end) {
            yaml_mark_t at = e.start_mark;

            node = read_node(r, &e, depth + 1);
            if (!has_key) {
                key = node && node->kind == YAML_SCALAR ? node : NULL;
                if (node && !key)
                    add(r, at, "a key must be a single word");
            } else if (key && node) {
                yaml_append_pair(r->a, map, key, node);
            }
            has_key = !has_key;
        }
        yaml_event_delete(&e);
        if (end)
            break;
    }
    drop_duplicates(r, map);
    return map;
}

static struct yaml_node *read_node(struct reader *r, yaml_event_t *e, int depth)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, e);
    case YAML_ALIAS_EVENT:
        return read_alias(r, e);
    case YAML_SEQUENCE_START_EVENT:
        return read_seq(r, e, depth);
    case YAML_MAPPING_START_EVENT:
        return read_map(r, e, depth);
    default:
        stop_at(r, e->start_mark, "this is not YAML: a value is missing");
        return NULL;
    }
}

static struct yaml_node *read_stream(struct reader *r)
{
    struct yaml_node *root = NULL;
    yaml_event_t e;
    int documents = 0;

    while (next_event(r, &e)) {
        bool end = e.type == YAML_STREAM_END_EVENT;

        if (e.type == YAML_DOCUMENT_START_EVENT) {
            if (e.data.document_start.tag_directives.start !=
                e.data.document_start.tag_directives.end)
                add(r, e.start_mark, "%%TAG lines are not allowed");
            if (++documents > 1)
                stop_at(r, e.start_mark, "a second document begins here: one is allowed");
        } else if (!end && e.type != YAML_STREAM_START_EVENT && e.type != YAML_DOCUMENT_END_EVENT) {
            root = read_node(r, &e, 0);
        }
        yaml_event_delete(&e);
        if (end)
            break;
    }
    if (!root && !r->stop)
        root = yaml_new_map(r->a);
    else if (root && root->kind == YAML_SCALAR && !root->quoted && !*root->text)
        root->kind = YAML_MAP;
    if (root && !root->line) {
        root->file = r->file;
        root->line = root->column = 1;
    }
    if (root)
        root->cut = r->stop;
    return root;
}

static bool too_many_directives(const char *text, size_t n)
{
    int count = n > 0 && text[0] == '%';

    for (size_t i = 1; i < n; i++)
        count += text[i] == '%' && (text[i - 1] == '\n' || text[i - 1] == '\r');
    return count > MAX_DIRECTIVES;
}

struct yaml_node *yaml_parse(const char *text, size_t n, const char *file, struct diags *d)
{
    struct yaml_node *root = NULL;
    struct reader *r;

    if (n > YAML_MAX_BYTES) {
        diag_add(d, file, 1, 1, "the file is too large: 1 MiB is allowed");
        return NULL;
    }
    if (too_many_directives(text, n)) {
        diag_add(d, file, 1, 1, "too many lines begin with '%%'");
        return NULL;
    }
    if (n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) { /* the byte order mark of some editors */
        text += 3;
        n -= 3;
    }
    r = xcalloc(1, sizeof(*r));
    r->text = text;
    r->n = n;
    r->file = file;
    r->d = d;
    r->a = d->arena;
    if (yaml_parser_initialize(&r->parser)) {
        yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, n);
        root = read_stream(r);
        yaml_parser_delete(&r->parser);
    } else {
        diag_add(d, file, 1, 1, "out of memory");
    }
    free(r);
    return root;
}
