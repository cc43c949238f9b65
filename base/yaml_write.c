#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/yaml.h"

#define WIDTH 100
#define INDENT 2
/* libyaml looks this far ahead, in characters, for the ':' of a key without a '?'. */
#define KEY_MAX 1000

bool yaml_looks_special(const char *text)
{
    static const char *const words[] = {"",     "~",     "null",  "true", "false", "yes",
                                        "no",   "on",    "off",   "y",    "n",     ".nan",
                                        ".inf", "-.inf", "+.inf", "<<",   "="};

    for (size_t i = 0; i < HPO_LEN(words); i++)
        if (!strcasecmp(text, words[i]))
            return true;
    /* Whatever begins like a number: 0x1F, 1_000, 12:30:45 and dates are numbers to some. */
    if (*text == '-' || *text == '+' || *text == '.')
        text++;
    return isdigit((unsigned char)*text);
}

/* Bytes of the character at p that may be written as they are; 0: it must be escaped. */
static int plain_bytes(const unsigned char *p)
{
    int n = *p < 0x80 ? 1 : (*p & 0xE0) == 0xC0 ? 2 : (*p & 0xF0) == 0xE0 ? 3 : 4;
    uint32_t c;

    if (n == 1)
        return *p >= 0x20 && *p < 0x7F;
    c = *p & (0xFFu >> (n + 1));
    if ((*p & 0xC0) == 0x80 || *p >= 0xF8)
        return 0;
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    if (c < 0xA0 || c == 0x2028 || c == 0x2029 || c == 0xFEFF || (c >= 0xD800 && c < 0xE000) ||
        (c & 0xFFFE) == 0xFFFE || c > 0x10FFFF)
        return 0;
    return n;
}

static bool printable(const char *text)
{
    for (const char *p = text; *p;) {
        int n = plain_bytes((const unsigned char *)p);

        if (!n)
            return false;
        p += n;
    }
    return true;
}

/* Means itself without quotes, in a block and in a flow collection alike. */
static bool plain_is_safe(const char *text)
{
    size_t n = strlen(text);

    if (!n || !printable(text) || strchr("?:,[]{}#&*!|>'\"%@` ", *text) || text[n - 1] == ' ' ||
        text[n - 1] == ':')
        return false;
    if (*text == '-' && !isalnum((unsigned char)text[1]) && text[1] != '.')
        return false;
    if (!strncmp(text, "---", 3) || !strncmp(text, "...", 3))
        return false;
    for (const char *p = text; *p; p++) {
        if (strchr(",[]{}", *p))
            return false;
        if (*p == ':' && (p[1] == ' ' || p[1] == '?'))
            return false;
        if (*p == '#' && p[-1] == ' ')
            return false;
    }
    return true;
}

/* "..." with escapes. A byte that is not UTF-8 becomes the character of that number. */
static void put_escaped(struct str *s, const char *text)
{
    str_addc(s, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        int n = plain_bytes(p);
        const unsigned char *u = p;

        if (n && *p != '"' && *p != '\\') {
            str_addn(s, (const char *)p, (size_t)n);
            p += n;
            continue;
        }
        p++;
        if (*u == '"' || *u == '\\')
            str_addf(s, "\\%c", *u);
        else if (*u == '\n')
            str_add(s, "\\n");
        else if (*u == '\t')
            str_add(s, "\\t");
        else if (*u == 0xC2 && (u[1] & 0xC0) == 0x80) /* U+0080 to U+009F */
            str_addf(s, "\\x%02X", *p++);
        else if (*u == 0xE2 && u[1] == 0x80 && (u[2] == 0xA8 || u[2] == 0xA9)) {
            str_add(s, u[2] == 0xA8 ? "\\L" : "\\P");
            p += 2;
        } else if (*u == 0xEF && u[1] == 0xBB && u[2] == 0xBF) {
            str_add(s, "\\uFEFF");
            p += 2;
        } else {
            str_addf(s, "\\x%02X", *u);
        }
    }
    str_addc(s, '"');
}

