/* A line an event, for pipes and log files. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "hpo/cli/view.h"
#include "trainer/metric.h"

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

static void print_epoch(const struct run_event *e, const struct run_view *r)
{
    const struct study_config *c = r->study->config;

    for (int i = 0; i < e->n_epochs; i++) {
        const struct tr_epoch *x = &e->epoch[i];

        printf("trial %d fold %d epoch %d: %s %.4f, train loss %.4f", e->trial->number, x->fold,
               x->epoch, c->study.metric_name, x->values[c->metric], x->train_loss);
        if (x->images_per_s > 0) /* not of an epoch that an earlier run trained */
            printf(", %.0f images/s", x->images_per_s);
        printf("\n");
    }
}

static void event(struct view *v, const struct run_event *e, const struct run_view *r)
{
    struct str s = {0};

    (void)v;
    switch (e->kind) {
    case RUN_START:
        if (r->finished_before || r->study->resumed)
            printf("going on with %s: %d of %d trials are finished\n", r->study->dir,
                   r->finished_before, r->study->config->study.trials);
        break;
    case RUN_TRIAL_START:
        view_params(r->study, e->trial, &s);
        printf("trial %d %s on %s%s%s\n", e->trial->number,
               e->trial->attempts > 1 ? "goes on" : "starts", e->slot->device, s.n ? ": " : "",
               str_c(&s));
        break;
    case RUN_EPOCH:
        if (!e->again)
            print_epoch(e, r);
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
    if (e->kind != RUN_TICK)
        fflush(stdout);
}

static void close_view(struct view *v)
{
    (void)v;
}

const struct view_ops view_plain = {decoding, data, event, close_view};
