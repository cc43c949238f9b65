#include "hpo/cli/report_oof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/report/labels.h"
#include "hpo/study.h"
#include "trainer/data/intern.h"
#include "trainer/oof_file.h"
#include "trainer/oof_images.h"

/* ---------------------------------------------------------------- one trial */

static const char *list_path(const char *dir, const struct oof *o, struct arena *a)
{
    return oof_images_path(arena_printf(a, "%s/oof", dir), o->shape.digest, a);
}

/* Names of its classes; numbers when the list that has them is not there. */
static const char *const *class_names(const char *dir, const struct oof *o, struct arena *a)
{
    const char **names = ARENA_ARRAY(a, const char *, o->shape.classes);
    struct oof_images list = {0};
    bool known =
        !oof_images_read(list_path(dir, o, a), &list, NULL) && list.classes == o->shape.classes;

    for (int c = 0; c < o->shape.classes; c++)
        names[c] = known ? arena_strdup(a, list.class_names[c]) : arena_printf(a, "%d", c);
    oof_images_release(&list);
    return names;
}

static int most_likely(const float *p, int classes)
{
    int best = 0;

    for (int c = 1; c < classes; c++)
        best = p[c] > p[best] ? c : best;
    return best;
}

int report_read_classes(const char *dir, int number, struct arena *a,
                        const struct report_classes **ret, struct hpo_err *err)
{
    struct report_classes *c;
    struct oof o = {0};
    int64_t *confusion;
    float *p;
    int rc = oof_open(study_oof_path(dir, number, a), &o, err);

    if (rc == HPO_EMISSING)
        *ret = NULL;
    if (rc)
        return rc == HPO_EMISSING ? 0 : rc;
    c = ARENA_NEW(a, struct report_classes);
    p = ARENA_ARRAY(a, float, o.shape.classes);
    confusion = ARENA_ARRAY(a, int64_t, (size_t)o.shape.classes * (size_t)o.shape.classes);
    *c = (struct report_classes){
        .classes = o.shape.classes,
        .names = class_names(dir, &o, a),
        .confusion = confusion,
        .images = o.shape.n,
        .folds = o.folds,
    };
    for (int64_t i = 0; i < o.shape.n; i++) {
        if (!oof_image(&o, i, p))
            continue;
        confusion[(size_t)o.labels[i] * (size_t)c->classes + (size_t)most_likely(p, c->classes)]++;
        c->covered++;
    }
    oof_close(&o);
    *ret = c;
    return 0;
}

/* ---------------------------------------------------------------- all trials */

/* A data set that some of the trials were trained on: all of them on the same, unless what is
 * searched decides on the images (data.image_size, data.limit). An image is found by its path. */
struct list {
    struct oof_images images;
    bool usable;
    char digest[33]; /* that was asked for */
    int32_t *number; /* of each of its images, among all */
    int32_t *own;    /* its number of each of all images; -1: it does not have it */
};

struct trial {
    struct oof oof;
    int list;
    double value;
};

struct oof_study {
    struct arena arena;
    struct list *list;
    int n_lists;
    struct trial *trial;
    int n_trials, without;
    struct intern paths; /* of all images */
    int32_t *given;      /* label of each */
    struct report_labels labels;
};

static int find_list(struct oof_study *s, const char *dir, const struct oof *o)
{
    struct list *l;

    for (int i = 0; i < s->n_lists; i++)
        if (!strcmp(s->list[i].digest, o->shape.digest))
            return i;
    s->list = xrealloc(s->list, sizeof(*s->list) * (size_t)(s->n_lists + 1));
    l = &s->list[s->n_lists];
    *l = (struct list){0};
    memcpy(l->digest, o->shape.digest, sizeof(l->digest));
    l->usable = !oof_images_read(list_path(dir, o, &s->arena), &l->images, NULL) &&
                !strcmp(l->images.digest, l->digest);
    return s->n_lists++;
}

static bool same_classes(const struct oof_images *a, const struct oof_images *b)
{
    bool same = a->classes == b->classes;

    for (int c = 0; c < a->classes && same; c++)
        same = !strcmp(a->class_names[c], b->class_names[c]);
    return same;
}

/* Does the list say what these predictions are of? */
static bool fits(const struct oof_images *l, const struct oof *o)
{
    bool fit = l->n == o->shape.n && l->classes == o->shape.classes;

    for (int64_t i = 0; i < l->n && fit; i++)
        fit = l->labels[i] == o->labels[i];
    return fit;
}

