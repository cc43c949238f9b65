/* What workers say, and what follows from it. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hpo/controller_impl.h"

void run_emit(struct run *r, struct run_event e)
{
    if (r->o->event)
        r->o->event(r->o->arg, &e, &r->view);
}

void run_note(struct run *r, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    run_emit(r, (struct run_event){.kind = RUN_NOTE, .text = text});
}

struct study_trial *run_held_by(const struct run *r, const struct run_slot *s)
{
    return s->trial ? r->study->trial[s->trial->number] : NULL;
}

void run_vacate(struct run_slot *s)
{
    s->trial = NULL;
    s->progress = (struct objective_progress){0};
    s->value = NAN;
    s->first_step = 0;
    s->stopped = 0;
    s->late = s->waits = false;
}

void run_tidy(struct run *r, const struct hpo_trial *t)
{
    const struct hpo_trial *best = r->study->best;
    const struct objective_ops *o = objective_of(r->study->config);
    struct arena a = {0};

    if (o->needs_dir && !(o->keeps_dirs && o->keeps_dirs(r->study->config)) &&
        hpo_trial_finished(t) && t != best)
        file_remove_tree(study_trial_dir(r->study->dir, t->number, &a), NULL);
    arena_release(&a);
}

int run_end_trial(struct run *r, struct run_slot *s, enum hpo_trial_state state,
                  const struct objective_result *result, const char *reason, double seconds,
                  struct hpo_err *err)
{
    struct storage *storage = &r->study->storage;
    struct study_trial *t = run_held_by(r, s);
    int rc = r->grouped ? 0 : storage->ops->begin(storage, err);

    if (rc)
        return rc;
    r->grouped = true;
    rc = study_finish(r->study, t, state, result, reason, seconds, err);
    if (rc)
        return rc;
    r->ended_slot[r->n_ended] = s;
    r->ended[r->n_ended++] = &t->t;
    run_vacate(s);
    return 0;
}

int run_settle(struct run *r, struct hpo_err *err)
{
    struct storage *storage = &r->study->storage;
    const struct hpo_trial *best = r->best;
    int rc = r->grouped ? storage->ops->commit(storage, err) : 0;

    r->grouped = false;
    for (int i = 0; i < r->n_ended && !rc; i++) {
        run_emit(r, (struct run_event){
                        .kind = RUN_TRIAL_END, .slot = r->ended_slot[i], .trial = r->ended[i]});
        run_tidy(r, r->ended[i]);
    }
    r->n_ended = 0;
    r->best = r->study->best;
    if (!rc && best && best != r->best)
        run_tidy(r, best); /* it is the best no more */
    return rc;
}

void run_stop(struct run *r, struct worker_proc *w, struct run_slot *s, bool late)
{
    cJSON *m = message_new("stop");

    (void)r;
    json_put_number(m, "slot", (int)(s - w->slot));
    json_put_number(m, "trial", s->trial->number);
    message_send(w->fd, m);
    s->stopped = clock_monotonic();
    s->late = late;
}

static int on_report(struct run *r, struct worker_proc *w, struct run_slot *s, const cJSON *m,
                     struct hpo_err *err)
{
    struct study_trial *t = run_held_by(r, s);
    struct message_report report;
    bool prune = false;
    cJSON *answer;
    int rc;

    if (!message_get_report(m, &report))
        return hpo_fail(err, HPO_EFORMAT, "the worker on %s sent a broken report", w->device->name);
    rc = study_report(r->study, t, &report.r, &prune, err);
    if (rc)
        return rc;
    s->value = report.r.value;
    if (!report.r.again) { /* it works */
        w->faults = 0;
        w->fault_spread = false;
    }
    /* What was answered "go" in an earlier attempt is not asked again: the trial would end where it
     * did not when it was left alone. */
    answer = message_new("answer");
    json_put_number(answer, "slot", (int)(s - w->slot));
    json_put_string(answer, "verdict",
                    prune && !report.r.again ? "prune"
                    : r->pausing             ? "pause"
                                             : "go");
    message_send(w->fd, answer);
    run_emit(r,
             (struct run_event){.kind = RUN_EPOCH, .slot = s, .trial = &t->t, .report = &report.r});
    return 0;
}

