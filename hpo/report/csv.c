/* A row a trial (RFC 4180): for spreadsheets, pandas and R. An empty field is what is unknown,
 * inactive or not finite in a way that no reader agrees on (NaN). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hpo/report/importance.h"
#include "hpo/report/metrics.h"
#include "hpo/report/rows.h"

static void add_text(struct str *ret, const char *text)
{
    if (!strpbrk(text, ",\"\r\n") && text[0] != ' ' && text[strlen(text) - (*text != 0)] != ' ') {
        str_add(ret, text);
        return;
    }
    str_addc(ret, '"');
    for (; *text; text++) {
        if (*text == '"')
            str_addc(ret, '"');
        str_addc(ret, *text);
    }
    str_addc(ret, '"');
}

static void add_field(struct str *ret, const char *text)
{
    str_addc(ret, ',');
    if (text)
        add_text(ret, text);
}

static void add_number(struct str *ret, double v)
{
    char buf[HPO_DOUBLE_TEXT];

    add_field(ret, isnan(v) ? NULL : str_double(buf, v));
}

/* Fold columns: as many as any shown trial has. */
static int count_folds(const struct hpo_trial *const *rows, int n)
{
    int folds = 0;

    for (int i = 0; i < n; i++)
        for (int k = 0; k < rows[i]->n_folds; k++)
            if (rows[i]->folds[k].fold >= folds && rows[i]->folds[k].fold < 1000)
                folds = rows[i]->folds[k].fold + 1;
    return folds;
}

static double fold_value(const struct hpo_trial *t, int fold)
{
    for (int i = 0; i < t->n_folds; i++)
        if (t->folds[i].fold == fold)
            return t->folds[i].value;
    return NAN;
}

static void add_header(const struct report *r, int n_folds, const struct metrics *m,
                       struct str *ret)
{
    const struct hpo_space *space = r->history->space;
    struct str name = {0};

    str_addf(ret, "number,state,value,%sstarted,ended,duration_s,attempts,device,reason",
             r->steps && !n_folds ? "" : "std,");
    str_add(ret, ",enqueued,retry,retry_of");
    if (r->n_rungs)
        str_add(ret, ",rung,promoted_from,explored");
    for (int i = 0; i < n_folds; i++) {
        struct rows_place p = rows_place(r, i);

        str_addf(ret, ",fold_%d", p.fold);
        if (p.seed >= 0)
            str_addf(ret, "_seed_%d", p.seed);
    }
    for (int i = 0; space && i < space->n; i++) {
        str_clear(&name);
        str_addf(&name, "params_%s", space->params[i].name); /* as in Optuna's data frames */
        add_field(ret, str_c(&name));
    }
    for (int i = 0; i < m->n; i++) {
        str_clear(&name);
        str_addf(&name, "metrics_%s", m->names[i]);
        add_field(ret, str_c(&name));
    }
    str_add(ret, "\r\n");
    str_release(&name);
}

static void add_row(const struct report *r, const struct hpo_trial *t, int n_folds,
                    const struct metrics *m, struct str *ret)
{
    const struct hpo_space *space = r->history->space;
    char buf[ROWS_TIME];

    str_addf(ret, "%d,%s", t->number, hpo_trial_state_name(t->state));
    add_number(ret, rows_value(r, t));
    if (!r->steps || n_folds)
        add_number(ret, hpo_trial_std(t));
    add_field(ret, rows_time(buf, t->started));
    add_field(ret, rows_time(buf, t->ended));
    add_number(ret, rows_seconds(t));
    add_number(ret, t->attempts);
    add_field(ret, t->device);
    add_field(ret, t->reason);
    add_number(ret, t->enqueued);
    add_number(ret, t->retry);
    add_number(ret, t->retry > 0 ? t->retry_of : NAN);
    if (r->n_rungs) {
        add_number(ret, t->rung);
        add_number(ret, t->rung ? t->promoted_from : NAN);
        add_number(ret, t->explored);
    }
    for (int i = 0; i < n_folds; i++)
        add_number(ret, fold_value(t, i));
    for (int i = 0; space && i < space->n; i++) {
        double v = rows_param(t, i);

        add_field(ret, isnan(v) ? NULL : hpo_param_text(&space->params[i], v, buf));
    }
    for (int i = 0; i < m->n; i++)
        add_number(ret, metrics_mean(m, i));
    str_add(ret, "\r\n");
}

static void print_importance(const struct report *r, struct arena *a, struct str *ret)
{
    struct importance im;

    str_add(ret, "parameter,importance\r\n");
    if (!importance_of(r->history, a, &im))
        return;
    for (int i = 0; i < im.n_known; i++) {
        add_text(ret, r->history->space->params[im.order[i]].name);
        add_number(ret, im.share[im.order[i]]);
        str_add(ret, "\r\n");
    }
}

static void print_labels(const struct report *r, struct str *ret)
{
    const struct report_labels *l = r->labels;

    str_add(ret, "path,label,suggested,score,p_label,p_suggested,trials,doubt\r\n");
    for (int64_t i = 0; i < l->n && (!r->top || i < r->top); i++) {
        const struct report_label *f = &l->flagged[i];

        add_text(ret, l->paths[f->image]);
        add_field(ret, l->names[f->given]);
        add_field(ret, l->names[f->suggested]);
        add_number(ret, (double)f->score);
        add_number(ret, (double)f->p_given);
        add_number(ret, (double)f->p_suggested);
        add_number(ret, f->trials);
        add_number(ret, f->trials ? (double)f->doubt / f->trials : 0);
        str_add(ret, "\r\n");
    }
}

static int print(const struct report *r, struct str *ret, struct hpo_err *err)
{
    struct metrics metrics = {0}; /* of a single trial: means over its folds */
    struct arena a = {0};
    int n, n_folds;
    const struct hpo_trial **rows;

    if (r->view == REPORT_IMPORTANCE) {
        print_importance(r, &a, ret);
        arena_release(&a);
        return 0;
    }
    if (r->view == REPORT_LABELS) {
        print_labels(r, ret);
        return 0;
    }
    rows = rows_pick(r, &a, &n);
    n_folds = count_folds(rows, n);
    if (r->view != REPORT_TRIALS && r->trial)
        metrics_of(r, r->trial, &a, &metrics);
    add_header(r, n_folds, &metrics, ret);
    for (int i = 0; i < n; i++)
        add_row(r, rows[i], n_folds, &metrics, ret);
    arena_release(&a);
    return 0;
}

const struct report_ops report_csv = {
    .plugin = {.name = "csv", .help = "a row a trial, for spreadsheets and data frames"},
    .print = print,
};
