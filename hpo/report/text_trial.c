/* For people: one trial in full. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "hpo/report/metrics.h"
#include "hpo/report/rows.h"
#include "hpo/report/table.h"
#include "hpo/report/text.h"

#define LABEL 10
#define MOST_COLUMNS 8 /* of a learning curve */

static void add_label(const struct report *r, const char *label, struct str *ret)
{
    str_addf(ret, "%s%-*s%s ", r->color ? TEXT_BOLD : "", LABEL, label, r->color ? TEXT_RESET : "");
}

static void add_value(const struct report *r, const struct hpo_trial *t, struct str *ret)
{
    double std = hpo_trial_std(t), folds, seeds;
    char buf[TEXT_CELL];

    add_label(r, r->study->metric, ret);
    str_add(ret, text_number(buf, rows_value(r, t)));
    if (!isnan(std))
        str_addf(ret, " \302\261 %s over %d %s", text_number(buf, std), t->n_folds,
                 r->seeds > 1 ? "trainings" : "folds");
    str_addf(ret, " (%s)\n", r->study->maximize ? "maximize" : "minimize");
    for (int i = 0; i < t->n_folds; i++) {
        const struct hpo_fold *f = &t->folds[i];

        struct rows_place p = rows_place(r, f->fold);

        str_addf(ret, "  fold %-*d ", LABEL - 7, p.fold);
        if (p.seed >= 0)
            str_addf(ret, "seed %-2d ", p.seed);
        str_addf(ret, "%s at epoch %d", text_number(buf, f->value), f->epoch);
        str_addf(ret, ", %s\n", text_time(buf, f->seconds));
    }
    if (rows_spread(r, t, &folds, &seeds)) {
        str_addf(ret, "  deviation %s of the folds' means", text_number(buf, folds));
        str_addf(ret, ", %s from seed to seed\n", text_number(buf, seeds));
    }
}

static void add_params(const struct report *r, const struct hpo_trial *t, struct str *ret)
{
    const struct hpo_space *space = r->history->space;
    int width = 0;
    char buf[TEXT_CELL];

    for (int i = 0; space && i < space->n; i++)
        if (!isnan(rows_param(t, i)) && table_text_width(space->params[i].name) > width)
            width = table_text_width(space->params[i].name);
    if (!width)
        return;
    str_addf(ret, "\n%sparameters%s\n", r->color ? TEXT_BOLD : "", r->color ? TEXT_RESET : "");
    for (int i = 0; i < space->n; i++) {
        const struct hpo_param *p = &space->params[i];

        if (isnan(rows_param(t, i)))
            continue;
        str_addf(ret, "  %s%*s  ", p->name, width - table_text_width(p->name), "");
        text_clean(hpo_param_text(p, rows_param(t, i), buf), ret);
        str_addc(ret, '\n');
    }
}

static void add_origin(const struct report *r, const struct hpo_trial *t, struct str *ret)
{
    if (r->n_rungs) {
        add_label(r, "rung", ret);
        str_addf(ret, "%d of %d (%s)", t->rung, r->n_rungs, r->rungs[t->rung]);
        if (t->rung)
            str_addf(ret, ", trial %d %s", t->promoted_from, t->explored ? "drawn" : "promoted");
        str_addc(ret, '\n');
    }
    if (t->retry > 0) {
        add_label(r, "retry", ret);
        str_addf(ret, "%d of trial %d\n", t->retry, t->retry_of);
    }
    if (t->state == HPO_TRIAL_WAITING) {
        add_label(r, "waiting", ret);
        str_add(ret, "what is not given below will be sampled\n");
    } else if (t->enqueued) {
        add_label(r, "origin", ret);
        str_add(ret, "enqueued\n");
    }
}

static void add_trial(const struct report *r, const struct hpo_trial *t, struct str *ret)
{
    char buf[TEXT_CELL];

    if (!isnan(t->value))
        add_value(r, t, ret);
    if (t->reason) {
        add_label(r, "reason", ret);
        text_clean(t->reason, ret);
        str_addc(ret, '\n');
    }
    add_origin(r, t, ret);
    if (t->state != HPO_TRIAL_WAITING) {
        add_label(r, "duration", ret);
        str_add(ret, text_time(buf, rows_seconds(t)));
        if (t->device) {
            str_add(ret, " on ");
            text_clean(t->device, ret);
        }
        if (t->attempts > 1)
            str_addf(ret, ", %d attempts", t->attempts);
        str_addc(ret, '\n');
    }
    if (rows_time(buf, t->started)) {
        add_label(r, "started", ret);
        str_addf(ret, "%s\n", rows_time(buf, t->started));
    }
    add_label(r, "trials", ret);
    text_counts(r, ret);
    str_addc(ret, '\n');
    add_params(r, t, ret);
}

/* A learning curve: a row a fold and epoch, or a row a step. */
struct curve {
    struct table t;
    const char **names;
    int n_names, first; /* the column of the first metric */
    bool folds, seeds;
};

/* The curve of a network has columns for few of its metrics; text_metrics has a row for each. */
static void keep_main(const struct report *r, struct curve *c)
{
    const char *const main[] = {r->study->metric, "accuracy", "log_loss", "train_loss", "seconds"};
    const char *kept[HPO_LEN(main)];
    int n = 0;

    if (c->n_names <= MOST_COLUMNS)
        return;
    for (size_t i = 0; i < HPO_LEN(main); i++)
        if (metrics_find(c->names, c->n_names, main[i]) >= 0 && metrics_find(kept, n, main[i]) < 0)
            kept[n++] = main[i];
    memcpy(c->names, kept, sizeof(*kept) * (size_t)n);
    c->n_names = n;
}

