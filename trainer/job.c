#include "trainer/job.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/file.h"
#include "base/str.h"

/* The fold of the data whose images the training of this number validates on. */
int run_split(const struct tr_job *job, int fold)
{
    return fold % job->run;
}

static int64_t valid_rows(const struct tr_folds *f, int split)
{
    return f->start[split + 1] - f->start[split];
}

static int check(const struct tr_job *job, struct hpo_err *err)
{
    const struct tr_folds *f = job->folds;

    if (job->run < 1 || job->run > f->k || job->config->seeds < 1 ||
        job->run > TR_MAX_FOLDS / job->config->seeds)
        return hpo_fail(
            err, HPO_ECONFIG,
            "%d folds cannot be trained %d times: there are %d, and at most %d trainings", job->run,
            job->config->seeds, f->k, TR_MAX_FOLDS);
    if (f->n != job->data->images.n || f->n > INT32_MAX)
        return hpo_fail(err, HPO_ECONFIG, "the folds are not those of this data set");
    for (int i = 0; i < job->run; i++)
        if (valid_rows(f, i) < 1 || valid_rows(f, i) >= f->n)
            return hpo_fail(err, HPO_ECONFIG, "fold %d leaves nothing to train or validate on", i);
    if (job->config->epochs < 1 || job->config->batch_size < 1)
        return hpo_fail(err, HPO_ECONFIG, "there is nothing to train: %d epochs of batches of %d",
                        job->config->epochs, job->config->batch_size);
    return 0;
}

static void add_options(struct str *s, const struct hpo_opt *o, const void *base, struct arena *a)
{
    for (; o && o->name; o++) {
        const char *text = hpo_opt_get(o, base, a);

        str_addf(s, "%s: %s\n", o->name, text ? text : "");
    }
}

/* Everything that decides the bits of the training or what is made of them, as text. */
static void fingerprint(const struct tr_run *r, uint8_t ret[16])
{
    const struct tr_job *job = r->job;
    struct arena a = {0};
    struct str s = {0};
    XXH128_canonical_t sum;

    str_addf(&s, "data %s %lld %d %d %d\n", job->data->digest, (long long)job->data->images.n,
             job->data->images.h, job->data->images.w, job->data->images.classes);
    str_addf(&s, "run %d of %d, order %d, seed %llu\n", job->run, job->folds->k, (int)job->order,
             (unsigned long long)job->seed);
    for (int i = 0; metric_registry[i]; i++)
        str_addf(&s, "%s%s\n", i == job->objective ? "*" : "", metric_registry[i]->plugin.name);
    for (const struct hpo_section *sec = tr_sections; sec->path; sec++) {
        const void *base = (const char *)job->config + sec->offset;

        str_addf(&s, "[%s]\n", sec->path);
        add_options(&s, sec->opts, base, &a);
        if (sec->kinds) {
            const struct hpo_part *part = base;

            str_addf(&s, "type: %s\n", hpo_plugin_of(part->ops)->name);
            add_options(&s, hpo_plugin_of(part->ops)->opts, part->priv, &a);
        }
    }
    if (r->pretrained.path)
        str_addn(&s, (const char *)r->pretrained.digest, sizeof(r->pretrained.digest));
    str_addn(&s, (const char *)job->folds->fold,
             (size_t)job->folds->n * (size_t)job->folds->repeats * sizeof(int32_t));
    XXH128_canonicalFromHash(&sum, XXH3_128bits(s.s, s.n));
    memcpy(ret, sum.digest, 16);
    str_release(&s);
    arena_release(&a);
}

/* All folds train with the batch of the smallest, so that a fold's bits do not depend on the order
 * in which, or the neighbours beside which, it is trained. */
static int batch_of(const struct tr_job *job)
{
    int64_t batch = job->config->batch_size;

    for (int i = 0; i < job->run; i++) {
        int64_t rows = job->folds->n - valid_rows(job->folds, i);

        batch = rows < batch ? rows : batch;
    }
    return (int)batch;
}

