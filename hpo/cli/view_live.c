/* The last lines of a terminal, redrawn: a line for the study, a row a running trial. Finished
 * trials scroll up above them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "hpo/cli/view.h"

#define DRAW_EVERY_S 0.15
#define BOLD "\033[1m"
#define DIM "\033[2m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define PLAIN "\033[0m"

static void erase(struct view *v)
{
    if (v->drawn)
        fprintf(stderr, "\033[%dA\r\033[J", v->drawn);
    v->drawn = 0;
}

/* One line, cut at the width of the terminal. Colours wrap it whole, so the cut never splits one.
 */
static void put_line(struct view *v, const char *text, const char *color)
{
    int width = terminal_width(STDERR_FILENO);
    int n = (int)strlen(text);

    if (width > 1 && n >= width)
        n = width - 1;
    if (v->color && color)
        fprintf(stderr, "%s%.*s%s\n", color, n, text, PLAIN);
    else
        fprintf(stderr, "%.*s\n", n, text);
    v->drawn++;
}

static void say(struct view *v, const char *text, const char *color)
{
    erase(v);
    if (v->color && color)
        fprintf(stderr, "%s%s%s\n", color, text, PLAIN);
    else
        fprintf(stderr, "%s\n", text);
}

static void decoding(struct view *v, int64_t done, int64_t total)
{
    double now = clock_monotonic(), gone = now - v->started;
    struct str s = {0};
    char buf[HPO_DOUBLE_TEXT];

    if (now - v->last_draw < DRAW_EVERY_S)
        return;
    v->last_draw = now;
    erase(v);
    str_addf(&s, "decoding images  %" PRId64 " / %" PRId64 "  %.0f images/s", done, total,
             gone > 0 ? (double)done / gone : 0);
    if (done)
        str_addf(&s, "  %s left", str_seconds(buf, gone / (double)done * (double)(total - done)));
    put_line(v, str_c(&s), NULL);
    str_release(&s);
}

static void data(struct view *v, const struct tr_dataset *d)
{
    struct str s = {0};

    str_addf(&s, "data: %" PRId64 " images, %d classes, ", d->images.n, d->images.classes);
    if (d->decoded)
        str_addf(&s, "%" PRId64 " decoded in %.1f s", d->decoded, d->decode_seconds);
    else
        str_add(&s, "from the cache");
    if (d->n_bad)
        str_addf(&s, "; %d images left out", d->n_bad);
    say(v, str_c(&s), DIM);
    str_release(&s);
}

/* How much of a trial is done, 0 .. 1: folds and epochs that are finished, and the steps of this
 * one. */
static double trial_done(const struct study *study, const struct run_slot *s)
{
    const struct pruner *p =
        study_pruner(study, s->trial->rung); /* it knows the steps of a trial */
    double inside = s->progress.steps > 0 ? (double)s->progress.step / s->progress.steps : 0;
    int beside = s->progress.folds > 1 && p->folds > 1 ? s->progress.folds : 1;
    int folds = p->folds, each = p->fold_steps, fold = folds > 1 ? s->progress.fold : 0;

    if (each < 1)
        return 0;
    return (fold * (double)each + beside * (s->progress.epoch + inside)) / ((double)folds * each);
}

static void add_bar(struct str *s, double part)
{
    int width = 20, full = (int)(part * width + 0.5);

    str_addc(s, '[');
    for (int i = 0; i < width; i++)
        str_addc(s, i < full ? '#' : '.');
    str_addc(s, ']');
}

/* "fold 0-2 epoch 3/10 " */
static void add_place(struct str *s, const struct run_slot *slot, const struct study_config *c)
{
    const struct objective_progress *p = &slot->progress;
    char buf[VIEW_FOLD];

    if (slot->waits) {
        str_add(s, "waits for memory ");
        return;
    }
    str_add(s, view_fold(buf, c, p->fold));
    if (p->folds > 1 && c->trainer.seeds > 1)
        str_addf(s, " and %d more", p->folds - 1);
    else if (p->folds > 1)
        str_addf(s, "-%d", p->fold + p->folds - 1);
    str_addf(s, " epoch %d/%d ", p->epoch + 1, c->max_epochs);
}

