/* hpo check STUDY.yaml: read everything, run nothing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "hpo/cli/args.h"
#include "hpo/cli/command.h"
#include "hpo/cli/data_print.h"
#include "hpo/cli/check_rungs.h"
#include "hpo/cli/paths.h"
#include "hpo/cli/study_data.h"
#include "hpo/devices.h"
#include "hpo/objective.h"
#include "hpo/study.h"

struct check_args {
    struct arg_texts sets;
    const char *runs;
    bool json;
};

static const struct arg table[] = {
    {"--set", ARG_TEXTS, offsetof(struct check_args, sets)},
    {"--dir", ARG_TEXT, offsetof(struct check_args, runs)},
    {"--json", ARG_FLAG, offsetof(struct check_args, json)},
    {NULL, ARG_FLAG, 0},
};

/* What a check found out. */
struct found {
    struct study_config *config;
    const char *runs;
    struct tr_dataset data;
    struct tr_folds folds;
    struct tr_audit audit;
    struct device_spec *device;
    int n_devices;
    const char *no_gpu;  /* why devices.use: auto means the CPU; NULL: it does not */
    const char *how;     /* the sampler goes about it; NULL: nothing to say */
    struct str weights;  /* what pretrained ones bring */
    struct tr_cost cost; /* of the configuration with every parameter at the middle of its range */
    int64_t count;       /* configurations of the space; -1: infinite */
    int64_t trials;      /* that there will be: a finite space may have fewer than study.trials */
    double train_images; /* of the whole study */
    struct check_rungs rungs;
};

static int middle_config(const struct study_config *c, struct arena *a, struct trial_config *ret,
                         struct hpo_err *err)
{
    double *values = ARENA_ARRAY(a, double, c->space.n + 1);

    study_middle(&c->space, values);
    return study_config_trial(c, values, a, ret, err);
}

/* Of a study that trains: its data, and what a trial costs; of one with rungs, on the last of them.
 */
static int find_training(struct found *f, struct arena *a, struct hpo_err *err)
{
    const struct study_config *c = study_config_rung(f->config, f->config->n_rungs - 1);
    struct trial_config middle;
    bool whole;
    int rc = study_data_open(c, &f->data, NULL, NULL, err);

    if (!rc)
        rc = study_data_check(f->config, &f->data, a, &f->folds, &f->audit, err);
    if (!rc)
        rc = study_space_check(c, &f->data, err);
    if (!rc)
        rc = study_rungs_check(f->config, NULL, NULL, err);
    if (!rc)
        rc = middle_config(c, a, &middle, err);
    if (!rc)
        rc = tr_pretrained_report(&middle.trainer, &f->data, &f->weights, &whole, err);
    if (!rc)
        rc = tr_cost(f->device[0].backend, &middle.trainer, &f->data, &f->cost, err);
    if (!rc)
        f->train_images = study_images_trained(c, &f->folds) * middle.trainer.epochs *
                          (double)f->trials;
    if (!rc)
        rc = check_rungs_find(f->config, f->device[0].backend, f->trials, a, &f->rungs, err);
    return rc;
}

static int find(struct found *f, struct arena *a, struct hpo_err *err)
{
    const struct study_config *c = f->config;
    const char *path;
    int rc = devices_resolve(c, a, &f->device, &f->n_devices, err);

    if (!rc && c->study.warm_start)
        rc = study_warm_start_find(c, f->runs, a, &path, err);
    if (rc)
        return rc;
    f->no_gpu = devices_missing(c);
    f->count = hpo_space_count(&c->space);
    f->trials = f->count >= 0 && f->count < c->study.trials ? f->count : c->study.trials;
    f->how = study_sampler_says(c, devices_slots(f->device, f->n_devices), a);
    return objective_of(c)->trains ? find_training(f, a, err) : 0;
}

static void print_space(const struct hpo_space *s, struct str *ret)
{
    char lo[HPO_DOUBLE_TEXT], hi[HPO_DOUBLE_TEXT], step[HPO_DOUBLE_TEXT];

    for (int i = 0; i < s->n; i++) {
        const struct hpo_param *p = &s->params[i];

        str_addf(ret, "  %-26s ", p->name);
        if (p->kind == HPO_PARAM_CATEGORICAL) {
            for (int k = 0; k < p->n_choices; k++)
                str_addf(ret, "%s%s", k ? ", " : "one of ", p->choices[k].text);
        } else {
            str_addf(ret, "%s from %s to %s%s", p->kind == HPO_PARAM_INT ? "whole" : "real",
                     str_double(lo, p->low), str_double(hi, p->high), p->log ? ", log" : "");
            if (p->step > 0 && !(p->kind == HPO_PARAM_INT && p->step == 1))
                str_addf(ret, " by %s", str_double(step, p->step));
        }
        for (int k = 0; k < p->n_when; k++) {
            const struct hpo_param *parent = &s->params[p->when[k].param];

            str_addf(ret, "%s%s is ", k ? " and " : ", when ", parent->name);
            for (int v = 0; v < p->when[k].n_values; v++)
                str_addf(ret, "%s%s", v ? " or " : "",
                         hpo_param_text(parent, p->when[k].values[v], lo));
        }
        str_addc(ret, '\n');
    }
}