/* In training, batch norm needs two values of a channel to have a variance. */
static int check_batch_norm(const struct kn_net *n, int batch, struct hpo_err *err)
{
    for (int i = 0; i < n->n_ops; i++) {
        const struct kn_tensor *t = &n->tensor[n->op[i].in];

        if (n->op[i].kind == KN_BATCH_NORM && (double)batch * t->h * t->w < 2)
            return hpo_fail(err, HPO_ECONFIG,
                            "%s: batch norm of a batch of one image of one pixel has no variance: "
                            "raise batch_size",
                            n->op[i].name);
    }
    return 0;
}

/* While others hold the memory that this job needs: its caller hears why, once, and may stop it. */
static int on_wait(void *arg, const char *why, struct hpo_err *err)
{
    struct tr_run *r = arg;

    if (!r->told_wait && r->job->waits)
        r->job->waits(r->job->arg, why);
    r->told_wait = true;
    return r->job->poll ? run_obey(r, r->job->poll(r->job->arg, NULL), true, err) : 0;
}

static double total_steps(const struct tr_run *r)
{
    double steps = 0;

    for (int i = 0; i < r->folds; i++)
        steps += (double)((r->job->folds->n - valid_rows(r->job->folds, run_split(r->job, i))) /
                          r->batch);
    return steps * r->config->epochs;
}

bool run_freezes(const struct tr_run *r, int epoch)
{
    const struct tr_model_opts *m = &r->config->model;

    return m->freeze == TR_FREEZE_BACKBONE && (!m->unfreeze_epoch || epoch < m->unfreeze_epoch);
}

bool run_unfreezes(const struct tr_run *r, int epoch)
{
    return epoch && run_freezes(r, epoch - 1) && !run_freezes(r, epoch);
}

static int plan_for(struct tr_run *r, int models, bool frozen, struct hpo_err *err)
{
    bool side_by_side = r->job->order == TR_EPOCH_FIRST;
    struct kn_net net = {0};
    struct tr_plan_request request = {
        .net = &net,
        .data = r->job->data,
        .batch = r->batch,
        .models = models,
        .like = side_by_side ? r->folds : 1,
        .precision = (enum kn_precision)r->config->precision,
        .optim = r->optimizer->kind,
        .steps = total_steps(r),
        .averaged = r->averaging->averages,
        .accumulate = r->config->optimizer.accumulate > 1,
        .last = models == 1,
        .wait = on_wait,
        .arg = r,
    };
    int rc = tr_build_net(r->config, &r->job->data->images, &net, err);

    for (int i = 0; i < r->job->run; i++)
        if (valid_rows(r->job->folds, i) > request.eval_rows)
            request.eval_rows = (int)valid_rows(r->job->folds, i);
    if (!rc)
        rc = check_batch_norm(&net, r->batch, err);
    if (!rc) {
        memcpy(r->rates, net.rates, sizeof(r->rates));
        request.freeze = frozen ? kn_net_head(&net) : 0;
        rc = tr_session_plan(r->session, &request, &r->plan, err);
        r->frozen = frozen;
    }
    kn_net_release(&net);
    r->need = request.ret_bytes;
    r->room = request.ret_free;
    return rc;
}

/* As many folds at once as were asked for and as memory holds: which of them train side by side
 * shows in no result. Groups are of one size, as far as that goes. Where some epochs train the head
 * alone, it is the others that need the memory. */
static int get_plan(struct tr_run *r, struct hpo_err *err)
{
    bool frozen = run_freezes(r, r->config->epochs - 1);
    int rc = HPO_ENOMEM;

    for (int most = r->models; rc == HPO_ENOMEM && most; most /= 2) {
        int groups = (r->folds + most - 1) / most;

        r->models = (r->folds + groups - 1) / groups;
        rc = plan_for(r, r->models, frozen, err);
    }
    if (rc == HPO_ENOMEM)
        hpo_fail_at(err, "model %s, batch_size %d", hpo_plugin_of(r->config->model.part.ops)->name,
                    r->config->batch_size);
    if (!rc && r->told_wait && r->job->waits)
        r->job->waits(r->job->arg, NULL);
    return rc;
}

int run_choose_plan(struct tr_run *r, struct hpo_err *err)
{
    bool frozen = run_freezes(r, r->place.epoch);

    return frozen == r->frozen ? 0 : plan_for(r, r->models, frozen, err);
}

