/* The images whose label is probably wrong, the worst first. */
#include <stdio.h>

#include "hpo/report/table.h"
#include "hpo/report/text.h"

#define SHOWN 50

static void add_head(const struct report *r, struct str *ret)
{
    const struct report_labels *l = r->labels;

    str_addf(ret,
             "%s: %lld of %lld images have out-of-fold predictions, of %d trial%s; the labels of "
             "%lld (%.1f %%) are doubted\n",
             r->study->name, (long long)l->covered, (long long)l->images, l->trials,
             l->trials == 1 ? "" : "s", (long long)l->n,
             l->covered ? 100.0 * (double)l->n / (double)l->covered : 0.0);
    if (l->without)
        str_addf(ret, "%d more complete trial%s no predictions of these images.\n", l->without,
                 l->without == 1 ? " has" : "s have");
}

void text_labels(const struct report *r, struct arena *a, struct str *ret)
{
    const struct report_labels *l = r->labels;
    int64_t most = r->top ? r->top : SHOWN, n = l->n < most ? l->n : most;
    struct table t;

    add_head(r, ret);
    if (!n)
        return;
    table_init(&t, a, 7);
    table_column(&t, 0, "path", TABLE_CUT);
    table_column(&t, 1, "label", 0);
    table_column(&t, 2, "suggested", 0);
    table_column(&t, 3, "p(label)", TABLE_RIGHT | TABLE_DROP);
    table_column(&t, 4, "p(suggested)", TABLE_RIGHT | TABLE_DROP);
    table_column(&t, 5, "score", TABLE_RIGHT);
    table_column(&t, 6, "doubt", TABLE_RIGHT);
    for (int64_t i = 0; i < n; i++) {
        const struct report_label *f = &l->flagged[i];
        const double numbers[] = {(double)f->p_given, (double)f->p_suggested, (double)f->score};
        int row = table_row(&t, NULL);
        char buf[TEXT_CELL];

        table_cell(&t, row, 0, l->paths[f->image]);
        table_cell(&t, row, 1, l->names[f->given]);
        table_cell(&t, row, 2, l->names[f->suggested]);
        for (int k = 0; k < 3; k++) {
            snprintf(buf, sizeof(buf), "%.4f", numbers[k]);
            table_cell(&t, row, 3 + k, buf);
        }
        snprintf(buf, sizeof(buf), "%d of %d", f->doubt, f->trials);
        table_cell(&t, row, 6, buf);
    }
    str_addc(ret, '\n');
    text_dropped(table_print(&t, r->width, ret), "column", ret);
    if (n < l->n)
        str_addf(ret, "\n%lld more %s doubted: --top N lists more of them, --json and --csv all\n",
                 (long long)(l->n - n), l->n - n == 1 ? "is" : "are");
}
