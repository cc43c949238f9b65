/* The folds that a study asks for, of the data that it names. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "hpo/config.h"
#include "trainer/data/dataset.h"
#include "trainer/data/folds.h"
#include "trainer/data/mistakes.h"

#define DEFAULT_VALID 0.2

int study_config_folds(const struct study_config *c)
{
    return c->folds.k * c->folds.repeats;
}

int study_config_folds_run(const struct study_config *c)
{
    return c->folds.run > 0 ? c->folds.run : study_config_folds(c);
}

int study_config_trainings(const struct study_config *c)
{
    return study_config_folds_run(c) * c->trainer.seeds;
}

/* In the tree too, where it was put when auto was found. */
static void set_k(struct study_config *c, int k, struct arena *a)
{
    struct yaml_node *n = yaml_get_path(c->tree, "data.folds.k");

    c->folds.k = k;
    if (n)
        n->text = arena_printf(a, "%d", k);
}

void study_config_set_k(struct study_config *c, int k)
{
    set_k(c, k, &c->arena);
    for (int i = 0; i < c->n_rungs; i++) /* ours, though nobody else may write to them */
        set_k((struct study_config *)c->rungs[i].config, k, &c->arena);
}

/* A mistake where `key` of the study file stands. */
HPO_PRINTF(4, 5)
static int mistake(const struct study_config *c, const char *key, struct hpo_err *err,
                   const char *fmt, ...)
{
    const struct yaml_node *n = yaml_get_path(c->tree, key);
    char text[sizeof(err->msg)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    hpo_fail(err, HPO_ECONFIG, "%s: %s", key, text);
    if (n && n->line)
        hpo_fail_at(err, "%s:%d:%d", n->file, n->line, n->column);
    else
        hpo_fail_at(err, "%s", c->file);
    return HPO_ECONFIG;
}

/* The manifest's columns against the options. */
static int check_columns(const struct study_config *c, const struct tr_dataset *d,
                         struct hpo_err *err)
{
    const struct folds_opts *f = &c->folds;

    if (f->group && !d->lines)
        return mistake(c, "data.folds.group", err,
                       "true needs a manifest with a column 'group'; %s is a folder", c->data.path);
    if (f->group && !d->groups)
        return mistake(c, "data.folds.group", err, "true needs a column 'group', which %s lacks",
                       c->data.path);
    if (!d->folds)
        return 0;
    if (f->repeats > 1)
        return mistake(c, "data.folds.repeats", err,
                       "%d, but there is one way only to split by the column 'fold' of %s",
                       f->repeats, c->data.path);
    if (!isnan(f->valid))
        return mistake(c, "data.folds.valid", err,
                       "the column 'fold' of %s says already which images validate", c->data.path);
    if (!f->auto_k && f->k != d->n_folds)
        return mistake(c, "data.folds.k", err,
                       "%d, but the column 'fold' of %s has %d fold%s: leave k out", f->k,
                       c->data.path, d->n_folds, d->n_folds == 1 ? "" : "s");
    return 0;
}

/* A group in two folds of the column. */
static int check_given(const struct study_config *c, const struct tr_dataset *d,
                       struct hpo_err *err)
{
    int64_t *first, most = 0;
    char word[MISTAKES_WORD];
    int rc = 0;

    if (!d->folds || !c->folds.group)
        return 0;
    for (int64_t i = 0; i < d->images.n; i++)
        most = d->groups[i] >= most ? d->groups[i] + 1 : most;
    first = xcalloc((size_t)most, sizeof(*first)); /* row + 1 */
    for (int64_t i = 0; i < d->images.n && !rc; i++) {
        int64_t *at = &first[d->groups[i]];

        if (!*at)
            *at = i + 1;
        else if (d->folds[*at - 1] != d->folds[i])
            rc = hpo_fail(err, HPO_ECONFIG,
                          "%s:%" PRId64 ": group '%s' is in fold %d here and in fold %d on line "
                          "%" PRId64 " (-1: always trains); data.folds.group: true allows one",
                          c->data.path, d->lines[i],
                          mistakes_word(word, d->group_names[d->groups[i]]), d->folds[i],
                          d->folds[*at - 1], d->lines[*at - 1]);
    }
    free(first);
    return rc;
}

int study_config_make_folds(const struct study_config *c, const struct tr_dataset *d,
                            struct tr_folds *ret, struct hpo_err *err)
{
    const struct folds_opts *f = &c->folds;
    struct tr_folds_spec spec = {
        .k = f->auto_k && d->folds ? d->n_folds : f->k,
        .repeats = f->repeats,
        .valid = isnan(f->valid) ? DEFAULT_VALID : f->valid,
        .stratified = f->stratified,
        .group = f->group,
        .seed = (uint64_t)c->study.seed,
    };
    struct tr_folds_of of = {
        .labels = d->images.labels,
        .n = d->images.n,
        .classes = d->images.classes,
        .groups = f->group ? d->groups : NULL,
        .given = d->folds,
        .n_given = d->n_folds,
    };
    struct hpo_err why = {0};
    int rc = check_columns(c, d, err);

    if (!rc)
        rc = check_given(c, d, err);
    if (rc)
        return rc;
    if (tr_folds_make(ret, &spec, &of, &why))
        return mistake(c, spec.k == 1 && !d->folds ? "data.folds.valid" : "data.folds.k", err, "%s",
                       why.msg);
    return 0;
}

int study_config_settle_folds(struct study_config *c, const struct tr_dataset *d,
                              struct hpo_err *err)
{
    if (c->folds.auto_k && d->folds)
        study_config_set_k(c, d->n_folds);
    if (c->folds.run > study_config_folds(c))
        return mistake(c, "data.folds.run", err, "%d is more than the %d folds there are",
                       c->folds.run, study_config_folds(c));
    if (study_config_trainings(c) > TR_MAX_FOLDS)
        return mistake(c, "trainer.seeds", err, "%d folds with %d seeds are more than %d trainings",
                       study_config_folds_run(c), c->trainer.seeds, TR_MAX_FOLDS);
    return 0;
}