static int out_of_memory(struct hpo_err *err, double bytes, const char *what)
{
    return hpo_fail(err, HPO_ENOMEM, "out of memory for %s (%.1f MiB)", what, bytes / 1048576.0);
}

/* The longest of the folds in each respect; what is then allocated fits every group. */
static int allocate(struct tr_run *r, struct hpo_err *err)
{
    size_t rows = 0, valid = 0, models = (size_t)r->models;
    size_t classes = (size_t)r->job->data->images.classes;
    size_t curve = (size_t)r->folds * (size_t)r->config->epochs;

    for (int i = 0; i < r->job->run; i++) {
        size_t v = (size_t)valid_rows(r->job->folds, i), t = (size_t)r->job->folds->n - v;

        rows = t > rows ? t : rows;
        valid = v > valid ? v : valid;
    }
    r->indices = calloc(models * rows, 2 * sizeof(int32_t));
    r->logits = calloc(models * valid, classes * sizeof(float));
    r->labels = calloc(valid, 2 * sizeof(int32_t));
    r->confusion = calloc(classes, classes * sizeof(int64_t));
    r->class_weights = calloc(classes, sizeof(float));
    r->factors = calloc((size_t)r->plan->net->n_params, sizeof(*r->factors));
    r->at.curve = calloc(curve, ((size_t)r->n_metrics + 1) * sizeof(double));
    r->timing.row = calloc(curve, 2 * sizeof(double));
    if (!r->indices || !r->logits || !r->labels || !r->confusion || !r->class_weights ||
        !r->factors || !r->at.curve || !r->timing.row)
        return out_of_memory(err,
                             4.0 * (double)(models * (2 * rows + valid * classes)) +
                                 8.0 * (double)(valid + classes * classes),
                             "row numbers and predictions");
    if (tr_metric_room_init(&r->metric_room, (int64_t)valid, (int)classes, err))
        return HPO_ENOMEM;
    r->pred = r->labels + valid;
    for (size_t m = 0; m < models; m++) {
        r->member[m].rows = r->indices + 2 * m * rows;
        r->member[m].order = r->indices + (2 * m + 1) * rows;
        r->member[m].probs = r->logits + m * valid * classes;
    }
    return run_oof_init(r, (int64_t)valid, err);
}

static int init_checkpoint(struct tr_run *r, struct hpo_err *err)
{
    struct ckpt_shape shape = {
        .folds = r->folds,
        .epochs = r->config->epochs,
        .metrics = r->n_metrics,
        .slots = kn_optim_slots(r->optimizer->kind),
        .weights = r->plan->net->n_weights,
        .buffers = r->plan->net->n_buffers,
        .all = r->job->order == TR_EPOCH_FIRST,
        .averaged = r->averaging->averages,
    };

    for (int i = 0; i < r->job->run; i++) {
        int64_t rows = r->job->folds->n - valid_rows(r->job->folds, i);

        if (rows / r->batch > shape.steps)
            shape.steps = (int)(rows / r->batch);
    }
    /* The step number names the dropout masks and is 32 bits wide. */
    if ((double)shape.steps * shape.epochs >= UINT32_MAX)
        return hpo_fail(err, HPO_ECONFIG, "%d epochs of %d steps are too many", shape.epochs,
                        shape.steps);
    fingerprint(r, shape.fingerprint);
    return ckpt_init(&r->ckpt, &shape, shape.all ? r->folds : r->models, err);
}

