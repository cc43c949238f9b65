/* For people: a table of trials, or one trial in full. Folds and epochs count from 0. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hpo/report/rows.h"
#include "hpo/report/table.h"

#define GREEN "\033[1;32m"
#define RED "\033[31m"
#define DIM "\033[2m"
#define CYAN "\033[36m"
#define BOLD "\033[1m"
#define RESET "\033[0m"

#define CELL 64

/* Four digits after the point where that says enough, four digits in all elsewhere. */
static const char *short_number(char *buf, double v)
{
    double a = fabs(v);

    if (isnan(v))
        return "-";
    snprintf(buf, CELL, isinf(v) || (a > 0 && a < 1e-3) || a >= 1e4 ? "%.4g" : "%.4f", v);
    return buf;
}

static const char *short_time(char *buf, double seconds)
{
    if (isnan(seconds))
        return "-";
    if (seconds >= 60)
        return str_seconds(buf, seconds);
    snprintf(buf, CELL, "%.1fs", seconds); /* trials of a small study last seconds */
    return buf;
}

static const char *short_param(const struct hpo_param *p, double v, char *buf)
{
    const char *text;

    if (isnan(v))
        return "-";
    text = hpo_param_text(p, v, buf);
    if (p->kind == HPO_PARAM_FLOAT && strlen(text) > 8) {
        snprintf(buf, CELL, "%.4g", v);
        return buf;
    }
    return text;
}

static void add_counts(const struct report *r, struct str *ret)
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

static void add_dropped(int n, const char *what, struct str *ret)
{
    if (n)
        str_addf(ret, "\n%d %s%s left out: the terminal is too narrow (--json has all)\n", n, what,
                 n == 1 ? " is" : "s are");
}

/* ---------------------------------------------------------------- the table */

enum { COL_MARK, COL_NUMBER, COL_STATE, COL_VALUE, COL_STD, COL_PARAMS };

static const char *row_color(const struct report *r, const struct hpo_trial *t, bool best)
{
    if (!r->color)
        return NULL;
    if (best)
        return GREEN;
    switch (t->state) {
    case HPO_TRIAL_FAIL:
        return RED;
    case HPO_TRIAL_PRUNED:
        return DIM;
    case HPO_TRIAL_RUNNING:
        return CYAN;
    case HPO_TRIAL_COMPLETE:
    case HPO_TRIAL_WAITING:
        break;
    }
    return NULL;
}

static void add_trial_row(const struct report *r, const struct hpo_trial *t, bool best,
                          struct table *table)
{
    int n_params = r->history->space ? r->history->space->n : 0;
    int row = table_row(table, row_color(r, t, best));
    double std = hpo_trial_std(t);
    char buf[CELL];

    table_cell(table, row, COL_MARK, best ? "*" : "");
    snprintf(buf, sizeof(buf), "%d", t->number);
    table_cell(table, row, COL_NUMBER, buf);
    table_cell(table, row, COL_STATE, hpo_trial_state_name(t->state));
    table_cell(table, row, COL_VALUE, short_number(buf, rows_value(r, t)));
    table_cell(table, row, COL_STD, isnan(std) ? "" : short_number(buf, std));
    for (int i = 0; i < n_params; i++)
        table_cell(table, row, COL_PARAMS + i,
                   short_param(&r->history->space->params[i], rows_param(t, i), buf));
    table_cell(table, row, COL_PARAMS + n_params, short_time(buf, rows_seconds(t)));
    table_cell(table, row, COL_PARAMS + n_params + 1,
               t->reason   ? t->reason
               : t->device ? t->device
                           : "");
}