/* The images of a list among all of them. */
static void number_images(struct oof_study *s, struct list *l)
{
    l->number = xmalloc(sizeof(*l->number) * (size_t)l->images.n);
    for (int64_t i = 0; i < l->images.n; i++) {
        bool new;
        int32_t k = intern_get(&s->paths, l->images.paths[i], strlen(l->images.paths[i]), &new);

        l->number[i] = k;
        if (!new)
            continue;
        if ((k & (k + 1)) == 0) /* at 0, 1, 3, 7, ...: room for twice as many */
            s->given = xrealloc(s->given, sizeof(*s->given) * 2 * ((size_t)k + 1));
        s->given[k] = l->images.labels[i];
    }
}

static void add_trial(struct oof_study *s, const char *dir, const struct hpo_trial *t)
{
    struct trial new = {.value = t->value};
    struct list *l;

    if (oof_open(study_oof_path(dir, t->number, &s->arena), &new.oof, NULL)) {
        s->without++;
        return;
    }
    new.list = find_list(s, dir, &new.oof);
    l = &s->list[new.list];
    if (!l->usable || !fits(&l->images, &new.oof) ||
        (s->n_trials && !same_classes(&l->images, &s->list[s->trial[0].list].images))) {
        oof_close(&new.oof);
        s->without++;
        return;
    }
    if (!l->number)
        number_images(s, l);
    s->trial[s->n_trials++] = new;
}

/* Values compare within a rung: the highest one that has complete trials speaks. */
static int rung_that_counts(const struct hpo_history *h)
{
    int rung = 0;

    for (int i = 0; i < h->n; i++)
        if (h->trials[i]->state == HPO_TRIAL_COMPLETE && h->trials[i]->rung > rung)
            rung = h->trials[i]->rung;
    return rung;
}

int oof_study_open(struct oof_study **ret, const char *dir, const struct hpo_history *h,
                   struct hpo_err *err)
{
    struct oof_study *s = xcalloc(1, sizeof(*s));
    int rung = rung_that_counts(h);

    s->paths.arena = &s->arena;
    s->trial = xcalloc((size_t)h->n + 1, sizeof(*s->trial));
    for (int i = 0; i < h->n; i++)
        if (h->trials[i]->state == HPO_TRIAL_COMPLETE && h->trials[i]->rung == rung)
            add_trial(s, dir, h->trials[i]);
    if (!s->n_trials) {
        int rc =
            hpo_fail(err, HPO_EMISSING,
                     "no complete trial of this study has out-of-fold predictions (%s/oof)", dir);

        oof_study_close(s);
        return rc;
    }
    for (int i = 0; i < s->n_lists; i++) {
        struct list *l = &s->list[i];

        l->own = xmalloc(sizeof(*l->own) * (size_t)s->paths.n);
        memset(l->own, 0xff, sizeof(*l->own) * (size_t)s->paths.n);
        for (int64_t k = 0; k < l->images.n && l->number; k++)
            l->own[l->number[k]] = (int32_t)k;
    }
    *ret = s;
    return 0;
}

void oof_study_close(struct oof_study *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n_trials; i++)
        oof_close(&s->trial[i].oof);
    for (int i = 0; i < s->n_lists; i++) {
        oof_images_release(&s->list[i].images);
        free(s->list[i].number);
        free(s->list[i].own);
    }
    free((void *)s->labels.flagged);
    free(s->trial);
    free(s->list);
    free(s->given);
    intern_release(&s->paths);
    arena_release(&s->arena);
    free(s);
}

static bool predict(void *arg, int trial, int64_t image, float *ret)
{
    const struct oof_study *s = arg;
    const struct trial *t = &s->trial[trial];
    int32_t own = s->list[t->list].own[image];

    return own >= 0 && oof_image(&t->oof, own, ret) > 0;
}

int oof_study_labels(struct oof_study *s, const struct report_labels **ret, struct hpo_err *err)
{
    double *value = ARENA_ARRAY(&s->arena, double, s->n_trials);
    const struct oof_images *images = &s->list[s->trial[0].list].images;
    struct labels_input in = {
        .images = s->paths.n,
        .classes = images->classes,
        .given = s->given,
        .trials = s->n_trials,
        .value = value,
        .predict = predict,
        .arg = s,
    };
    int rc;

    for (int i = 0; i < s->n_trials; i++)
        value[i] = s->trial[i].value;
    rc = labels_find(&in, &s->labels, err);
    if (rc)
        return rc;
    s->labels.classes = images->classes;
    s->labels.names = images->class_names;
    s->labels.paths = s->paths.name;
    s->labels.images = s->paths.n;
    s->labels.without = s->without;
    *ret = &s->labels;
    return 0;
}
