/* For people: a table of trials. Folds and epochs count from 0. */
#include "hpo/report/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hpo/report/fidelity.h"
#include "hpo/report/rows.h"
#include "hpo/report/table.h"

const char *text_number(char *buf, double v)
{
    double a = fabs(v);

    if (isnan(v))
        return "-";
    snprintf(buf, TEXT_CELL, isinf(v) || (a > 0 && a < 1e-3) || a >= 1e4 ? "%.4g" : "%.4f", v);
    return buf;
}

const char *text_time(char *buf, double seconds)
{
    if (isnan(seconds))
        return "-";
    if (seconds >= 60)
        return str_seconds(buf, seconds);
    snprintf(buf, TEXT_CELL, "%.1fs", seconds); /* trials of a small study last seconds */
    return buf;
}

const char *text_param(const struct hpo_param *p, double v, char *buf)
{
    const char *text;

    if (isnan(v))
        return "-";
    text = hpo_param_text(p, v, buf);
    if (p->kind == HPO_PARAM_FLOAT && strlen(text) > 8) {
        snprintf(buf, TEXT_CELL, "%.4g", v);
        return buf;
    }
    return text;
}

void text_counts(const struct report *r, struct str *ret)
{
    struct rows_counts n = rows_count(r->history);

    str_addf(ret, "%d", n.complete + n.pruned);
    if (r->target > 0)
        str_addf(ret, " of %d", r->target);
    str_addf(ret, " finished: %d complete, %d pruned; %d failed, %d running", n.complete, n.pruned,
             n.failed, n.running);
    if (n.waiting)
        str_addf(ret, ", %d waiting", n.waiting);
}

void text_dropped(int n, const char *what, struct str *ret)
{
    if (n)
        str_addf(ret, "\n%d %s%s left out: the terminal is too narrow (--json has all)\n", n, what,
                 n == 1 ? " is" : "s are");
}

