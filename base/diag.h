/* base/diag.h - all the mistakes of a file at once, each with its place. */
#ifndef HPO_BASE_DIAG_H
#define HPO_BASE_DIAG_H

#include "base/arena.h"
#include "base/str.h"

struct diag {
    const char *file;
    int line, column; /* from 1; 0: the place is not in a file (a --set on the command line) */
    const char *text; /* "what is wrong, what is allowed" */
};

/* At most DIAG_MAX are kept; the rest are counted. */
#define DIAG_MAX 64
struct diags {
    struct arena *arena; /* where the texts live; set by the owner */
    struct diag item[DIAG_MAX];
    int n, dropped;
};

void diag_add(struct diags *d, const char *file, int line, int column, const char *fmt, ...)
    HPO_PRINTF(5, 6);
/* Sort by place and print as "file:line:column: text\n" lines. */
void diag_print(struct diags *d, struct str *ret);

#endif
