/* One JSON document for programs. Numbers are shortest and exact; what is unknown or not finite is
 * null; times are UTC; folds and epochs count from 0. Keys are only ever added. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "hpo/report/fidelity.h"
#include "hpo/report/importance.h"
#include "hpo/report/metrics.h"
#include "hpo/report/json_predictions.h"
#include "hpo/report/rows.h"

/* A choice has the type that it has in the study file. */
static cJSON *choice_json(const struct hpo_choice *c)
{
    char buf[32];
    double d;

    switch (c->kind) {
    case HPO_CHOICE_INT:
    case HPO_CHOICE_REAL:
        if (str_to_double(c->text, &d))
            return cJSON_CreateRaw(str_double(buf, d));
        break;
    case HPO_CHOICE_BOOL:
        return cJSON_CreateBool(c->text[0] == 't');
    case HPO_CHOICE_NULL:
        return cJSON_CreateNull();
    case HPO_CHOICE_STR:
        break;
    }
    return cJSON_CreateString(c->text);
}

static cJSON *param_json(const struct hpo_param *p, double v)
{
    char buf[HPO_DOUBLE_TEXT];

    if (p->kind == HPO_PARAM_CATEGORICAL)
        return v >= 0 && v < p->n_choices ? choice_json(&p->choices[(int)v]) : cJSON_CreateNull();
    if (p->kind == HPO_PARAM_INT)
        return cJSON_CreateRaw(hpo_param_text(p, v, buf));
    return json_number(v);
}

/* Parameters that are active, in the order of the study file. */
static void add_params(const struct report *r, const struct hpo_trial *t, cJSON *trial)
{
    const struct hpo_space *space = r->history->space;
    cJSON *params = cJSON_AddObjectToObject(trial, "params");

    for (int i = 0; space && i < space->n; i++)
        if (!isnan(rows_param(t, i)))
            cJSON_AddItemToObject(params, space->params[i].name,
                                  param_json(&space->params[i], rows_param(t, i)));
}

/* "folds" is the plain list of values; "fold_results" says more of each. */
static void add_folds(const struct report *r, const struct hpo_trial *t, cJSON *trial)
{
    double folds_std, seeds_std;
    cJSON *folds = cJSON_AddArrayToObject(trial, "folds");
    cJSON *results = cJSON_AddArrayToObject(trial, "fold_results");

    for (int i = 0; i < t->n_folds; i++) {
        cJSON *j = cJSON_CreateObject();

        cJSON_AddItemToArray(folds, json_number(t->folds[i].value));
        json_put_number(j, "fold", rows_place(r, t->folds[i].fold).fold);
        if (r->seeds > 1)
            json_put_number(j, "seed", rows_place(r, t->folds[i].fold).seed);
        json_put_number(j, "value", t->folds[i].value);
        json_put_number(j, "epoch", t->folds[i].epoch);
        json_put_number(j, "duration_s", t->folds[i].seconds);
        cJSON_AddItemToArray(results, j);
    }
    if (rows_spread(r, t, &folds_std, &seeds_std)) {
        json_put_number(trial, "std_folds", folds_std);
        json_put_number(trial, "std_seeds", seeds_std);
    }
}

static cJSON *trial_json(const struct report *r, const struct hpo_trial *t)
{
    cJSON *j = cJSON_CreateObject();
    char buf[ROWS_TIME];

    json_put_number(j, "number", t->number);
    json_put_string(j, "state", hpo_trial_state_name(t->state));
    json_put_number(j, "value", rows_value(r, t));
    json_put_number(j, "std", hpo_trial_std(t));
    add_folds(r, t, j);
    add_params(r, t, j);
    json_put_number(j, "duration_s", rows_seconds(t));
    json_put_number(j, "attempts", t->attempts);
    json_put_string(j, "device", t->device);
    json_put_string(j, "reason", t->reason);
    cJSON_AddBoolToObject(j, "enqueued", t->enqueued);
    json_put_number(j, "retry", t->retry);
    json_put_number(j, "retry_of", t->retry > 0 ? t->retry_of : NAN);
    if (r->n_rungs) {
        json_put_number(j, "rung", t->rung);
        json_put_number(j, "promoted_from", t->rung ? t->promoted_from : NAN);
        cJSON_AddBoolToObject(j, "explored", t->explored);
    }
    json_put_string(j, "started", rows_time(buf, t->started));
    json_put_string(j, "ended", rows_time(buf, t->ended));
    return j;
}

