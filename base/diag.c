#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void diag_add(struct diags *d, const char *file, int line, int column, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    if (d->n == DIAG_MAX) {
        d->dropped++;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    d->item[d->n++] = (struct diag){file, line, column, arena_strdup(d->arena, text)};
}

static int by_place(const void *a, const void *b)
{
    const struct diag *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return strcmp(x->text, y->text); /* qsort keeps no order of its own */
}

void diag_print(struct diags *d, struct str *ret)
{
    qsort(d->item, (size_t)d->n, sizeof(d->item[0]), by_place);
    for (int i = 0; i < d->n; i++) {
        const struct diag *x = &d->item[i];

        if (x->line > 0)
            str_addf(ret, "%s:%d:%d: %s\n", x->file, x->line, x->column, x->text);
        else
            str_addf(ret, "%s: %s\n", x->file, x->text);
    }
    if (d->dropped)
        str_addf(ret, "... and %d more\n", d->dropped);
}