static void print_table(const struct report *r, struct arena *a, struct str *ret)
{
    const struct hpo_space *space = r->history->space;
    const struct hpo_trial *best = hpo_history_best(r->history), **rows;
    int n_params = space ? space->n : 0, n;
    struct table t;
    char buf[CELL];

    str_addf(ret, "%s: %s %s, ", r->study->name, r->study->maximize ? "maximize" : "minimize",
             r->study->metric);
    add_counts(r, ret);
    if (best)
        str_addf(ret, "; best %s (trial %d)", short_number(buf, rows_value(r, best)), best->number);
    str_add(ret, r->study->interrupted ? "; interrupted\n" : "\n");
    rows = rows_pick(r, a, &n);
    if (!n) {
        str_add(ret, r->top && r->history->n ? "No trial is complete yet.\n" : "No trials yet.\n");
        return;
    }
    str_addc(ret, '\n');
    table_init(&t, a, COL_PARAMS + n_params + 2);
    table_column(&t, COL_MARK, "", 0);
    table_column(&t, COL_NUMBER, "#", TABLE_RIGHT);
    table_column(&t, COL_STATE, "state", 0);
    table_column(&t, COL_VALUE, "value", TABLE_RIGHT);
    table_column(&t, COL_STD, "std", TABLE_RIGHT);
    for (int i = 0; i < n_params; i++)
        table_column(&t, COL_PARAMS + i, space->params[i].name,
                     TABLE_DROP |
                         (space->params[i].kind == HPO_PARAM_CATEGORICAL ? 0 : TABLE_RIGHT));
    table_column(&t, COL_PARAMS + n_params, "time", TABLE_RIGHT);
    table_column(&t, COL_PARAMS + n_params + 1, "note", TABLE_CUT);
    for (int i = 0; i < n; i++)
        add_trial_row(r, rows[i], rows[i] == best, &t);
    add_dropped(table_print(&t, r->width, ret), "parameter", ret);
}

/* ---------------------------------------------------------------- one trial */

#define LABEL 10

static void add_label(const struct report *r, const char *label, struct str *ret)
{
    str_addf(ret, "%s%-*s%s ", r->color ? BOLD : "", LABEL, label, r->color ? RESET : "");
}