/* What came of trying another number of trials at once. */
static void on_packing(struct run *r, const struct worker_proc *w, enum packing_news news)
{
    char text[160];

    if (news != PACKING_SETTLED)
        return;
    packing_say(&w->packing, text, sizeof(text));
    run_note(r, "%s: %s", w->device->name, text);
}

static double amount(const cJSON *m, const char *key)
{
    double v = json_get_number(m, key);

    return isfinite(v) && v > 0 ? v : 0;
}

static void on_load(struct run *r, struct worker_proc *w, const cJSON *m)
{
    const struct packing_sample sample = {
        .training = message_int(m, "training", 0),
        .seconds = amount(m, "seconds"),
        .work = amount(m, "work"),
        .bytes = amount(m, "bytes"),
        .bytes_free = amount(m, "bytes_free"),
    };

    if (w->device->packed)
        on_packing(r, w, packing_feed(&w->packing, &sample));
}

/* What a trial waits does not count as its time. */
static void on_waits(struct run *r, struct worker_proc *w, struct run_slot *s, const cJSON *m)
{
    const char *why = json_get_string(m, "why");
    double now = clock_monotonic();
    int training = 0;

    if (!why && s->waits)
        s->since += now - s->waits_since;
    s->waits = why != NULL;
    s->waits_since = now;
    if (!why)
        return;
    run_note(r, "trial %d waits on %s: %s", s->trial->number, w->device->name, why);
    for (int i = 0; i < w->device->slots; i++)
        training += w->slot[i].trial && !w->slot[i].waits;
    if (w->device->packed)
        on_packing(r, w, packing_full(&w->packing, training));
}

static void on_progress(struct run_slot *s, const cJSON *m)
{
    s->progress = (struct objective_progress){
        .folds = message_int(m, "folds", 0),
        .fold = message_int(m, "fold", 0),
        .epoch = message_int(m, "epoch", 0),
        .step = message_int(m, "step", 0),
        .steps = message_int(m, "steps", 0),
        .rate = json_get_number(m, "rate"),
        .loss = json_get_number(m, "loss"),
    };
    if (s->first_step == 0)
        s->first_step = clock_monotonic();
}

int run_end_stopped(struct run *r, struct run_slot *s, double seconds, struct hpo_err *err)
{
    char limit[HPO_DOUBLE_TEXT], reason[128];

    /* A report is a value to go by; a trial that was stopped before its first has none. */
    if (!s->late || s->trial->n_points)
        return run_end_trial(r, s, HPO_TRIAL_PRUNED, NULL, NULL, seconds, err);
    snprintf(reason, sizeof(reason), "it took longer than study.max_seconds (%s) without a report",
             str_seconds(limit, r->study->config->study.max_seconds));
    return run_end_trial(r, s, HPO_TRIAL_FAIL, NULL, reason, seconds, err);
}

/* The end of a trial, in one of its four ways. */
static int on_trial_over(struct run *r, struct worker_proc *w, struct run_slot *s, const char *op,
                         const cJSON *m, struct hpo_err *err)
{
    const char *reason = json_get_string(m, "reason");
    double seconds = json_get_number(m, "seconds");
    int rc = message_int(m, "rc", 0);
    struct objective_result result;

    if (!strcmp(op, "done")) {
        if (!message_get_result(m, &result))
            return hpo_fail(err, HPO_EFORMAT, "the worker on %s sent a broken result",
                            w->device->name);
        return run_end_trial(r, s, HPO_TRIAL_COMPLETE, &result, NULL, result.seconds, err);
    }
    if (!strcmp(op, "pruned"))
        return run_end_stopped(r, s, seconds, err);
    if (!strcmp(op, "failed")) {
        if (rc == HPO_EDEVICE) { /* the worker's death says the rest */
            run_device_failed(w, s->trial->number, reason);
            return 0;
        }
        /* Disk full, files gone: not the trial's fault. It stays as it is; the run ends. */
        if (rc == HPO_EIO || rc == HPO_EMISSING)
            return hpo_fail(err, rc, "%s", reason ? reason : hpo_rc_text(rc));
        return run_end_trial(r, s, HPO_TRIAL_FAIL, NULL, reason ? reason : "no reason was given",
                             isfinite(seconds) ? seconds : 0, err);
    }
    study_release(r->study, run_held_by(r, s)); /* paused */
    run_vacate(s);
    return 0;
}