void text_clean(const char *text, struct str *ret)
{
    for (; *text; text++)
        str_addc(ret, (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
}

/* ---------------------------------------------------------------- the table */

enum { COL_MARK, COL_NUMBER, COL_STATE, COL_VALUE, COL_STD, COL_PARAMS };

static const char *row_color(const struct report *r, const struct hpo_trial *t, bool best)
{
    if (!r->color)
        return NULL;
    if (best)
        return TEXT_GREEN;
    switch (t->state) {
    case HPO_TRIAL_FAIL:
        return TEXT_RED;
    case HPO_TRIAL_PRUNED:
        return TEXT_DIM;
    case HPO_TRIAL_RUNNING:
        return TEXT_CYAN;
    case HPO_TRIAL_COMPLETE:
    case HPO_TRIAL_WAITING:
        break;
    }
    return NULL;
}

/* Why it is there, and how it ended or where it ran. */
static const char *note(const struct hpo_trial *t, struct arena *a)
{
    const char *end = t->reason ? t->reason : t->device ? t->device : "";
    const char *comma = *end ? ", " : "";
    const char *from =
        t->rung ? arena_printf(a, "trial %d %s%s", t->promoted_from,
                               t->explored ? "drawn" : "promoted", t->retry > 0 || *end ? ", " : "")
                : "";

    if (t->retry > 0)
        return arena_printf(a, "%sretry %d of trial %d%s%s", from, t->retry, t->retry_of, comma,
                            end);
    if (t->rung)
        return arena_printf(a, "%s%s", from, end);
    return t->enqueued ? arena_printf(a, "enqueued%s%s", comma, end) : end;
}

static void add_trial_row(const struct report *r, const struct hpo_trial *t, bool best,
                          struct table *table)
{
    int n_params = r->history->space ? r->history->space->n : 0;
    int row = table_row(table, row_color(r, t, best));
    int shift = r->n_rungs > 0; /* a column more */
    double std = hpo_trial_std(t);
    char buf[TEXT_CELL];

    table_cell(table, row, COL_MARK, best ? "*" : "");
    snprintf(buf, sizeof(buf), "%d", t->number);
    table_cell(table, row, COL_NUMBER, buf);
    if (shift) {
        snprintf(buf, sizeof(buf), "%d", t->rung);
        table_cell(table, row, COL_NUMBER + 1, buf);
    }
    table_cell(table, row, shift + COL_STATE, hpo_trial_state_name(t->state));
    table_cell(table, row, shift + COL_VALUE, text_number(buf, rows_value(r, t)));
    table_cell(table, row, shift + COL_STD, isnan(std) ? "" : text_number(buf, std));
    for (int i = 0; i < n_params; i++)
        table_cell(table, row, shift + COL_PARAMS + i,
                   text_param(&r->history->space->params[i], rows_param(t, i), buf));
    table_cell(table, row, shift + COL_PARAMS + n_params, text_time(buf, rows_seconds(t)));
    table_cell(table, row, shift + COL_PARAMS + n_params + 1, note(t, table->a));
}

static void print_table(const struct report *r, struct arena *a, struct str *ret)
{
    const struct hpo_space *space = r->history->space;
    const struct hpo_trial *best = hpo_history_best(r->history), **rows;
    int n_params = space ? space->n : 0, n;
    int shift = r->n_rungs > 0; /* a column more */
    struct table t;
    char buf[TEXT_CELL];

    str_addf(ret, "%s: %s %s, ", r->study->name, r->study->maximize ? "maximize" : "minimize",
             r->study->metric);
    text_counts(r, ret);
    if (best)
        str_addf(ret, "; best %s (trial %d)", text_number(buf, rows_value(r, best)), best->number);
    if (best && best->cheap)
        str_addf(ret, " on rung %d, which is not the last", best->rung);
    str_add(ret, r->study->interrupted ? "; interrupted\n" : "\n");
    rows = rows_pick(r, a, &n);
    if (!n) {
        str_add(ret, r->top && r->history->n ? "No trial is complete yet.\n" : "No trials yet.\n");
        return;
    }
    str_addc(ret, '\n');
    table_init(&t, a, COL_PARAMS + n_params + 2 + shift);
    table_column(&t, COL_MARK, "", 0);
    table_column(&t, COL_NUMBER, "#", TABLE_RIGHT);
    if (shift)
        table_column(&t, COL_NUMBER + 1, "rung", TABLE_RIGHT);
    table_column(&t, shift + COL_STATE, "state", 0);
    table_column(&t, shift + COL_VALUE, "value", TABLE_RIGHT);
    table_column(&t, shift + COL_STD, "std", TABLE_RIGHT);
    for (int i = 0; i < n_params; i++)
        table_column(&t, shift + COL_PARAMS + i, space->params[i].name,
                     TABLE_DROP |
                         (space->params[i].kind == HPO_PARAM_CATEGORICAL ? 0 : TABLE_RIGHT));
    table_column(&t, shift + COL_PARAMS + n_params, "time", TABLE_RIGHT);
    table_column(&t, shift + COL_PARAMS + n_params + 1, "note", TABLE_CUT);
    for (int i = 0; i < n; i++)
        add_trial_row(r, rows[i], rows[i] == best, &t);
    text_dropped(table_print(&t, r->width, ret), "parameter", ret);
    text_rungs(r, a, ret);
}

static int print(const struct report *r, struct str *ret, struct hpo_err *err)
{
    struct arena a = {0};

    switch (r->view) {
    case REPORT_TRIALS:
        print_table(r, &a, ret);
        break;
    case REPORT_BEST:
    case REPORT_TRIAL:
        text_one(r, &a, ret);
        break;
    case REPORT_IMPORTANCE:
        text_importance(r, &a, ret);
        break;
    case REPORT_LABELS:
        text_labels(r, &a, ret);
        break;
    }
    arena_release(&a);
    return 0;
}

const struct report_ops report_text = {
    .plugin = {.name = "text", .help = "a table or a summary for people"},
    .print = print,
};
