#include "hpo/cli/study_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hpo/devices.h"
#include "trainer/metric.h"
#include "trainer/trainer.h"

/* Is path the study.yaml of a study's folder? */
static bool is_of_study(const char *path, struct arena *a)
{
    const char *slash = strrchr(path, '/');

    return slash && !strcmp(slash, "/study.yaml") &&
           file_exists(arena_printf(a, "%.*s/study.db", (int)(slash - path), path));
}

static int open_sampler(const struct study_config *c, int parallel, struct sampler *ret,
                        struct arena *a, struct hpo_err *err)
{
    const struct sampler_study study = {
        .space = &c->space,
        .seed = (uint64_t)c->study.seed,
        .trials = c->study.trials,
        .parallel = parallel,
        .duplicates = c->sampler.duplicates == 1,
    };

    return sampler_open(ret, c->sampler.part.ops, c->sampler.part.priv, &study, a, err);
}

/* Would the sampler take this space? */
static int check_sampler(const struct study_config *c, struct hpo_err *err)
{
    struct arena a = {0};
    struct sampler s = {0};
    int rc = open_sampler(c, 1, &s, &a, err);

    if (rc)
        hpo_fail_at(err, "%s", c->file);
    else
        sampler_close(&s);
    arena_release(&a);
    return rc;
}

const char *study_sampler_says(const struct study_config *c, int parallel, struct arena *a)
{
    struct sampler s = {0};
    const char *ret = NULL;

    if (open_sampler(c, parallel, &s, a, NULL))
        return NULL;
    if (s.ops->describe)
        ret = arena_strdup(a, s.ops->describe(&s));
    sampler_close(&s);
    return ret;
}

int study_read(struct study_config *ret, const char *path, const char *const *sets, int n_sets,
               struct hpo_err *err)
{
    struct arena a = {0};
    struct diags diags = {.arena = &a};
    int rc = study_config_read(ret, path, sets, n_sets, &diags, err);

    if (rc && diags.n) {
        struct str text = {0};

        diag_print(&diags, &text);
        fputs(str_c(&text), stderr);
        str_release(&text);
        *err = (struct hpo_err){0};
        rc = HPO_ECONFIG;
    } else if (rc == HPO_EMISSING) {
        rc = hpo_fail(err, HPO_ECONFIG, "there is no study file '%s'%s", path,
                      is_of_study(path, &a)
                          ? ": hpo run with the file that the study was begun with writes it anew"
                          : "");
    } else if (!rc) {
        rc = check_sampler(ret, err);
    }
    arena_release(&a);
    return rc;
}

int study_data_open(const struct study_config *c, struct tr_dataset *ret,
                    tr_decode_progress_fn *progress, void *arg, struct hpo_err *err)
{
    struct tr_data_spec spec = {
        .path = c->data.path,
        .cache = c->data.cache,
        .image_size = c->data.image_size,
        .limit = c->data.limit,
        .seed = (uint64_t)c->study.seed,
        .resize = (enum tr_resize)c->data.resize,
        .on_error = (enum tr_on_error)c->data.on_error,
    };
    int rc = tr_dataset_open(ret, &spec, progress, arg, err);

    if (rc == HPO_EMISSING) {
        /* The folder or manifest that the file names is not there: a mistake with a place. */
        const struct yaml_node *n = yaml_get_path(c->tree, "data.path");

        rc = err->rc = HPO_ECONFIG;
        if (strstr(c->data.path, "/~"))
            hpo_fail(err, rc, "%s: does not exist ('~' is no home folder here: write its path)",
                     c->data.path);
        if (n && n->line)
            hpo_fail_at(err, "%s:%d:%d: data.path", n->file, n->line, n->column);
        else if (n && n->file)
            hpo_fail_at(err, "%s", n->file);
    }
    return rc;
}

int study_content(const struct study_config *c, const struct tr_dataset *d, struct str *ret,
                  struct hpo_err *err)
{
    const char *path = c->trainer.model.pretrained;
    char digest[33];
    int rc;

    str_add(ret, d->digest);
    if (!path)
        return 0;
    rc = tr_pretrained_digest(path, digest, err);
    if (rc)
        return hpo_fail_at(err, "trainer.model.pretrained"), rc;
    str_addf(ret, ", weights %s", digest);
    return 0;
}

int study_weights_check(const struct study_config *c, const struct tr_dataset *d,
                        struct hpo_err *err)
{
    double *values = xcalloc((size_t)c->space.n + 1, sizeof(*values));
    struct trial_config t;
    struct str text = {0};
    struct arena a = {0};
    bool whole = true;
    int rc;

    study_middle(&c->space, values);
    rc = study_config_trial(c, values, &a, &t, err);
    if (!rc)
        rc = tr_pretrained_report(&t.trainer, d, &text, &whole, err);
    if (rc)
        hpo_fail_at(err, "%s", c->file);
    if (!rc && !whole)
        fprintf(stderr, "hpo: pretrained weights: %s\n", str_c(&text));
    str_release(&text);
    arena_release(&a);
    free(values);
    return rc;
}

/* Some metrics exist for so many classes alone, which only the data tell. */
static int check_metric(const struct study_config *c, int classes, struct hpo_err *err)
{
    const struct metric_ops *m = metric_registry[c->metric];
    const struct yaml_node *n = yaml_get_path(c->tree, "study.metric");

    if (tr_metric_judges(m, classes))
        return 0;
    hpo_fail(err, HPO_ECONFIG, "%s is a metric of %d classes%s, and %s has %d", m->plugin.name,
             m->min_classes, m->max_classes ? "" : " or more", c->data.path, classes);
    if (n && n->line)
        hpo_fail_at(err, "%s:%d:%d: study.metric", n->file, n->line, n->column);
    else
        hpo_fail_at(err, "%s: study.metric", c->file);
    return HPO_ECONFIG;
}