/* "metrics": {"accuracy": {"mean": 0.5, "std": 0.1, "folds": [0.4, 0.6]}, ...} */
static void add_metrics(const struct report *r, const struct hpo_trial *t, cJSON *trial)
{
    cJSON *all = cJSON_AddObjectToObject(trial, "metrics");
    struct arena a = {0};
    struct metrics m;

    metrics_of(r, t, &a, &m);
    for (int i = 0; i < m.n; i++) {
        cJSON *one = cJSON_AddObjectToObject(all, m.names[i]), *folds;

        json_put_number(one, "mean", metrics_mean(&m, i));
        json_put_number(one, "std", metrics_std(&m, i));
        folds = cJSON_AddArrayToObject(one, "folds");
        for (int f = 0; f < m.n_folds; f++)
            cJSON_AddItemToArray(folds, json_number(m.values[i * m.n_folds + f]));
    }
    arena_release(&a);
}

/* What only the view of a single trial has: its reports, its learning curve, how to repeat it. */
static cJSON *full_trial_json(const struct report *r, const struct hpo_trial *t)
{
    bool folds = rows_have_folds(r);
    cJSON *j, *points, *curve;

    if (!t)
        return cJSON_CreateNull();
    j = trial_json(r, t);
    points = cJSON_AddArrayToObject(j, "reports");
    for (int i = 0; i < t->n_points; i++) {
        cJSON *p = cJSON_CreateObject();

        cJSON_AddItemToObject(p, "step", json_number((double)t->points[i].step));
        json_put_number(p, "value", hpo_value_flip(t->points[i].value, r->study->maximize));
        cJSON_AddItemToArray(points, p);
    }
    curve = cJSON_AddArrayToObject(j, "curve");
    for (int i = 0; i < r->n_epochs; i++) {
        const struct hpo_epoch_report *e = &r->epochs[i];
        cJSON *row = cJSON_CreateObject();

        if (folds) /* else "fold" may be the name of a metric */
            json_put_number(row, "fold", rows_place(r, e->fold).fold);
        if (folds && r->seeds > 1)
            json_put_number(row, "seed", rows_place(r, e->fold).seed);
        json_put_number(row, r->steps ? "step" : "epoch", e->epoch);
        for (int k = 0; k < e->n_metrics; k++)
            json_put_number(row, e->names[k], e->values[k]);
        cJSON_AddItemToArray(curve, row);
    }
    add_metrics(r, t, j);
    cJSON_AddItemToObject(j, "predictions", json_classes(r->classes));
    json_put_string(j, "yaml", r->single);
    return j;
}

static cJSON *trials_json(const struct report *r)
{
    cJSON *list = cJSON_CreateArray();
    struct arena a = {0};
    int n;
    const struct hpo_trial **rows = rows_pick(r, &a, &n);

    for (int i = 0; i < n; i++)
        cJSON_AddItemToArray(list, trial_json(r, rows[i]));
    arena_release(&a);
    return list;
}

/* {"optimizer.lr": 0.8, ...}, the largest first; null: too few trials. */
static cJSON *importance_json(const struct report *r)
{
    struct arena a = {0};
    struct importance im;
    cJSON *j = NULL;

    if (importance_of(r->history, &a, &im)) {
        j = cJSON_CreateObject();
        for (int i = 0; i < im.n_known; i++)
            json_put_number(j, r->history->space->params[im.order[i]].name, im.share[im.order[i]]);
    }
    arena_release(&a);
    return j ? j : cJSON_CreateNull();
}

