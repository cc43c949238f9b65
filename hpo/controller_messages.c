/* What workers say, and what follows from it. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
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
    s->progress = (struct tr_progress){0};
    s->value = NAN;
    s->first_step = 0;
}

void run_tidy(struct run *r, const struct hpo_trial *t)
{
    const struct hpo_trial *best = hpo_history_best(&r->study->history);
    struct arena a = {0};

    if (hpo_trial_finished(t) && t != best)
        file_remove_tree(study_trial_dir(r->study->dir, t->number, &a), NULL);
    arena_release(&a);
}

int run_end_trial(struct run *r, struct run_slot *s, enum hpo_trial_state state,
                     const struct tr_result *result, const char *reason, double seconds,
                     struct hpo_err *err)
{
    struct study_trial *t = run_held_by(r, s);
    const struct hpo_trial *best = hpo_history_best(&r->study->history);
    int rc = study_finish(r->study, t, state, result, reason, seconds, err);

    if (rc)
        return rc;
    run_emit(r, (struct run_event){.kind = RUN_TRIAL_END, .slot = s, .trial = &t->t});
    run_vacate(s);
    run_tidy(r, &t->t);
    if (best)
        run_tidy(r, best); /* it may be the best no more */
    return 0;
}

static int on_epoch(struct run *r, struct worker_proc *w, struct run_slot *s, const cJSON *m,
                    struct hpo_err *err)
{
    struct tr_epoch e[TR_MAX_FOLDS];
    bool again = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(m, "again")), prune = false;
    int n = message_get_epochs(m, e, TR_MAX_FOLDS), rc;
    struct study_trial *t = run_held_by(r, s);
    cJSON *answer;

    if (n < 1 || e[0].n_values <= r->study->config->metric)
        return hpo_fail(err, HPO_EFORMAT, "the worker on %s sent a broken report", w->device->name);
    rc = study_report(r->study, t, e, n, &prune, err);
    if (rc)
        return rc;
    s->value = 0;
    for (int i = 0; i < n; i++)
        s->value += e[i].values[r->study->config->metric] / n;
    /* What was answered "go" in an earlier attempt is not asked again: the trial would end where it
     * did not when it was left alone. */
    answer = message_new("answer");
    json_put_number(answer, "slot", (int)(s - w->slot));
    json_put_string(answer, "verdict", prune && !again ? "prune" : r->pausing ? "pause" : "go");
    message_send(w->fd, answer);
    run_emit(r, (struct run_event){.kind = RUN_EPOCH, .slot = s, .trial = &t->t, .epoch = e,
                               .n_epochs = n, .again = again});
    return 0;
}

static void on_progress(struct run_slot *s, const cJSON *m)
{
    s->progress = (struct tr_progress){
        .fold = message_int(m, "fold", 0),
        .epoch = message_int(m, "epoch", 0),
        .step = message_int(m, "step", 0),
        .steps = message_int(m, "steps", 0),
        .images_per_s = json_get_number(m, "rate"),
        .loss = json_get_number(m, "loss"),
    };
    if (s->first_step == 0)
        s->first_step = clock_monotonic();
}

/* The end of a trial, in one of its four ways. */
static int on_trial_over(struct run *r, struct worker_proc *w, struct run_slot *s, const char *op,
                         const cJSON *m, struct hpo_err *err)
{
    const char *reason = json_get_string(m, "reason");
    double seconds = json_get_number(m, "seconds");
    int rc = message_int(m, "rc", 0);
    struct tr_result result;

    if (!strcmp(op, "done")) {
        if (!message_get_result(m, &result))
            return hpo_fail(err, HPO_EFORMAT, "the worker on %s sent a broken result",
                            w->device->name);
        return run_end_trial(r, s, HPO_TRIAL_COMPLETE, &result, NULL, result.seconds, err);
    }
    if (!strcmp(op, "pruned"))
        return run_end_trial(r, s, HPO_TRIAL_PRUNED, NULL, NULL, seconds, err);
    if (!strcmp(op, "failed")) {
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
        w->ready = true;
        w->early_deaths = 0;
        for (int i = 0; i < w->device->slots; i++)
            w->slot[i].ready = true;
        return 0;
    }
    if (!strcmp(op, "broken")) {
        const char *reason = json_get_string(m, "reason");

        w->given_up = true;
        run_note(r, "%s cannot be used: %s", w->device->name, reason ? reason : "no reason was given");
        return 0;
    }
    if (!s || !s->trial || message_int(m, "trial", -1) != s->trial->number)
        return hpo_fail(err, HPO_EFORMAT, "the worker on %s spoke of a trial it does not have",
                        w->device->name);
    if (!strcmp(op, "progress")) {
        on_progress(s, m);
        return 0;
    }
    if (!strcmp(op, "epoch"))
        return on_epoch(r, w, s, m, err);
    return on_trial_over(r, w, s, op, m, err);
}