int run_handle(struct run *r, struct worker_proc *w, const cJSON *m, struct hpo_err *err)
{
    const char *op = json_get_string(m, "op");
    int index = message_int(m, "slot", -1);
    struct run_slot *s = index >= 0 && index < w->device->slots ? &w->slot[index] : NULL;

    if (!strcmp(op, "ready")) {
        const char *about = json_get_string(m, "about");

        if (about && !w->introduced)
            run_note(r, "%s is %s", w->device->name, about);
        w->introduced = true;
        w->ready = true;
        w->early_deaths = 0;
        for (int i = 0; i < w->device->slots; i++)
            w->slot[i].ready = true;
        return 0;
    }
    if (!strcmp(op, "broken")) {
        const char *reason = json_get_string(m, "reason");
        int rc = message_int(m, "rc", 0);

        if (rc == HPO_EDEVICE || rc == HPO_ENOMEM) { /* that may pass */
            run_device_failed(w, -1, reason);
            return 0;
        }
        w->given_up = true;
        run_note(r, "%s cannot be used: %s", w->device->name,
                 reason ? reason : "no reason was given");
        return 0;
    }
    if (!s || !s->trial || message_int(m, "trial", -1) != s->trial->number)
        return hpo_fail(err, HPO_EFORMAT, "the worker on %s spoke of a trial it does not have",
                        w->device->name);
    if (!strcmp(op, "progress")) {
        on_progress(s, m);
        on_load(r, w, m);
        return 0;
    }
    if (!strcmp(op, "waits")) {
        on_waits(r, w, s, m);
        return 0;
    }
    if (!strcmp(op, "report"))
        return on_report(r, w, s, m, err);
    return on_trial_over(r, w, s, op, m, err);
}

cJSON *run_answer(void *run, const cJSON *request)
{
    struct run *r = run;
    const struct study_config *c = r->study->config;
    const cJSON *set = cJSON_GetObjectItemCaseSensitive(request, "set"), *item;
    int n = cJSON_IsArray(set) ? cJSON_GetArraySize(set) : 0, k = 0, number = 0, rc;
    double *values = xmalloc(sizeof(*values) * (size_t)(c->space.n + 1));
    const char **pairs = xcalloc((size_t)n + 1, sizeof(*pairs));
    struct hpo_err err = {0};
    cJSON *answer;

    cJSON_ArrayForEach(item, set)
    {
        pairs[k++] = cJSON_IsString(item) ? item->valuestring : "";
    }
    if (strcmp(json_get_string(request, "op"), "enqueue"))
        rc = hpo_fail(&err, HPO_EFORMAT, "the study does not know what to do with this request");
    else
        rc = study_config_values(c, pairs, n, values, &err);
    if (!rc)
        rc = study_enqueue(r->study, values, &number, &err);
    answer = message_new(rc ? "refused" : "enqueued");
    if (rc) {
        json_put_number(answer, "rc", rc);
        json_put_string(answer, "reason", err.msg);
    } else {
        json_put_number(answer, "trial", number);
        /* What is asked for runs on the first rung. */
        json_put_number(answer, "finished", study_finished_on(r->study, 0));
        json_put_number(answer, "trials", c->study.trials);
        run_note(r, "trial %d was asked for (hpo enqueue)", number);
    }
    free(values);
    free(pairs);
    return answer;
}
