/* A line an event, for pipes and log files. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "hpo/cli/view.h"

static void decoding(struct view *v, int64_t done, int64_t total)
{
    double now = clock_monotonic();

    if (now - v->last_draw < 2)
        return;
    v->last_draw = now;
    printf("decoding images: %" PRId64 " of %" PRId64 "\n", done, total);
    fflush(stdout);
}

static void data(struct view *v, const struct tr_dataset *d)
{
    (void)v;
    printf("data: %" PRId64 " images, %d classes", d->images.n, d->images.classes);
    if (d->decoded)
        printf(", %" PRId64 " decoded in %.1f s", d->decoded, d->decode_seconds);
    else
        printf(", from the cache");
    printf("\n");
    if (d->n_bad)
        printf("data: %d image%s left out (hpo data info lists them)\n", d->n_bad,
               d->n_bad == 1 ? " was" : "s were");
    fflush(stdout);
}

/* The loss of a row, or NaN: not every objective has one. */
static double train_loss(const struct hpo_epoch_report *row)
{
    for (int i = 0; i < row->n_metrics; i++)
        if (!strcmp(row->names[i], "train_loss"))
            return row->values[i];
    return NAN;
}

static void print_fold(const struct run_event *e, const struct run_view *r,
                       const struct hpo_epoch_report *row)
{
    const char *metric = r->study->config->study.metric_name;
    double value = e->report->value;
    char where[VIEW_FOLD];

    for (int i = 0; i < row->n_metrics; i++)
        if (!strcmp(row->names[i], metric))
            value = row->values[i];
    printf("trial %d %s epoch %d: %s %.4f", e->trial->number,
           view_fold(where, r->study->config, row->fold), row->epoch, metric, value);
    if (isfinite(train_loss(row)))
        printf(", train loss %.4f", train_loss(row));
    if (e->report->rate > 0) /* not of an epoch that an earlier run trained */
        printf(", %.0f images/s", e->report->rate / e->report->n_rows);
    printf("\n");
}

static void print_report(const struct run_event *e, const struct run_view *r)
{
    if (!objective_of(r->study->config)->trains)
        printf("trial %d step %" PRId64 ": %s %.6g\n", e->trial->number, e->report->step,
               r->study->config->study.metric_name, e->report->value);
    else
        for (int i = 0; i < e->report->n_rows; i++)
            print_fold(e, r, &e->report->rows[i]);
}

static void event(struct view *v, const struct run_event *e, const struct run_view *r)
{
    struct str s = {0}, rung = {0};

    (void)v;
    switch (e->kind) {
    case RUN_START:
        if (r->finished_before || r->study->resumed)
            printf("going on with %s: %d of %d trials are finished\n", r->study->dir,
                   r->finished_before, study_wanted(r->study));
        break;
    case RUN_TRIAL_START:
        view_rung(r->study, e->trial, &rung);
        view_params(r->study, e->trial, &s);
        printf("trial %d %s%s on %s%s%s\n", e->trial->number, str_c(&rung),
               e->trial->attempts > 1 ? "goes on" : "starts", e->slot->device, s.n ? ": " : "",
               str_c(&s));
        break;
    case RUN_EPOCH:
        if (!e->report->again)
            print_report(e, r);
        break;
    case RUN_TRIAL_END:
        view_trial_end(r->study, e->trial, &s);
        printf("%s\n", str_c(&s));
        break;
    case RUN_NOTE:
        printf("note: %s\n", e->text);
        break;
    case RUN_PAUSING:
        printf("stopping: checkpoints are being written\n");
        break;
    case RUN_TICK:
    case RUN_END:
        break;
    }
    str_release(&s);
    str_release(&rung);
    if (e->kind != RUN_TICK)
        fflush(stdout);
}

static void close_view(struct view *v)
{
    (void)v;
}

const struct view_ops view_plain = {decoding, data, event, close_view};