int run_init(struct tr_run *r, struct tr_session *s, const struct tr_job *job, struct hpo_err *err)
{
    struct kn_optim optim = {0};
    int rc;

    *r = (struct tr_run){
        .session = s,
        .job = job,
        .config = job->config,
        .optimizer = job->config->optimizer.part.ops,
        .averaging = job->config->average.ops,
        .schedule = job->config->schedule.ops,
        .folds = job->run * job->config->seeds,
        .started = clock_monotonic(),
    };
    r->optimizer->lower(job->config->optimizer.part.priv, &optim);
    r->has_momentum = kn_optim_has_momentum(&optim);
    while (metric_registry[r->n_metrics])
        r->n_metrics++;
    assert(r->n_metrics <= TR_MAX_METRICS);
    if (job->objective < 0 || job->objective >= r->n_metrics)
        return hpo_fail(err, HPO_ECONFIG, "there is no metric %d", job->objective);
    if (!tr_metric_judges(metric_registry[job->objective], job->data->images.classes))
        return hpo_fail(err, HPO_ECONFIG, "no training of %d classes can be judged by %s",
                        job->data->images.classes, metric_registry[job->objective]->plugin.name);
    rc = check(job, err);
    if (rc)
        return rc;
    r->batch = batch_of(job);
    r->models = job->parallel > 0 ? job->parallel : job->order == TR_EPOCH_FIRST ? r->folds : 1;
    if (r->models > r->folds)
        r->models = r->folds;
    rc = get_plan(r, err);
    if (!rc)
        rc = tr_pretrained_open(&r->pretrained, r->config, r->plan->net, err);
    if (!rc)
        rc = init_checkpoint(r, err);
    if (!rc)
        rc = allocate(r, err);
    return rc;
}

void run_release(struct tr_run *r)
{
    tr_session_done(r->session);
    tr_pretrained_close(&r->pretrained);
    ckpt_release(&r->ckpt);
    free(r->indices);
    free(r->logits);
    free(r->labels);
    free(r->confusion);
    tr_metric_room_release(&r->metric_room);
    free(r->class_weights);
    free(r->factors);
    free(r->at.curve);
    free(r->timing.row);
    run_oof_release(r);
}

double run_seconds(const struct tr_run *r)
{
    return r->earlier + clock_monotonic() - r->started;
}

double run_epoch_seconds(const struct tr_run *r)
{
    return r->epoch_before + clock_monotonic() - r->epoch_started;
}

static size_t row_index(const struct tr_run *r, int fold, int epoch)
{
    return (size_t)fold * (size_t)r->config->epochs + (size_t)epoch;
}

double *run_row(const struct tr_run *r, int fold, int epoch)
{
    return r->at.curve + row_index(r, fold, epoch) * ((size_t)r->n_metrics + 1);
}

int run_epochs_of(const struct tr_run *r, int fold)
{
    const struct tr_early_stopping *stop = &r->config->early_stopping;
    int done = r->at.place[fold].epoch, waited = 0;
    double sign = metric_registry[r->job->objective]->maximize ? 1 : -1, best = 0;

    for (int epoch = 0; stop->patience && epoch < done; epoch++) {
        double value = sign * run_row(r, fold, epoch)[r->job->objective];

        if (!epoch || value > best + stop->min_delta) {
            best = value;
            waited = 0;
        } else if (++waited >= stop->patience) {
            return epoch + 1;
        }
    }
    return r->config->epochs;
}

double *run_timing(const struct tr_run *r, int fold, int epoch)
{
    return r->timing.row + row_index(r, fold, epoch) * 2;
}

int run_obey(struct tr_run *r, enum tr_verdict v, bool saved, struct hpo_err *err)
{
    int rc = 0;

    if (v == TR_GO)
        return 0;
    if (v == TR_PRUNE) {
        r->pruned = true;
        return hpo_fail(err, HPO_ESTOPPED, "pruned");
    }
    if (!saved) {
        for (int i = 0; i < r->members; i++)
            r->timing.partial[r->member[i].fold] = run_epoch_seconds(r) / r->members;
        rc = run_fetch(r, err);
        if (!rc)
            rc = run_save(r, err);
    }
    return rc ? rc : hpo_fail(err, HPO_ESTOPPED, "paused, to be continued from its checkpoint");
}

int run_poll(struct tr_run *r, double loss, struct hpo_err *err)
{
    struct tr_progress p = {
        .fold = r->member[0].fold,
        .folds = r->members,
        .epoch = r->place.epoch,
        .step = r->place.step,
        .images_per_s = r->rate,
        .loss = loss,
        .work = r->work,
        .bytes = r->need,
        .bytes_free = r->room,
    };

    if (!r->job->poll)
        return 0;
    for (int i = 0; i < r->members; i++)
        if (r->member[i].steps > p.steps)
            p.steps = r->member[i].steps;
    return run_obey(r, r->job->poll(r->job->arg, &p), false, err);
}
