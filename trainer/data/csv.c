#include "trainer/data/csv.h"

#include <string.h>

struct writer {
    char *to;
};

static enum csv_found wrong(struct csv *c, const char *what)
{
    const char *eol = c->p < c->end ? memchr(c->p, '\n', (size_t)(c->end - c->p)) : NULL;

    c->wrong = what;
    c->p = eol ? eol + 1 : c->end;
    c->line += eol != NULL;
    return CSV_WRONG;
}

/* NULL, or what is wrong. The writer cannot overrun: it never writes more than was read. */
static const char *quoted(struct csv *c, struct writer *w, const char *last)
{
    for (c->p++; c->p < last; c->p++) {
        if (*c->p == '"') {
            if (c->p + 1 >= last || c->p[1] != '"') {
                c->p++;
                return NULL;
            }
            c->p++;
        } else if (*c->p == '\n') {
            c->line++;
        } else if (*c->p == 0) {
            return "a NUL byte";
        }
        *w->to++ = *c->p;
    }
    return last == c->end ? "a quote is not closed" : "the line is longer than 64 KiB";
}

static const char *plain(struct csv *c, struct writer *w, const char *last)
{
    for (; c->p < last && *c->p != ',' && *c->p != '\n'; c->p++) {
        if (*c->p == '\r' && (c->p + 1 == c->end || c->p[1] == '\n'))
            break;
        if (*c->p == '"')
            return "a quote inside a field that does not start with one";
        if (*c->p == '\r')
            return "a carriage return without a newline";
        if (*c->p == 0)
            return "a NUL byte";
        *w->to++ = *c->p;
    }
    return NULL;
}

static void end_record(struct csv *c)
{
    if (c->p < c->end && *c->p == '\r')
        c->p++;
    if (c->p < c->end && *c->p == '\n') {
        c->p++;
        c->line++;
    }
}

static enum csv_found record(struct csv *c)
{
    size_t left = (size_t)(c->end - c->p);
    const char *last = left > c->max_record ? c->p + c->max_record : c->end;
    struct writer w = {.to = c->buf};

    c->at = c->line;
    c->n_fields = 0;
    for (;;) {
        char *start = w.to;
        const char *what = c->p < last && *c->p == '"' ? quoted(c, &w, last) : plain(c, &w, last);

        if (what)
            return wrong(c, what);
        if (c->n_fields < CSV_MAX_FIELDS) {
            c->field[c->n_fields] = start;
            c->len[c->n_fields] = (size_t)(w.to - start);
        }
        c->n_fields++;
        /* A field's NUL takes the room of the comma, or the last byte of buf. */
        *w.to++ = 0;
        if (c->p == c->end)
            return CSV_RECORD;
        if (c->p >= last)
            return wrong(c, "the line is longer than 64 KiB");
        if (*c->p == ',') {
            c->p++;
            continue;
        }
        if (*c->p == '\n' || (*c->p == '\r' && (c->p + 1 == c->end || c->p[1] == '\n'))) {
            end_record(c);
            return CSV_RECORD;
        }
        return wrong(c, "text after a closing quote");
    }
}

enum csv_found csv_next(struct csv *c)
{
    while (c->p < c->end &&
           (*c->p == '\n' || (*c->p == '\r' && c->p + 1 < c->end && c->p[1] == '\n')))
        end_record(c);
    return c->p < c->end ? record(c) : CSV_END;
}
