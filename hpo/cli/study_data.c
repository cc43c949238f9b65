#include "hpo/cli/study_data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "trainer/data/folds.h"
#include "trainer/trainer.h"

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
        rc = hpo_fail(err, HPO_ECONFIG, "there is no study file '%s'", path);
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
        if (n && n->line)
            hpo_fail_at(err, "%s:%d:%d: data.path", n->file, n->line, n->column);
    }
    return rc;
}

int study_data_check(const struct study_config *c, const struct tr_dataset *d, struct hpo_err *err)
{
    struct tr_folds folds = {0};
    int thin = -1, rc;

    rc = tr_folds_make(&folds, d->images.labels, d->images.n, d->images.classes, c->folds.k,
                       c->folds.stratified, (uint64_t)c->study.seed, &thin, err);
    if (!rc && thin >= 0)
        fprintf(stderr,
                "hpo: class '%s' has %" PRId64 " images, fewer than the %d folds: some folds "
                "validate without it\n",
                d->class_names[thin], d->class_counts[thin], c->folds.k);
    tr_folds_release(&folds);
    return rc;
}

void study_middle(const struct hpo_space *space, double *ret)
{
    for (int i = 0; i < space->n; i++)
        ret[i] = hpo_param_decode(&space->params[i], 0.5);
    hpo_space_mask(space, ret);
}

/* One configuration; param >= 0: the one that was moved off the middle, for the message. */
static int check_values(const struct study_config *c, const struct tr_dataset *d,
                        const double *values, int param, struct hpo_err *err)
{
    struct arena a = {0};
    struct trial_config t;
    struct tr_dataset resized = *d;
    char buf[HPO_DOUBLE_TEXT];
    int rc = study_config_trial(c, values, &a, &t, err);

    if (!rc) {
        resized.images.h = resized.images.w = t.image_size;
        rc = tr_check(&t.trainer, &resized, err);
    }
    if (rc && param >= 0)
        hpo_fail_at(err, "%s: with %s: %s", c->file, c->space.params[param].name,
                    hpo_param_text(&c->space.params[param], values[param], buf));
    else if (rc)
        hpo_fail_at(err, "%s", c->file);
    arena_release(&a);
    return rc;
}

int study_space_check(const struct study_config *c, const struct tr_dataset *d, struct hpo_err *err)
{
    const struct hpo_space *s = &c->space;
    double *values = xmalloc(sizeof(*values) * ((size_t)s->n + 1));
    int rc;

    study_middle(s, values);
    rc = check_values(c, d, values, -1, err);
    for (int i = 0; i < s->n && !rc; i++) {
        const struct hpo_param *p = &s->params[i];
        int tries = p->kind == HPO_PARAM_CATEGORICAL ? p->n_choices : 2;

        for (int k = 0; k < tries && !rc; k++) {
            study_middle(s, values);
            values[i] = p->kind == HPO_PARAM_CATEGORICAL ? k : k ? p->high : p->low;
            /* Children of what was moved may wake up, at their own middle. */
            for (int q = 0; q < s->n; q++)
                if (q != i)
                    values[q] = hpo_param_decode(&s->params[q], 0.5);
            hpo_space_mask(s, values);
            if (hpo_param_active(s, i, values))
                rc = check_values(c, d, values, i, err);
        }
    }
    free(values);
    return rc;
}
