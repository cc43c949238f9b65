/* For people: the rungs of a study, and how far a cheap one can be trusted. */
#include <math.h>
#include <stdio.h>

#include "hpo/report/fidelity.h"
#include "hpo/report/table.h"
#include "hpo/report/text.h"

enum { COL_RUNG, COL_COMPLETE, COL_PRUNED, COL_FAILED, COL_BEST, COL_SAYS, N_COLUMNS };

static const struct hpo_trial *best_of(const struct hpo_history *h, int rung)
{
    const struct hpo_trial *best = NULL;

    for (int i = 0; i < h->n; i++)
        if (h->trials[i]->rung == rung && h->trials[i]->state == HPO_TRIAL_COMPLETE &&
            (!best || hpo_trial_better(h->trials[i], best)))
            best = h->trials[i];
    return best;
}

static void cell_number(struct table *t, int row, int column, int n)
{
    char buf[16];

    snprintf(buf, sizeof(buf), "%d", n);
    table_cell(t, row, column, buf);
}

static void add_table(const struct report *r, struct arena *a, struct str *ret)
{
    struct table t;
    char buf[TEXT_CELL];

    table_init(&t, a, N_COLUMNS);
    table_column(&t, COL_RUNG, "  rung", TABLE_RIGHT);
    table_column(&t, COL_COMPLETE, "complete", TABLE_RIGHT);
    table_column(&t, COL_PRUNED, "pruned", TABLE_RIGHT);
    table_column(&t, COL_FAILED, "failed", TABLE_RIGHT);
    table_column(&t, COL_BEST, "best", TABLE_RIGHT);
    table_column(&t, COL_SAYS, "with", TABLE_CUT);
    for (int i = 0; i < r->n_rungs; i++) {
        struct fidelity_counts n = fidelity_count(r->history, i);
        const struct hpo_trial *best = best_of(r->history, i);
        int row = table_row(&t, NULL);

        cell_number(&t, row, COL_RUNG, i);
        cell_number(&t, row, COL_COMPLETE, n.complete);
        cell_number(&t, row, COL_PRUNED, n.pruned);
        cell_number(&t, row, COL_FAILED, n.failed);
        table_cell(&t, row, COL_BEST,
                   best ? text_number(buf, hpo_value_flip(best->value, r->study->maximize)) : "-");
        table_cell(&t, row, COL_SAYS, r->rungs[i]);
    }
    table_print(&t, r->width, ret);
}

static void add_coefficient(const char *name, double v, struct rank_interval in, struct str *ret)
{
    str_addf(ret, ", %s %.2f", name, v);
    if (!isnan(in.low))
        str_addf(ret, " [%.2f, %.2f]", in.low, in.high);
}

static void add_pairs(const char *who, const struct fidelity_pairs *p, struct str *ret)
{
    str_addf(ret, "    %d %s", p->n, who);
    if (!isnan(p->rho)) {
        add_coefficient("Spearman's rho", p->rho, p->rho_interval, ret);
        add_coefficient("Kendall's tau", p->tau, p->tau_interval, ret);
    }
    str_addc(ret, '\n');
}

void text_rungs(const struct report *r, struct arena *a, struct str *ret)
{
    bool narrow = false;

    if (r->n_rungs < 2)
        return;
    str_addf(ret, "\n%srungs%s\n", r->color ? TEXT_BOLD : "", r->color ? TEXT_RESET : "");
    add_table(r, a, ret);
    for (int i = 0; i + 1 < r->n_rungs; i++) {
        struct fidelity f = fidelity_of(r->history, i);

        if (!f.all.n)
            continue;
        str_addf(ret, "\n  rung %d against rung %d:\n", i, i + 1);
        add_pairs("promoted for their values", &f.best, ret);
        if (f.drawn)
            add_pairs("with those that were drawn", &f.all, ret);
        str_addf(ret, "    %s\n", fidelity_verdict(&f));
        narrow |= !f.drawn && f.best.n >= RANK_MIN;
    }
    if (narrow)
        str_add(ret, "\n  Only the best of a rung are compared: over a range that narrow the "
                     "correlation tends to\n  be lower than it is among all of its trials. "
                     "`explore` promotes some of the others too.\n");
}