static void draw_slot(struct view *v, const struct run_slot *slot, const struct run_view *r)
{
    const struct study *study = r->study;
    struct str s = {0}, params = {0};
    char buf[HPO_DOUBLE_TEXT];

    str_addf(&s, " %-8s ", slot->device);
    if (!slot->trial) {
        str_add(&s, !slot->ready                        ? "starting"
                    : study_end(study) == STUDY_GOES_ON ? "idle: waits for others to end"
                                                        : "idle: no trial is left to start");
    } else {
        double part = trial_done(study, slot), gone = clock_monotonic() - slot->since;

        str_addf(&s, "#%-4d ", slot->trial->number);
        if (study->n_rungs > 1)
            str_addf(&s, "rung %d ", slot->trial->rung);
        if (objective_of(study->config)->trains)
            add_place(&s, slot, study_config_rung(study->config, slot->trial->rung));
        if (study_pruner(study, slot->trial->rung)->fold_steps > 0)
            add_bar(&s, part);
        if (isfinite(slot->value))
            str_addf(&s, " %.4f", slot->value);
        if (slot->progress.rate > 0)
            str_addf(&s, "  %.0f img/s", slot->progress.rate);
        if (part > 0.02 && slot->trial->attempts < 2)
            str_addf(&s, "  %s left", str_seconds(buf, gone / part * (1 - part)));
        view_params(r->study, slot->trial, &params);
        str_addf(&s, "  %s", str_c(&params));
    }
    put_line(v, str_c(&s), slot->trial ? NULL : DIM);
    str_release(&s);
    str_release(&params);
}

static void draw(struct view *v, const struct run_view *r)
{
    const struct study *s = r->study;
    const struct hpo_trial *best = s->best;
    double gone = clock_monotonic() - r->started;
    int finished = study_finished(s), done_now = finished - r->finished_before;
    int wanted = study_wanted(s), rung = study_rung_now(s);
    struct str line = {0};
    char buf[HPO_DOUBLE_TEXT];

    erase(v);
    /* What a narrow terminal cuts off comes last. */
    str_addf(&line, "%s  %d/%d", s->config->study.name, finished, wanted);
    if (s->n_rungs > 1 && rung < s->n_rungs)
        str_addf(&line, "  rung %d of %d: %d/%d", rung, s->n_rungs, study_finished_on(s, rung),
                 study_wanted_on(s, rung));
    if (best)
        str_addf(&line, "  best %.6g (#%d)", study_value(s, best->value), best->number);
    str_addf(&line, "  %s", str_seconds(buf, gone));
    /* A trial of another rung takes another time: what is left is not said by those of this one. */
    if (done_now > 0 && (s->n_rungs == 1 || rung == s->n_rungs - 1))
        str_addf(&line, " < %s", str_seconds(buf, gone / done_now * (wanted - finished)));
    str_addf(&line, "  %d running", study_running(s));
    if (s->count[HPO_TRIAL_PRUNED])
        str_addf(&line, ", %d pruned", s->count[HPO_TRIAL_PRUNED]);
    if (s->count[HPO_TRIAL_FAIL])
        str_addf(&line, ", %d failed", s->count[HPO_TRIAL_FAIL]);
    if (s->count[HPO_TRIAL_WAITING])
        str_addf(&line, ", %d waiting", s->count[HPO_TRIAL_WAITING]);
    str_addf(&line, "  %s %s", s->config->study.direction ? "maximize" : "minimize",
             s->config->study.metric_name);
    put_line(v, str_c(&line), BOLD);
    str_release(&line);
    for (int i = 0; i < r->n_slots; i++)
        if (r->slot[i].trial || !r->slot[i].spare)
            draw_slot(v, &r->slot[i], r);
    fflush(stderr);
}

static void event(struct view *v, const struct run_event *e, const struct run_view *r)
{
    double now = clock_monotonic();
    struct str s = {0};

    if (e->kind == RUN_START && r->study->resumed) {
        str_addf(&s, "going on with %s: %d of %d trials are finished", r->study->dir,
                 r->finished_before, study_wanted(r->study));
        say(v, str_c(&s), DIM);
    } else if (e->kind == RUN_TRIAL_END) {
        view_trial_end(r->study, e->trial, &s);
        say(v, str_c(&s),
            e->trial->state == HPO_TRIAL_FAIL ? RED
            : r->study->best == e->trial      ? GREEN
                                              : NULL);
    } else if (e->kind == RUN_NOTE) {
        say(v, e->text, RED);
    } else if (e->kind == RUN_PAUSING) {
        say(v, "stopping: checkpoints are being written (Ctrl-C again: at once)", NULL);
    } else if (e->kind == RUN_END) {
        erase(v);
    } else if (now - v->last_draw < DRAW_EVERY_S) {
        str_release(&s);
        return;
    }
    str_release(&s);
    if (e->kind != RUN_END)
        draw(v, r);
    v->last_draw = now;
}

static void close_view(struct view *v)
{
    erase(v);
    fflush(stderr);
}

const struct view_ops view_live = {decoding, data, event, close_view};
