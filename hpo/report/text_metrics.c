/* For people: every metric of a trial, a row each. */
#include <math.h>
#include <stdio.h>

#include "hpo/report/metrics.h"
#include "hpo/report/table.h"
#include "hpo/report/text.h"

static void add_columns(struct table *t, const struct metrics *m)
{
    char title[32];

    table_column(t, 0, "  metric", 0);
    table_column(t, 1, "mean", TABLE_RIGHT);
    table_column(t, 2, "std", TABLE_RIGHT);
    for (int f = 0; f < m->n_folds; f++) {
        snprintf(title, sizeof(title), "fold %d", m->folds[f]);
        table_column(t, 3 + f, title, TABLE_RIGHT | TABLE_DROP);
    }
}

void text_metrics(const struct report *r, const struct hpo_trial *trial, struct arena *a,
                  struct str *ret)
{
    struct metrics m;
    struct table t;
    char buf[TEXT_CELL];

    metrics_of(r, trial, a, &m);
    if (!m.n)
        return;
    table_init(&t, a, 3 + m.n_folds);
    add_columns(&t, &m);
    for (int i = 0; i < m.n; i++) {
        int row = table_row(&t, NULL);
        double std = metrics_std(&m, i);

        table_cell(&t, row, 0, arena_printf(a, "  %s", m.names[i]));
        table_cell(&t, row, 1, text_number(buf, metrics_mean(&m, i)));
        if (!isnan(std))
            table_cell(&t, row, 2, text_number(buf, std));
        for (int f = 0; f < m.n_folds; f++)
            table_cell(&t, row, 3 + f, text_number(buf, m.values[i * m.n_folds + f]));
    }
    str_addf(ret, "\n%smetrics%s, at the epoch of each fold that %s\n", r->color ? TEXT_BOLD : "",
             r->color ? TEXT_RESET : "", m.all_count ? "counts" : "is its last");
    text_dropped(table_print(&t, r->width, ret), "fold", ret);
}
