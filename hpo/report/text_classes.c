/* What the out-of-fold predictions of a trial say of each class, and which are taken for which. */
#include <math.h>
#include <stdio.h>

#include "hpo/report/classes.h"
#include "hpo/report/table.h"
#include "hpo/report/text.h"

/* Beyond this many classes a matrix is no longer read: the most frequent confusions are. */
#define MATRIX_MOST 12
#define CONFUSIONS 20
#define CLASSES_SHOWN 40

static void heading(const struct report *r, const char *text, struct str *ret)
{
    str_addf(ret, "\n%s%s%s\n", r->color ? TEXT_BOLD : "", text, r->color ? TEXT_RESET : "");
}

static void count_cell(struct table *t, int row, int column, int64_t n)
{
    char buf[TEXT_CELL];

    snprintf(buf, sizeof(buf), "%lld", (long long)n);
    table_cell(t, row, column, buf);
}

static void add_score_row(struct table *t, const char *name, const struct class_scores *s)
{
    int row = table_row(t, NULL);
    char buf[TEXT_CELL];

    table_cell(t, row, 1, name);
    count_cell(t, row, 2, s->support);
    table_cell(t, row, 3, text_number(buf, s->precision));
    table_cell(t, row, 4, text_number(buf, s->recall));
    table_cell(t, row, 5, text_number(buf, s->f1));
}

/* Over the classes for which it is defined, as scikit-learn does it where there are images of all.
 */
static struct class_scores average(const struct report_classes *c)
{
    struct class_scores mean = {0};
    int n[3] = {0};

    for (int i = 0; i < c->classes; i++) {
        struct class_scores s = classes_score(c, i);
        double one[3] = {s.precision, s.recall, s.f1};
        double *sum[3] = {&mean.precision, &mean.recall, &mean.f1};

        mean.support += s.support;
        for (int k = 0; k < 3; k++)
            if (!isnan(one[k])) {
                *sum[k] += one[k];
                n[k]++;
            }
    }
    mean.precision = n[0] ? mean.precision / n[0] : NAN;
    mean.recall = n[1] ? mean.recall / n[1] : NAN;
    mean.f1 = n[2] ? mean.f1 / n[2] : NAN;
    return mean;
}

static void add_scores(const struct report *r, struct arena *a, struct str *ret)
{
    const struct report_classes *c = r->classes;
    int shown = c->classes <= CLASSES_SHOWN ? c->classes : CLASSES_SHOWN;
    struct class_scores mean = average(c);
    struct table t;

    table_init(&t, a, 6);
    table_column(&t, 0, "#", TABLE_RIGHT);
    table_column(&t, 1, "class", TABLE_CUT);
    table_column(&t, 2, "images", TABLE_RIGHT);
    table_column(&t, 3, "precision", TABLE_RIGHT);
    table_column(&t, 4, "recall", TABLE_RIGHT);
    table_column(&t, 5, "F1", TABLE_RIGHT);
    for (int i = 0; i < shown; i++) {
        struct class_scores s = classes_score(c, i);

        add_score_row(&t, c->names[i], &s);
        count_cell(&t, i, 0, i);
    }
    add_score_row(&t, "macro average", &mean);
    heading(r, "classes", ret);
    table_print(&t, r->width, ret);
    if (shown < c->classes)
        str_addf(ret, "\n%d more classes are left out (--json has all)\n", c->classes - shown);
}

static void add_matrix(const struct report *r, struct arena *a, struct str *ret)
{
    const struct report_classes *c = r->classes;
    struct table t;

    table_init(&t, a, 2 + c->classes);
    table_column(&t, 0, "#", TABLE_RIGHT);
    table_column(&t, 1, "label", TABLE_CUT);
    for (int i = 0; i < c->classes; i++)
        table_column(&t, 2 + i, arena_printf(a, "%d", i), TABLE_RIGHT);
    for (int i = 0; i < c->classes; i++) {
        int row = table_row(&t, NULL);

        count_cell(&t, row, 0, i);
        table_cell(&t, row, 1, c->names[i]);
        for (int k = 0; k < c->classes; k++)
            count_cell(&t, row, 2 + k, c->confusion[(size_t)i * (size_t)c->classes + (size_t)k]);
    }
    heading(r, "confusion matrix (a row: images of a label; a column: predicted as)", ret);
    table_print(&t, r->width, ret);
}

static void add_confusions(const struct report *r, struct arena *a, struct str *ret)
{
    const struct report_classes *c = r->classes;
    const struct confusion *top;
    struct table t;
    int64_t all;
    int n;

    top = classes_confusions(c, CONFUSIONS, a, &n, &all);
    if (!n)
        return;
    table_init(&t, a, 4);
    table_column(&t, 0, "label", TABLE_CUT);
    table_column(&t, 1, "predicted as", TABLE_CUT);
    table_column(&t, 2, "images", TABLE_RIGHT);
    table_column(&t, 3, "of the label", TABLE_RIGHT);
    for (int i = 0; i < n; i++) {
        int64_t support = classes_score(c, top[i].given).support;
        int row = table_row(&t, NULL);
        char buf[TEXT_CELL];

        table_cell(&t, row, 0, c->names[top[i].given]);
        table_cell(&t, row, 1, c->names[top[i].taken]);
        count_cell(&t, row, 2, top[i].images);
        table_cell(&t, row, 3, text_number(buf, (double)top[i].images / (double)support));
    }
    heading(r, "most frequent confusions", ret);
    table_print(&t, r->width, ret);
    if (all > n)
        str_addf(ret, "\n%lld more pairs are left out (--json has all)\n", (long long)(all - n));
}

void text_classes(const struct report *r, struct arena *a, struct str *ret)
{
    const struct report_classes *c = r->classes;
    char buf[TEXT_CELL];

    if (!c)
        return;
    heading(r, "out-of-fold predictions", ret);
    str_addf(ret, "%lld of %lld images in %d fold%s, accuracy %s\n", (long long)c->covered,
             (long long)c->images, c->folds, c->folds == 1 ? "" : "s",
             text_number(buf, classes_accuracy(c)));
    if (!c->covered)
        return;
    add_scores(r, a, ret);
    if (c->classes <= MATRIX_MOST)
        add_matrix(r, a, ret);
    else
        add_confusions(r, a, ret);
}