/* What else decides how the study goes. */
static void print_rules(const struct study_config *c, struct str *ret)
{
    char buf[HPO_DOUBLE_TEXT];

    if (c->sampler.lag)
        str_addf(ret, "lag        %d: the same study every time, whatever runs at once\n",
                 c->sampler.lag);
    if (c->study.warm_start)
        str_addf(ret, "warm start the sampler knows the trials of %s\n", c->study.warm_start);
    if (c->n_enqueue)
        str_addf(ret, "enqueued   %d trial%s come%s first\n", c->n_enqueue,
                 c->n_enqueue == 1 ? "" : "s", c->n_enqueue == 1 ? "s" : "");
    if (isfinite(c->study.target))
        str_addf(ret, "target     %s\n", str_double(buf, c->study.target));
    if (c->study.patience)
        str_addf(ret, "patience   %d trials without a better one\n", c->study.patience);
}

static void print_objective(const struct study_config *c, struct str *ret)
{
    const struct hpo_plugin *p = &objective_of(c)->plugin;
    struct arena a = {0};

    str_addf(ret, "objective  %s: %s\n", p->name, p->help);
    for (const struct hpo_opt *o = p->opts; o && o->name; o++) {
        const char *text = hpo_opt_get(o, c->objective.priv, &a);

        if (text && (!o->def || strcmp(text, o->def)))
            str_addf(ret, "  %-26s %s\n", o->name, text);
    }
    arena_release(&a);
}

/* "one after the other, at most 3 at once" */
static void print_order(const struct study_config *c, struct str *ret)
{
    bool each = c->folds.order == TR_EPOCH_FIRST;

    str_add(ret, each ? "an epoch each" : "one after the other");
    if (c->folds.parallel > 0)
        str_addf(ret, ", %s%d at once", c->folds.parallel > 1 ? "at most " : "", c->folds.parallel);
    else if (each)
        str_add(ret, ", as many at once as memory holds");
    str_addc(ret, '\n');
}

/* "stratified, no group in two folds, " */
static void print_split(const struct found *f, struct str *ret)
{
    const struct folds_opts *o = &f->config->folds;
    bool given = f->data.folds != NULL;

    if (given)
        str_add(ret, "by the column 'fold', ");
    else
        str_add(ret, o->stratified ? "stratified, " : "not stratified, ");
    if (o->k == 1 && !given)
        str_addf(ret, "%.3g %% of the images validate, ",
                 100 * (double)f->folds.start[1] / (double)f->folds.n);
    if (f->folds.repeats > 1)
        str_addf(ret, "%d splits, ", f->folds.repeats);
    if (o->group)
        str_add(ret, "no group in two folds, ");
}

static void print_training(const struct found *f, struct str *ret)
{
    const struct study_config *c = study_config_rung(f->config, f->config->n_rungs - 1);

    str_addf(ret, "folds      %d of %d trained, ", study_config_folds_run(c), f->folds.k);
    print_split(f, ret);
    if (c->trainer.seeds > 1)
        str_addf(ret, "with %d seeds each, ", c->trainer.seeds);
    print_order(c, ret);
    if (f->weights.n)
        str_addf(ret, "weights    %s\n", str_c(&f->weights));
    data_print(&f->data, &f->folds, ret);
    str_addf(ret,
             "\ncost       with every parameter at the middle of its range%s:\n"
             "  weights            %.0f\n  multiply-adds      %.2f million an image, forward\n"
             "  memory             %.1f MB\n  images trained on  %.0f a trial",
             f->rungs.n ? ", on the last rung" : "", f->cost.weights, f->cost.macs * 1e-6,
             f->cost.bytes * 1e-6, f->train_images / (double)f->trials);
    if (f->rungs.n)
        str_addc(ret, '\n');
    else
        str_addf(ret, ", %.0f in all\n", f->train_images);
    check_rungs_print(&f->rungs, ret);
}

static void print_device(const struct device_spec *d, struct str *ret)
{
    if (d->packed)
        str_addf(ret, " %s (auto: measured while it runs, at most %d at once)", d->name, d->slots);
    else
        str_addf(ret, " %s (%d at once, %d thread%s each)", d->name, d->slots, d->threads,
                 d->threads == 1 ? "" : "s");
}

