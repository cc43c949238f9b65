#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "trainer/loss.h"

/* A class without images weighs what one with a single image would: its weight is never used in
 * training, but must be a number. */
static double images(int64_t n)
{
    return n > 0 ? (double)n : 1.0;
}

static void balanced(const int64_t *counts, int classes, float *ret)
{
    double total = 0;

    for (int c = 0; c < classes; c++)
        total += (double)counts[c];
    for (int c = 0; c < classes; c++)
        ret[c] = (float)(total / (classes * images(counts[c])));
}

/* Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", 2019: weights add up to
 * the number of classes. */
static void effective(double beta, const int64_t *counts, int classes, float *ret)
{
    double sum = 0;

    for (int c = 0; c < classes; c++)
        sum += (1.0 - beta) / (1.0 - pow(beta, images(counts[c])));
    for (int c = 0; c < classes; c++)
        ret[c] = (float)(classes * (1.0 - beta) / (1.0 - pow(beta, images(counts[c]))) / sum);
}

static int list(const char *text, int classes, float *ret, struct hpo_err *err)
{
    double *v = xcalloc((size_t)classes, sizeof(*v));
    int n = hpo_numbers(text, v, classes), rc = 0;

    if (n != classes)
        rc =
            hpo_fail(err, HPO_ECONFIG, "loss.class_weights: %d numbers for %d classes", n, classes);
    for (int c = 0; c < classes && !rc; c++)
        ret[c] = (float)v[c];
    free(v);
    return rc;
}

int tr_class_weights(const struct loss_weights *w, const int64_t *counts, int classes, float *ret,
                     bool *ret_any, struct hpo_err *err)
{
    *ret_any = w->weights && strcmp(w->weights, "none");
    if (!*ret_any)
        return 0;
    if (!strcmp(w->weights, "balanced"))
        balanced(counts, classes, ret);
    else if (!strcmp(w->weights, "effective"))
        effective(w->beta, counts, classes, ret);
    else
        return list(w->weights, classes, ret, err);
    return 0;
}
