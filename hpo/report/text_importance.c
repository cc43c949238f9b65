/* For people: which parameters matter, with bars. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hpo/report/importance.h"
#include "hpo/report/table.h"
#include "hpo/report/text.h"

#define BAR_MIN 10
#define BAR_MAX 50
#define BAR_FILE 40 /* where there is no terminal */
#define SHARE 10    /* the column's width: its title */

enum { COL_NAME, COL_SHARE, COL_BAR };

static int bar_width(const struct report *r, const struct importance *im)
{
    const struct hpo_space *space = r->history->space;
    int name = 0, room;

    if (!r->width)
        return BAR_FILE;
    for (int i = 0; i < im->n_known; i++) {
        int n = table_text_width(space->params[im->order[i]].name);

        name = n > name ? n : name;
    }
    room = r->width - (name + 2 + 2 + SHARE + 2);
    return room < BAR_MIN ? BAR_MIN : room > BAR_MAX ? BAR_MAX : room;
}

static void add_rows(const struct report *r, const struct importance *im, struct table *t)
{
    int width = bar_width(r, im);

    for (int i = 0; i < im->n_known; i++) {
        int p = im->order[i], row = table_row(t, NULL);
        int bar = (int)lround(im->share[p] / im->share[im->order[0]] * width);
        char text[BAR_MAX + 1];

        snprintf(text, sizeof(text), "%.3f", im->share[p]);
        table_cell(t, row, COL_SHARE, text);
        table_cell(t, row, COL_NAME, arena_printf(t->a, "  %s", r->history->space->params[p].name));
        memset(text, '#', (size_t)bar);
        text[bar] = '\0';
        table_cell(t, row, COL_BAR, text);
    }
}

static void too_few(const struct report *r, const struct importance *im, struct str *ret)
{
    if (!r->history->space || !r->history->space->n)
        str_addf(ret, "%s has no parameters.\n", r->study->name);
    else
        str_addf(ret,
                 "%s: importance needs at least %d complete trials with a finite value, and there "
                 "%s %d.\n",
                 r->study->name, IMPORTANCE_MIN, im->n == 1 ? "is" : "are", im->n);
}

void text_importance(const struct report *r, struct arena *a, struct str *ret)
{
    struct importance im;
    struct table t;

    if (!importance_of(r->history, a, &im)) {
        too_few(r, &im, ret);
        return;
    }
    str_addf(ret, "%s: what good trials depend on\n(the best %d of %d%s, by PED-ANOVA)\n\n",
             r->study->name, im.n_top, im.n, r->n_rungs ? " on rung 0" : "");
    table_init(&t, a, 3);
    table_column(&t, COL_NAME, "  parameter", TABLE_CUT);
    table_column(&t, COL_SHARE, "importance", TABLE_RIGHT);
    table_column(&t, COL_BAR, "", 0);
    add_rows(r, &im, &t);
    table_print(&t, r->width, ret);
    if (im.equal)
        str_add(ret, "\nNothing tells the parameters apart: each has the same share.\n");
    else if (im.n_top < IMPORTANCE_TOP)
        str_addf(ret, "\nWith fewer than %d trials among the best tenth this says little.\n",
                 IMPORTANCE_TOP);
}