static void print_text(const struct found *f, struct str *ret)
{
    const struct study_config *c = f->config;
    char buf[HPO_DOUBLE_TEXT];

    str_addf(ret, "study      %s: %s %s, %d trials\n", c->study.name,
             c->study.direction ? "maximize" : "minimize", c->study.metric_name, c->study.trials);
    str_addf(ret, "sampler    %s", f->how ? f->how : hpo_plugin_of(c->sampler.part.ops)->name);
    str_addf(ret, "\npruner     %s\n", hpo_plugin_of(c->pruner.ops)->name);
    print_rules(c, ret);
    str_addf(ret, "space      %d parameter%s", c->space.n, c->space.n == 1 ? "" : "s");
    if (f->count >= 0)
        str_addf(ret, ", %s configuration%s", str_double(buf, (double)f->count),
                 f->count == 1 ? "" : "s");
    if (f->count >= 0 && f->count < c->study.trials)
        str_addf(ret, ": fewer than study.trials, the study ends when all are done");
    str_addc(ret, '\n');
    print_space(&c->space, ret);
    str_addf(ret, "devices   ");
    for (int i = 0; i < f->n_devices; i++)
        print_device(&f->device[i], ret);
    if (f->no_gpu)
        str_addf(ret, "; %s", f->no_gpu);
    str_addc(ret, '\n');
    if (objective_of(c)->trains)
        print_training(f, ret);
    else
        print_objective(c, ret);
}

static void print_json(const struct found *f, struct str *ret)
{
    const struct study_config *c = f->config;
    cJSON *j = cJSON_CreateObject(), *a;

    json_put_string(j, "study", c->study.name);
    json_put_string(j, "direction", c->study.direction ? "maximize" : "minimize");
    json_put_string(j, "metric", c->study.metric_name);
    json_put_number(j, "trials", c->study.trials);
    json_put_string(j, "sampler", hpo_plugin_of(c->sampler.part.ops)->name);
    json_put_string(j, "pruner", hpo_plugin_of(c->pruner.ops)->name);
    json_put_number(j, "parameters", c->space.n);
    json_put_number(j, "configurations", f->count >= 0 ? (double)f->count : NAN);
    a = cJSON_AddArrayToObject(j, "devices");
    for (int i = 0; i < f->n_devices; i++)
        cJSON_AddItemToArray(a, cJSON_CreateString(f->device[i].name));
    if (f->no_gpu)
        json_put_string(j, "no_gpu", f->no_gpu);
    json_put_string(j, "objective", objective_of(c)->plugin.name);
    if (objective_of(c)->trains) {
        cJSON_AddItemToObject(j, "data", data_json(&f->data, &f->folds));
        if (f->weights.n)
            json_put_string(j, "pretrained", str_c(&f->weights));
        a = cJSON_AddArrayToObject(j, "warnings");
        for (int i = 0; i < f->audit.n; i++)
            cJSON_AddItemToArray(a, cJSON_CreateString(f->audit.note[i]));
        json_put_number(j, "weights", f->cost.weights);
        json_put_number(j, "macs", f->cost.macs);
        json_put_number(j, "bytes", f->cost.bytes);
        json_put_number(j, "train_images",
                        f->rungs.n ? check_rungs_images(&f->rungs) : f->train_images);
        check_rungs_json(&f->rungs, j);
    }
    json_write(j, ret);
    str_addc(ret, '\n');
    cJSON_Delete(j);
}

static int run(int argc, char **argv, struct hpo_err *err)
{
    struct check_args args = {.runs = DEFAULT_RUNS};
    const char **rest = xcalloc((size_t)argc, sizeof(*rest)), *file;
    struct study_config config = {0};
    struct found f = {.config = &config};
    struct arena a = {0};
    struct str text = {0};
    int n, rc;

    rc = args_parse(table, &args, argc, argv, 1, rest, &n, err);
    if (!rc && n != 1)
        rc = hpo_fail(err, HPO_ECONFIG, "check: which study? usage: hpo check STUDY.yaml");
    if (!rc)
        rc = study_file_find(rest[0], args.runs, &a, &file, err);
    if (rc == HPO_EMISSING)
        rc = err->rc = HPO_ECONFIG;
    if (!rc)
        rc = study_read(&config, file, args.sets.item, args.sets.n, err);
    f.runs = args.runs;
    if (!rc)
        rc = find(&f, &a, err);
    if (!rc) {
        if (args.json)
            print_json(&f, &text);
        else
            print_text(&f, &text);
        fputs(str_c(&text), stdout);
    }
    str_release(&text);
    str_release(&f.weights);
    tr_folds_release(&f.folds);
    tr_dataset_close(&f.data);
    study_config_release(&config);
    arena_release(&a);
    free(rest);
    return !rc ? EXIT_DONE : rc == HPO_ECONFIG ? EXIT_MISTAKE : EXIT_FAILED;
}

const struct command_ops command_check = {
    .plugin = {.name = "check", .help = "Read a study and its data, say what it is, run nothing."},
    .usage = "check STUDY.yaml [--set KEY=VALUE]... [--dir DIR] [--json]\n\n"
             "  Prints the space, the devices, the data (classes, folds, mean and deviation) and\n"
             "  what a trial costs; every mistake in the file with its line.\n",
    .main = run,
};