static void put_scalar(struct str *s, const struct yaml_node *n)
{
    if (!n->quoted && (!*n->text || plain_is_safe(n->text))) {
        str_add(s, n->text);
    } else if (!printable(n->text) || !strpbrk(n->text, "\"\\")) {
        put_escaped(s, n->text);
    } else {
        str_addc(s, '\'');
        for (const char *p = n->text; *p; p++) {
            str_addc(s, *p);
            if (*p == '\'')
                str_addc(s, '\'');
        }
        str_addc(s, '\'');
    }
}

static bool empty_plain(const struct yaml_node *n)
{
    return n->kind == YAML_SCALAR && !n->quoted && !*n->text;
}

/* On one line, when it holds only scalars and fits into `room` columns. A value that is empty and
 * unquoted needs a line of its own. */
static bool put_flow(struct str *s, const struct yaml_node *n, int room)
{
    struct str line = {0};
    bool ok = true;

    str_addc(&line, n->kind == YAML_MAP ? '{' : '[');
    for (int i = 0; ok && i < n->n; i++) {
        if (i)
            str_add(&line, ", ");
        ok = n->val[i]->kind == YAML_SCALAR && !empty_plain(n->val[i]);
        if (n->kind == YAML_MAP) {
            ok = ok && !empty_plain(n->key[i]);
            put_scalar(&line, n->key[i]);
            str_add(&line, ": ");
        }
        if (ok)
            put_scalar(&line, n->val[i]);
        ok = ok && (int)line.n < room;
    }
    str_addc(&line, n->kind == YAML_MAP ? '}' : ']');
    ok = ok && (int)line.n <= room;
    if (ok)
        str_addn(s, line.s, line.n);
    str_release(&line);
    return ok;
}

static void put_indent(struct str *s, int indent)
{
    for (int i = 0; i < indent; i++)
        str_addc(s, ' ');
}

static int column_of(const struct str *s)
{
    size_t n = s->n;

    while (n > 0 && s->s[n - 1] != '\n')
        n--;
    return (int)(s->n - n);
}

static void put_block(struct str *s, const struct yaml_node *n, int indent);

/* What follows "key:" or "-". after_dash: a block collection begins on the dash's line. */
static void put_value(struct str *s, const struct yaml_node *n, int indent, bool after_dash)
{
    if (empty_plain(n)) {
        str_addc(s, '\n');
        return;
    }
    if (n->kind == YAML_SCALAR) {
        str_addc(s, ' ');
        put_scalar(s, n);
        str_addc(s, '\n');
        return;
    }
    str_addc(s, ' ');
    if (!n->n || put_flow(s, n, WIDTH - column_of(s))) {
        if (!n->n)
            str_add(s, n->kind == YAML_MAP ? "{}" : "[]");
        str_addc(s, '\n');
        return;
    }
    s->s[--s->n] = 0;
    if (after_dash) {
        str_addc(s, ' ');
        put_block(s, n, indent);
    } else {
        str_addc(s, '\n');
        put_indent(s, indent);
        put_block(s, n, indent);
    }
}

/* The cursor already stands in column `indent`. */
static void put_block(struct str *s, const struct yaml_node *n, int indent)
{
    for (int i = 0; i < n->n; i++) {
        if (i)
            put_indent(s, indent);
        if (n->kind == YAML_SEQ) {
            str_addc(s, '-');
            put_value(s, n->val[i], indent + INDENT, true);
            continue;
        }
        if (empty_plain(n->key[i]) || strlen(n->key[i]->text) > KEY_MAX / 4) {
            str_add(s, "? ");
            put_scalar(s, n->key[i]);
            str_addc(s, '\n');
            put_indent(s, indent);
        } else {
            put_scalar(s, n->key[i]);
        }
        str_addc(s, ':');
        put_value(s, n->val[i], indent + INDENT, false);
    }
}

void yaml_write(const struct yaml_node *n, struct str *ret)
{
    if (n->kind == YAML_SCALAR) {
        put_scalar(ret, n);
        str_addc(ret, '\n');
    } else if (!n->n) {
        str_add(ret, n->kind == YAML_MAP ? "{}\n" : "[]\n");
    } else {
        put_block(ret, n, 0);
    }
}
