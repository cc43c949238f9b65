#include "hpo/report/table.h"

#include <string.h>

#define GAP 2
#define CUT_MIN 10 /* no column is cut below it */
#define ELLIPSIS "..."

int table_text_width(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void table_init(struct table *t, struct arena *a, int n_columns)
{
    *t = (struct table){.a = a, .n_columns = n_columns};
    t->columns = ARENA_ARRAY(a, struct table_column, n_columns);
}

void table_column(struct table *t, int column, const char *title, unsigned flags)
{
    t->columns[column] =
        (struct table_column){arena_strdup(t->a, title), flags, table_text_width(title), 0};
}

int table_row(struct table *t, const char *color)
{
    if (t->n_rows == t->cap) {
        int cap = t->cap ? t->cap * 2 : 64;
        const char **cells = ARENA_ARRAY(t->a, const char *, (size_t)cap *(size_t)t->n_columns);
        const char **colors = ARENA_ARRAY(t->a, const char *, cap);

        if (t->n_rows) {
            memcpy(cells, t->cells, sizeof(*cells) * (size_t)t->n_rows * (size_t)t->n_columns);
            memcpy(colors, t->colors, sizeof(*colors) * (size_t)t->n_rows);
        }
        t->cells = cells;
        t->colors = colors;
        t->cap = cap;
    }
    t->colors[t->n_rows] = color;
    for (int c = 0; c < t->n_columns; c++)
        t->cells[t->n_rows * t->n_columns + c] = "";
    return t->n_rows++;
}

void table_cell(struct table *t, int row, int column, const char *text)
{
    char *copy = arena_strdup(t->a, text);
    int width = table_text_width(text);

    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    t->cells[row * t->n_columns + column] = copy;
    if (width > t->columns[column].width)
        t->columns[column].width = width;
}

/* A column without a single cell (std of trials of one fold, say) is not shown. */
static bool empty_column(const struct table *t, int c)
{
    for (int r = 0; r < t->n_rows; r++)
        if (t->cells[r * t->n_columns + c][0])
            return false;
    return t->n_rows > 0;
}

static int total(const struct table *t, const bool *shown)
{
    int n = 0;

    for (int c = 0; c < t->n_columns; c++)
        if (shown[c])
            n += t->columns[c].width + GAP;
    return n - GAP;
}

/* Shorten what may be shortened, then leave columns out, then give back what that has freed. */
static int fit(struct table *t, int width, bool *shown)
{
    int dropped = 0;

    for (int c = t->n_columns - 1; c >= 0 && total(t, shown) > width; c--) {
        struct table_column *col = &t->columns[c];
        int spare = col->width - CUT_MIN, over = total(t, shown) - width;

        if (shown[c] && col->flags & TABLE_CUT && spare > 0) {
            col->cut = spare < over ? spare : over;
            col->width -= col->cut;
        }
    }
    for (int c = t->n_columns - 1; c >= 0 && total(t, shown) > width; c--) {
        if (!shown[c] || !(t->columns[c].flags & TABLE_DROP))
            continue;
        shown[c] = false;
        dropped++;
    }
    for (int c = 0; c < t->n_columns; c++) {
        int room = width - total(t, shown), cut = t->columns[c].cut;

        if (room > 0)
            t->columns[c].width += cut < room ? cut : room;
    }
    return dropped;
}

/* The first characters of a text that is too wide end in "...". */
static void add_cell(struct str *ret, const char *text, int width, bool right, bool last)
{
    int n = table_text_width(text), keep = width - (int)strlen(ELLIPSIS);

    for (int i = n; right && i < width; i++)
        str_addc(ret, ' ');
    if (n <= width) {
        str_add(ret, text);
    } else {
        for (; *text && (keep > 0 || ((unsigned char)*text & 0xc0) == 0x80); text++) {
            str_addc(ret, *text);
            keep -= ((unsigned char)text[1] & 0xc0) != 0x80;
        }
        str_add(ret, ELLIPSIS);
        n = width;
    }
    for (int i = n; !right && !last && i < width; i++)
        str_addc(ret, ' ');
}

static void add_line(const struct table *t, const bool *shown, const char *const *cells,
                     const char *color, struct str *ret)
{
    int last = t->n_columns - 1;
    bool first = true;

    while (last > 0 && (!shown[last] || !(cells ? cells[last] : t->columns[last].title)[0]))
        last--;
    str_add(ret, color ? color : "");
    for (int c = 0; c <= last; c++) {
        const struct table_column *col = &t->columns[c];

        if (!shown[c])
            continue;
        if (!first)
            str_add(ret, "  ");
        first = false;
        add_cell(ret, cells ? cells[c] : col->title, col->width, col->flags & TABLE_RIGHT,
                 c == last);
    }
    str_add(ret, color ? "\033[0m\n" : "\n");
}

int table_print(struct table *t, int width, struct str *ret)
{
    bool *shown = ARENA_ARRAY(t->a, bool, t->n_columns);
    int dropped = 0;

    for (int c = 0; c < t->n_columns; c++)
        shown[c] = !empty_column(t, c);
    if (width > 0)
        dropped = fit(t, width, shown);
    add_line(t, shown, NULL, NULL, ret);
    for (int r = 0; r < t->n_rows; r++)
        add_line(t, shown, t->cells + r * t->n_columns, t->colors[r], ret);
    return dropped;
}
