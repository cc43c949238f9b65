/* A JSON object an event, for programs. */
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "hpo/cli/view.h"

static void emit(cJSON *j)
{
    struct str s = {0};

    json_put_number(j, "time", clock_wall());
    json_write(j, &s);
    printf("%s\n", str_c(&s));
    fflush(stdout);
    str_release(&s);
    cJSON_Delete(j);
}

static cJSON *start(const char *event)
{
    cJSON *j = cJSON_CreateObject();

    cJSON_AddStringToObject(j, "event", event);
    return j;
}

static void decoding(struct view *v, int64_t done, int64_t total)
{
    double now = clock_monotonic();
    cJSON *j;

    if (now - v->last_draw < 1)
        return;
    v->last_draw = now;
    j = start("decoding");
    json_put_number(j, "done", (double)done);
    json_put_number(j, "total", (double)total);
    emit(j);
}

static void data(struct view *v, const struct tr_dataset *d)
{
    cJSON *j = start("data");

    (void)v;
    json_put_number(j, "images", (double)d->images.n);
    json_put_number(j, "classes", d->images.classes);
    json_put_number(j, "decoded", (double)d->decoded);
    json_put_number(j, "decode_seconds", d->decode_seconds);
    json_put_number(j, "left_out", d->n_bad);
    emit(j);
}

/* A choice as the JSON type that it has in the file. */
static void put_choice(cJSON *j, const struct hpo_param *p, const char *text,
                       enum hpo_choice_kind kind)
{
    if (kind == HPO_CHOICE_STR)
        json_put_string(j, p->name, text);
    else
        cJSON_AddItemToObject(j, p->name, cJSON_CreateRaw(text));
}

static void put_params(cJSON *j, const struct study *s, const struct hpo_trial *t)
{
    cJSON *params = cJSON_AddObjectToObject(j, "params");
    char buf[HPO_DOUBLE_TEXT];

    for (int i = 0; i < s->config->space.n; i++) {
        const struct hpo_param *p = &s->config->space.params[i];

        if (isnan(t->values[i]))
            continue;
        if (p->kind == HPO_PARAM_CATEGORICAL)
            put_choice(params, p, hpo_param_text(p, t->values[i], buf),
                       p->choices[(int)t->values[i]].kind);
        else
            json_put_number(params, p->name, t->values[i]);
    }
}

static void put_report(cJSON *j, const struct objective_report *r)
{
    cJSON *a;

    cJSON_AddBoolToObject(j, "again", r->again);
    json_put_number(j, "step", (double)r->step);
    json_put_number(j, "value", r->value);
    if (r->rate > 0)
        json_put_number(j, "images_per_s", r->rate);
    a = cJSON_AddArrayToObject(j, "folds");
    for (int i = 0; i < r->n_rows; i++) {
        const struct hpo_epoch_report *row = &r->rows[i];
        cJSON *o = cJSON_CreateObject();

        json_put_number(o, "fold", row->fold);
        json_put_number(o, "epoch", row->epoch);
        for (int k = 0; k < row->n_metrics; k++)
            json_put_number(o, row->names[k], row->values[k]);
        cJSON_AddItemToArray(a, o);
    }
}

static void event(struct view *v, const struct run_event *e, const struct run_view *r)
{
    static const char *const names[] = {
        [RUN_START] = "start",   [RUN_TRIAL_START] = "trial", [RUN_EPOCH] = "epoch",
        [RUN_TRIAL_END] = "end", [RUN_NOTE] = "note",         [RUN_PAUSING] = "pausing",
        [RUN_END] = "done",
    };
    const struct hpo_trial *best = r->study->best;
    cJSON *j;

    (void)v;
    if (e->kind == RUN_TICK)
        return;
    j = start(names[e->kind]);
    if (e->trial)
        json_put_number(j, "trial", e->trial->number);
    if (e->trial && r->study->n_rungs > 1) {
        json_put_number(j, "rung", e->trial->rung);
        json_put_number(j, "promoted_from", e->trial->rung ? e->trial->promoted_from : NAN);
    }
    if (e->slot)
        json_put_string(j, "device", e->slot->device);
    if (e->kind == RUN_NOTE)
        json_put_string(j, "text", e->text);
    if (e->kind == RUN_TRIAL_START) {
        json_put_number(j, "attempt", e->trial->attempts);
        put_params(j, r->study, e->trial);
    } else if (e->kind == RUN_EPOCH) {
        put_report(j, e->report);
    } else if (e->kind == RUN_TRIAL_END) {
        json_put_string(j, "state", hpo_trial_state_name(e->trial->state));
        json_put_number(j, "value", study_value(r->study, e->trial->value));
        json_put_number(j, "seconds", e->trial->seconds);
        json_put_string(j, "reason", e->trial->reason);
    } else if (e->kind == RUN_START || e->kind == RUN_END) {
        json_put_string(j, "study", r->study->config->study.name);
        json_put_string(j, "folder", r->study->dir);
        json_put_number(j, "finished", study_finished(r->study));
        json_put_number(j, "trials", study_wanted(r->study));
        json_put_number(j, "best", best ? best->number : NAN);
        json_put_number(j, "value", best ? study_value(r->study, best->value) : NAN);
        if (e->kind == RUN_END)
            json_put_string(j, "why", e->text);
    }
    emit(j);
}

static void close_view(struct view *v)
{
    (void)v;
}

const struct view_ops view_json = {decoding, data, event, close_view};
