#include "hpo/report/labels.h"

#include <stdlib.h>
#include <string.h>

struct finder {
    const struct labels_input *in;
    bool *better;      /* (trials) */
    double *threshold; /* (classes); 0: nobody bears this label */
    int64_t *count;    /* (classes) */
    double *mean;      /* (classes): of one image, over the better trials */
    float *one;        /* (classes): of one trial */
    struct report_label *found;
    int64_t n, cap;
};

static int by_number(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Those that are at least as good as the median trial; of two both. */
static int pick_better(struct finder *f, double *sorted)
{
    const struct labels_input *in = f->in;
    int n = 0;

    memcpy(sorted, in->value, sizeof(*sorted) * (size_t)in->trials);
    qsort(sorted, (size_t)in->trials, sizeof(*sorted), by_number);
    for (int t = 0; t < in->trials; t++)
        n += f->better[t] = in->value[t] <= sorted[in->trials / 2];
    return n;
}

static int most_likely(const float *p, int classes)
{
    int best = 0;

    for (int c = 1; c < classes; c++)
        best = p[c] > p[best] ? c : best;
    return best;
}

/* The mean over the better trials. false: none of them has the image. */
static bool average(struct finder *f, int64_t image)
{
    int classes = f->in->classes, n = 0;

    memset(f->mean, 0, sizeof(*f->mean) * (size_t)classes);
    for (int t = 0; t < f->in->trials; t++) {
        if (!f->better[t] || !f->in->predict(f->in->arg, t, image, f->one))
            continue;
        n++;
        for (int c = 0; c < classes; c++)
            f->mean[c] += (double)f->one[c];
    }
    for (int c = 0; c < classes && n; c++)
        f->mean[c] /= n;
    return n > 0;
}

static int64_t find_thresholds(struct finder *f)
{
    const struct labels_input *in = f->in;
    int64_t covered = 0;

    for (int64_t i = 0; i < in->images; i++) {
        if (!average(f, i))
            continue;
        covered++;
        f->threshold[in->given[i]] += f->mean[in->given[i]];
        f->count[in->given[i]]++;
    }
    for (int c = 0; c < in->classes; c++)
        f->threshold[c] /= f->count[c] ? (double)f->count[c] : 1;
    return covered;
}

static int add(struct finder *f, const struct report_label *l, struct hpo_err *err)
{
    if (f->n == f->cap) {
        int64_t cap = f->cap ? 2 * f->cap : 256;
        struct report_label *more = realloc(f->found, sizeof(*more) * (size_t)cap);

        if (!more)
            return hpo_fail(err, HPO_ENOMEM, "out of memory for the images that are flagged");
        f->found = more;
        f->cap = cap;
    }
    f->found[f->n++] = *l;
    return 0;
}

/* How many trials say anything of the image, and how many of them find another class more likely.
 */
static void ask_trials(struct finder *f, struct report_label *l)
{
    for (int t = 0; t < f->in->trials; t++)
        if (f->in->predict(f->in->arg, t, l->image, f->one)) {
            l->trials++;
            l->doubt += most_likely(f->one, f->in->classes) != l->given;
        }
}

/* The mean of the image is in f->mean. Below 1 / classes of its threshold, which is at most 1, the
 * label is not the most likely class. */
static int judge(struct finder *f, int64_t image, struct hpo_err *err)
{
    int given = f->in->given[image], likely = 0;
    double score = f->mean[given] / f->threshold[given];
    struct report_label l = {.image = image, .given = given, .score = (float)score};

    if (!(score * f->in->classes < 1))
        return 0;
    for (int c = 1; c < f->in->classes; c++)
        likely = f->mean[c] > f->mean[likely] ? c : likely;
    l.suggested = likely;
    l.p_given = (float)f->mean[given];
    l.p_suggested = (float)f->mean[likely];
    ask_trials(f, &l);
    return add(f, &l, err);
}

static int by_score(const void *a, const void *b)
{
    const struct report_label *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return (x->image > y->image) - (x->image < y->image);
}

int labels_find(const struct labels_input *in, struct report_labels *ret, struct hpo_err *err)
{
    size_t classes = (size_t)in->classes;
    struct arena a = {0};
    struct finder f = {
        .in = in,
        .better = ARENA_ARRAY(&a, bool, in->trials + 1),
        .threshold = ARENA_ARRAY(&a, double, classes),
        .count = ARENA_ARRAY(&a, int64_t, classes),
        .mean = ARENA_ARRAY(&a, double, classes),
        .one = ARENA_ARRAY(&a, float, classes),
    };
    int better = pick_better(&f, ARENA_ARRAY(&a, double, in->trials + 1)), rc = 0;
    int64_t covered = find_thresholds(&f);

    for (int64_t i = 0; i < in->images && !rc; i++)
        if (average(&f, i))
            rc = judge(&f, i, err);
    if (!rc) {
        if (f.n)
            qsort(f.found, (size_t)f.n, sizeof(*f.found), by_score);
        ret->covered = covered;
        ret->trials = in->trials;
        ret->better = better;
        ret->n = f.n;
        ret->flagged = f.found;
    } else {
        free(f.found);
    }
    arena_release(&a);
    return rc;
}