int study_data_check(struct study_config *c, const struct tr_dataset *d, struct arena *a,
                     struct tr_folds *ret, struct tr_audit *ret_audit, struct hpo_err *err)
{
    int members = 0, rc;

    for (int i = 0; i < d->images.classes; i++)
        members += d->class_counts[i] > 0;
    if (members < 2)
        return hpo_fail(err, HPO_ECONFIG,
                        "%s: all images are of the class '%s': it takes two classes or more",
                        c->data.path, d->images.classes ? d->class_names[0] : "");
    rc = check_metric(c, d->images.classes, err);
    if (!rc)
        rc = study_config_make_folds(c, d, ret, err);
    if (!rc)
        rc = study_config_settle_folds(c, d, err);
    if (rc)
        return rc;
    tr_audit(d, ret, c->folds.group, a, ret_audit);
    for (int i = 0; i < ret_audit->n; i++)
        fprintf(stderr, "hpo: %s\n", ret_audit->note[i]);
    return 0;
}

int study_rungs_check(const struct study_config *c, tr_decode_progress_fn *progress, void *arg,
                      struct hpo_err *err)
{
    int rc = 0;

    for (int i = 0; i < c->n_rungs - 1 && !rc; i++) {
        const struct study_config *rung = study_config_rung(c, i);
        struct tr_dataset data = {0};
        struct tr_folds folds = {0};

        rc = study_data_open(rung, &data, progress, arg, err);
        if (!rc)
            rc = study_config_make_folds(rung, &data, &folds, err);
        if (!rc)
            rc = study_space_check(rung, &data, err);
        tr_folds_release(&folds);
        tr_dataset_close(&data);
        if (rc)
            hpo_fail_at(err, "fidelity: rung %d", i);
    }
    return rc;
}

double study_images_trained(const struct study_config *c, const struct tr_folds *folds)
{
    int64_t rows = 0;

    for (int i = 0; i < study_config_folds_run(c) && i < folds->k; i++)
        rows += folds->n - (folds->start[i + 1] - folds->start[i]);
    return (double)rows * c->trainer.seeds;
}

void study_middle(const struct hpo_space *space, double *ret)
{
    for (int i = 0; i < space->n; i++)
        ret[i] = hpo_param_decode(&space->params[i], 0.5);
    hpo_space_mask(space, ret);
}

/* Of a whole number with more values than this only the ends are tried. */
#define MAX_TRIED 256

/* What the configurations of a study are checked against. */
struct site {
    const struct study_config *c;
    const struct tr_dataset *d;
    const struct device_spec *device;
    int n_devices;
};

/* One configuration; param >= 0: the one that was moved off the middle, for the message. */
static int check_values(const struct site *site, const double *values, int param,
                        struct hpo_err *err)
{
    const struct study_config *c = site->c;
    struct arena a = {0};
    struct trial_config t;
    struct tr_dataset resized = *site->d;
    char buf[HPO_DOUBLE_TEXT];
    int rc = study_config_trial(c, values, &a, &t, err);

    if (!rc) {
        resized.images.h = resized.images.w = t.image_size;
        for (int i = 0; i < site->n_devices && !rc; i++)
            if (i == 0 || site->device[i].backend != site->device[i - 1].backend)
                rc = tr_check(site->device[i].backend, &t.trainer, &resized, err);
    }
    if (rc && param >= 0)
        hpo_fail_at(err, "%s: with %s: %s", c->file, c->space.params[param].name,
                    hpo_param_text(&c->space.params[param], values[param], buf));
    else if (rc)
        hpo_fail_at(err, "%s", c->file);
    arena_release(&a);
    return rc;
}

/* Give the parents of parameter i values with which it is active. */
static void wake(const struct hpo_space *s, int i, double *values)
{
    for (int k = 0; k < s->params[i].n_when; k++) {
        values[s->params[i].when[k].param] = s->params[i].when[k].values[0];
        wake(s, s->params[i].when[k].param, values);
    }
}

int study_space_check(const struct study_config *c, const struct tr_dataset *d, struct hpo_err *err)
{
    const struct hpo_space *s = &c->space;
    double *values = xmalloc(sizeof(*values) * ((size_t)s->n + 1));
    struct site site = {.c = c, .d = d};
    struct device_spec *device = NULL;
    struct arena a = {0};
    int rc = devices_resolve(c, &a, &device, &site.n_devices, err);

    site.device = device;
    study_middle(s, values);
    if (!rc)
        rc = check_values(&site, values, -1, err);
    for (int i = 0; i < s->n && !rc; i++) {
        const struct hpo_param *p = &s->params[i];
        int64_t count = hpo_param_count(p);
        bool every = p->kind == HPO_PARAM_CATEGORICAL || (count > 0 && count <= MAX_TRIED);
        int tries = every ? (int)count : 2;

        for (int k = 0; k < tries && !rc; k++) {
            /* Children of what is moved may wake up, at their own middle. */
            for (int q = 0; q < s->n; q++)
                values[q] = hpo_param_decode(&s->params[q], 0.5);
            wake(s, i, values);
            values[i] = every ? hpo_param_at(p, k) : k ? p->high : p->low;
            hpo_space_mask(s, values);
            if (hpo_param_active(s, i, values))
                rc = check_values(&site, values, i, err);
        }
    }
    arena_release(&a);
    free(values);
    return rc;
}