static void start_curve(const struct report *r, struct arena *a, struct curve *c)
{
    table_init(&c->t, a, c->n_names + 1 + c->folds + c->seeds);
    if (c->folds)
        table_column(&c->t, 0, "  fold", TABLE_RIGHT);
    if (c->seeds)
        table_column(&c->t, 1, "seed", TABLE_RIGHT);
    c->first = 1 + c->folds + c->seeds;
    table_column(&c->t, c->first - 1,
                 !r->steps  ? "epoch"
                 : c->folds ? "step"
                            : "  step",
                 TABLE_RIGHT);
    for (int i = 0; i < c->n_names; i++)
        table_column(&c->t, c->first + i, c->names[i], TABLE_RIGHT | TABLE_DROP);
}

static int curve_row(struct curve *c, struct rows_place at, int64_t step)
{
    int row = table_row(&c->t, NULL);
    char buf[TEXT_CELL];

    snprintf(buf, sizeof(buf), "%d", at.fold);
    if (c->folds)
        table_cell(&c->t, row, 0, buf);
    snprintf(buf, sizeof(buf), "%d", at.seed);
    if (c->seeds)
        table_cell(&c->t, row, 1, buf);
    snprintf(buf, sizeof(buf), "%lld", (long long)step);
    table_cell(&c->t, row, c->first - 1, buf);
    return row;
}

static void add_metrics(struct curve *c, int row, const struct hpo_epoch_report *e)
{
    char buf[TEXT_CELL];

    for (int k = 0; k < e->n_metrics; k++) {
        int column = metrics_find(c->names, c->n_names, e->names[k]);

        if (column >= 0)
            table_cell(&c->t, row, c->first + column, text_number(buf, e->values[k]));
    }
}

/* What a program reports is a value at a step, and perhaps more beside it: both rise in step. */
static void add_steps(const struct report *r, const struct hpo_trial *t, struct arena *a,
                      struct curve *c)
{
    int value = metrics_find(c->names, c->n_names, r->study->metric), e = 0;
    char buf[TEXT_CELL];

    if (value < 0 && t->n_points) {
        memmove(c->names + 1, c->names, sizeof(*c->names) * (size_t)c->n_names);
        c->names[0] = r->study->metric;
        c->n_names++;
        value = 0;
    }
    start_curve(r, a, c);
    for (int p = 0; p < t->n_points || e < r->n_epochs;) {
        int64_t point = p < t->n_points ? t->points[p].step : INT64_MAX;
        int64_t epoch = e < r->n_epochs ? r->epochs[e].epoch : INT64_MAX;
        int row = curve_row(c, (struct rows_place){0, -1}, point < epoch ? point : epoch);

        if (p < t->n_points && point <= epoch)
            table_cell(&c->t, row, c->first + value,
                       text_number(buf, hpo_value_flip(t->points[p].value, r->study->maximize)));
        if (e < r->n_epochs && epoch <= point)
            add_metrics(c, row, &r->epochs[e]);
        p += p < t->n_points && point <= epoch;
        e += e < r->n_epochs && epoch <= point;
    }
}

static void add_curve(const struct report *r, const struct hpo_trial *t, struct arena *a,
                      struct str *ret)
{
    struct curve c = {.folds = rows_have_folds(r)};

    c.seeds = c.folds && r->seeds > 1;
    c.names = metrics_names(r, a, &c.n_names);
    if (c.folds) {
        keep_main(r, &c);
        start_curve(r, a, &c);
        for (int i = 0; i < r->n_epochs; i++)
            add_metrics(&c, curve_row(&c, rows_place(r, r->epochs[i].fold), r->epochs[i].epoch),
                        &r->epochs[i]);
    } else {
        add_steps(r, t, a, &c);
    }
    if (!c.t.n_rows || !c.n_names)
        return;
    str_addf(ret, "\n%slearning curve%s\n", r->color ? TEXT_BOLD : "", r->color ? TEXT_RESET : "");
    text_dropped(table_print(&c.t, r->width, ret), "metric", ret);
}

/* Why is there no best trial? The last failure says most. */
static void add_no_best(const struct report *r, struct str *ret)
{
    const struct hpo_history *h = r->history;

    str_addf(ret, "%s has no complete trial yet: ", r->study->name);
    text_counts(r, ret);
    str_add(ret, ".\n");
    for (int i = h->n - 1; i >= 0; i--) {
        if (h->trials[i]->state != HPO_TRIAL_FAIL || !h->trials[i]->reason)
            continue;
        str_addf(ret, "The last failure, trial %d: ", h->trials[i]->number);
        text_clean(h->trials[i]->reason, ret);
        str_addc(ret, '\n');
        return;
    }
}

void text_one(const struct report *r, struct arena *a, struct str *ret)
{
    const struct hpo_trial *t = r->trial;

    if (!t) {
        if (r->view == REPORT_BEST)
            add_no_best(r, ret);
        else
            str_addf(ret, "%s has no such trial\n", r->study->name);
        return;
    }
    str_add(ret, r->color ? TEXT_BOLD : "");
    if (r->view == REPORT_BEST)
        str_addf(ret, "%s: the best trial is trial %d", r->study->name, t->number);
    else
        str_addf(ret, "%s: trial %d, %s%s", r->study->name, t->number,
                 hpo_trial_state_name(t->state),
                 t == hpo_history_best(r->history) ? ", the best one" : "");
    str_addf(ret, "%s\n\n", r->color ? TEXT_RESET : "");
    add_trial(r, t, ret);
    if (r->view == REPORT_TRIAL) {
        text_metrics(r, t, a, ret);
        add_curve(r, t, a, ret);
        text_classes(r, a, ret);
    }
    /* Last, so that it can be cut off and saved; a comment, so that the heading may come along. */
    if (r->single)
        str_addf(ret, "\n# this configuration alone, as a study file\n%s", r->single);
}
