/* hpo/report/table.h - aligned columns, narrowed to a terminal's width. */
#ifndef HPO_REPORT_TABLE_H
#define HPO_REPORT_TABLE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

enum table_flags {
    TABLE_RIGHT = 1, /* numbers */
    TABLE_DROP = 2,  /* may be left out, the last one first, when the terminal is too narrow */
    TABLE_CUT = 4,   /* may be shortened */
};

struct table_column {
    const char *title;
    unsigned flags;
    int width; /* the table's own: of the widest cell, in characters */
    int cut;   /* how much was taken from it */
};

/* n_columns and a are set by the owner; everything lives in a. */
struct table {
    struct arena *a;
    int n_columns, n_rows, cap;
    struct table_column *columns;
    const char **cells;  /* row by row */
    const char **colors; /* of a row: an escape sequence, or NULL */
};

void table_init(struct table *t, struct arena *a, int n_columns);
void table_column(struct table *t, int column, const char *title, unsigned flags);
/* A new row of empty cells; returns its index. */
int table_row(struct table *t, const char *color);
/* text is copied; control characters become spaces. */
void table_cell(struct table *t, int row, int column, const char *text);
/* width 0: as wide as it gets. Returns the number of columns left out. */
int table_print(struct table *t, int width, struct str *ret);

/* Characters of a UTF-8 text. */
int table_text_width(const char *text);

#endif