static cJSON *interval_json(struct rank_interval in)
{
    cJSON *j;

    if (isnan(in.low))
        return cJSON_CreateNull();
    j = cJSON_CreateArray();
    cJSON_AddItemToArray(j, json_number(in.low));
    cJSON_AddItemToArray(j, json_number(in.high));
    return j;
}

static cJSON *pairs_json(const struct fidelity_pairs *p)
{
    cJSON *j = cJSON_CreateObject();

    json_put_number(j, "pairs", p->n);
    json_put_number(j, "spearman", p->rho);
    cJSON_AddItemToObject(j, "spearman_95", interval_json(p->rho_interval));
    json_put_number(j, "kendall", p->tau);
    cJSON_AddItemToObject(j, "kendall_95", interval_json(p->tau_interval));
    return j;
}

/* Each with how it agrees with the next one; "all": with those that were drawn. */
static cJSON *rungs_json(const struct report *r)
{
    cJSON *list = cJSON_CreateArray();

    for (int i = 0; i < r->n_rungs; i++) {
        struct fidelity_counts n = fidelity_count(r->history, i);
        cJSON *j = cJSON_CreateObject();

        json_put_number(j, "rung", i);
        json_put_string(j, "settings", r->rungs[i]);
        json_put_number(j, "complete", n.complete);
        json_put_number(j, "pruned", n.pruned);
        json_put_number(j, "failed", n.failed);
        if (i + 1 < r->n_rungs) {
            struct fidelity f = fidelity_of(r->history, i);

            cJSON_AddItemToObject(j, "promoted", pairs_json(&f.best));
            cJSON_AddItemToObject(j, "all", pairs_json(&f.all));
            json_put_string(j, "verdict", fidelity_verdict(&f));
        }
        cJSON_AddItemToArray(list, j);
    }
    return list;
}

static int print(const struct report *r, struct str *ret, struct hpo_err *err)
{
    const struct hpo_trial *best = hpo_history_best(r->history);
    struct rows_counts n = rows_count(r->history);
    cJSON *j = cJSON_CreateObject(), *counts;

    json_put_string(j, "study", r->study->name);
    json_put_string(j, "direction", r->study->maximize ? "maximize" : "minimize");
    json_put_string(j, "metric", r->study->metric);
    json_put_number(j, "target", r->target > 0 ? r->target : NAN);
    cJSON_AddBoolToObject(j, "interrupted", r->study->interrupted);
    counts = cJSON_AddObjectToObject(j, "counts");
    json_put_number(counts, "complete", n.complete);
    json_put_number(counts, "pruned", n.pruned);
    json_put_number(counts, "failed", n.failed);
    json_put_number(counts, "running", n.running);
    json_put_number(counts, "waiting", n.waiting);
    if (r->view == REPORT_BEST)
        cJSON_AddItemToObject(j, "best", full_trial_json(r, r->trial));
    else
        json_put_number(j, "best_trial", best ? best->number : NAN);
    if (r->view == REPORT_TRIAL)
        cJSON_AddItemToObject(j, "trial", full_trial_json(r, r->trial));
    if (r->view == REPORT_LABELS)
        cJSON_AddItemToObject(j, "labels", json_labels(r->labels, r->top));
    if (r->view == REPORT_TRIALS || r->view == REPORT_IMPORTANCE)
        cJSON_AddItemToObject(j, "importance", importance_json(r));
    if (r->view == REPORT_TRIALS && r->n_rungs)
        cJSON_AddItemToObject(j, "rungs", rungs_json(r));
    if (r->view == REPORT_TRIALS)
        cJSON_AddItemToObject(j, "trials", trials_json(r));
    json_write(j, ret);
    str_addc(ret, '\n');
    cJSON_Delete(j);
    return 0;
}

const struct report_ops report_json = {
    .plugin = {.name = "json", .help = "one JSON document"},
    .print = print,
};