/* Reasons may come from anywhere: no control characters reach the terminal. */
static void add_clean(const char *text, struct str *ret)
{
    for (; *text; text++)
        str_addc(ret, (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
}

static void add_value(const struct report *r, const struct hpo_trial *t, struct str *ret)
{
    double std = hpo_trial_std(t);
    char buf[CELL];

    add_label(r, r->study->metric, ret);
    str_add(ret, short_number(buf, rows_value(r, t)));
    if (!isnan(std))
        str_addf(ret, " \302\261 %s over %d folds", short_number(buf, std), t->n_folds);
    str_addf(ret, " (%s)\n", r->study->maximize ? "maximize" : "minimize");
    for (int i = 0; i < t->n_folds; i++) {
        const struct hpo_fold *f = &t->folds[i];

        str_addf(ret, "  fold %-*d %s at epoch %d", LABEL - 7, f->fold, short_number(buf, f->value),
                 f->epoch);
        str_addf(ret, ", %s\n", short_time(buf, f->seconds));
    }
}

static void add_params(const struct report *r, const struct hpo_trial *t, struct str *ret)
{
    const struct hpo_space *space = r->history->space;
    int width = 0;
    char buf[CELL];

    for (int i = 0; space && i < space->n; i++)
        if (!isnan(rows_param(t, i)) && table_text_width(space->params[i].name) > width)
            width = table_text_width(space->params[i].name);
    if (!width)
        return;
    str_addf(ret, "\n%sparameters%s\n", r->color ? BOLD : "", r->color ? RESET : "");
    for (int i = 0; i < space->n; i++) {
        const struct hpo_param *p = &space->params[i];

        if (isnan(rows_param(t, i)))
            continue;
        str_addf(ret, "  %s%*s  ", p->name, width - table_text_width(p->name), "");
        add_clean(hpo_param_text(p, rows_param(t, i), buf), ret);
        str_addc(ret, '\n');
    }
}

static void add_trial(const struct report *r, const struct hpo_trial *t, struct str *ret)
{
    char buf[CELL];

    if (!isnan(t->value))
        add_value(r, t, ret);
    if (t->reason) {
        add_label(r, "reason", ret);
        add_clean(t->reason, ret);
        str_addc(ret, '\n');
    }
    add_label(r, "duration", ret);
    str_add(ret, short_time(buf, rows_seconds(t)));
    if (t->device) {
        str_add(ret, " on ");
        add_clean(t->device, ret);
    }
    if (t->attempts > 1)
        str_addf(ret, ", %d attempts", t->attempts);
    str_addc(ret, '\n');
    if (rows_time(buf, t->started)) {
        add_label(r, "started", ret);
        str_addf(ret, "%s\n", rows_time(buf, t->started));
    }
    add_label(r, "trials", ret);
    add_counts(r, ret);
    str_addc(ret, '\n');
    add_params(r, t, ret);
}

static int find_metric(const char **names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

static void add_curve(const struct report *r, struct arena *a, struct str *ret)
{
    const char **names;
    int n = 0, most = 0;
    struct table t;
    char buf[CELL];

    for (int i = 0; i < r->n_epochs; i++)
        most += r->epochs[i].n_metrics;
    if (!most)
        return;
    names = ARENA_ARRAY(a, const char *, most);
    for (int i = 0; i < r->n_epochs; i++)
        for (int k = 0; k < r->epochs[i].n_metrics; k++)
            if (find_metric(names, n, r->epochs[i].names[k]) < 0)
                names[n++] = r->epochs[i].names[k];
    table_init(&t, a, n + 2);
    table_column(&t, 0, "  fold", TABLE_RIGHT);
    table_column(&t, 1, "epoch", TABLE_RIGHT);
    for (int i = 0; i < n; i++)
        table_column(&t, i + 2, names[i], TABLE_RIGHT | TABLE_DROP);
    for (int i = 0; i < r->n_epochs; i++) {
        const struct hpo_epoch_report *e = &r->epochs[i];
        int row = table_row(&t, NULL);

        snprintf(buf, sizeof(buf), "%d", e->fold);
        table_cell(&t, row, 0, buf);
        snprintf(buf, sizeof(buf), "%d", e->epoch);
        table_cell(&t, row, 1, buf);
        for (int k = 0; k < e->n_metrics; k++)
            table_cell(&t, row, 2 + find_metric(names, n, e->names[k]),
                       short_number(buf, e->values[k]));
    }
    str_addf(ret, "\n%slearning curve%s\n", r->color ? BOLD : "", r->color ? RESET : "");
    add_dropped(table_print(&t, r->width, ret), "metric", ret);
}

/* Why is there no best trial? The last failure says most. */
static void add_no_best(const struct report *r, struct str *ret)
{
    const struct hpo_history *h = r->history;

    str_addf(ret, "%s has no complete trial yet: ", r->study->name);
    add_counts(r, ret);
    str_add(ret, ".\n");
    for (int i = h->n - 1; i >= 0; i--) {
        if (h->trials[i]->state != HPO_TRIAL_FAIL || !h->trials[i]->reason)
            continue;
        str_addf(ret, "The last failure, trial %d: ", h->trials[i]->number);
        add_clean(h->trials[i]->reason, ret);
        str_addc(ret, '\n');
        return;
    }
}

static void print_one(const struct report *r, struct arena *a, struct str *ret)
{
    const struct hpo_trial *t = r->trial;

    if (!t) {
        if (r->view == REPORT_BEST)
            add_no_best(r, ret);
        else
            str_addf(ret, "%s has no such trial\n", r->study->name);
        return;
    }
    str_add(ret, r->color ? BOLD : "");
    if (r->view == REPORT_BEST)
        str_addf(ret, "%s: the best trial is trial %d", r->study->name, t->number);
    else
        str_addf(ret, "%s: trial %d, %s%s", r->study->name, t->number,
                 hpo_trial_state_name(t->state),
                 t == hpo_history_best(r->history) ? ", the best one" : "");
    str_addf(ret, "%s\n\n", r->color ? RESET : "");
    add_trial(r, t, ret);
    if (r->view == REPORT_TRIAL)
        add_curve(r, a, ret);
    /* Last, so that it can be cut off and saved; a comment, so that the heading may come along. */
    if (r->single)
        str_addf(ret, "\n# this configuration alone, as a study file\n%s", r->single);
}

static int print(const struct report *r, struct str *ret, struct hpo_err *err)
{
    struct arena a = {0};

    if (r->view == REPORT_TRIALS)
        print_table(r, &a, ret);
    else
        print_one(r, &a, ret);
    arena_release(&a);
    return 0;
}

const struct report_ops report_text = {
    .plugin = {.name = "text", .help = "a table or a summary for people"},
    .print = print,
};
