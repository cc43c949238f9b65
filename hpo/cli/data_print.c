#include "hpo/cli/data_print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "hpo/report/table.h"

/* A class is named by a folder or a manifest, which may hold anything. */
static void add_name(struct str *ret, const char *name, int width)
{
    for (const char *c = name; *c; c++)
        str_addc(ret, (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c);
    for (int n = table_text_width(name); n < width; n++)
        str_addc(ret, ' ');
}

/* (classes, k): how many of each class validate in each fold. */
static int64_t *count_folds(const struct tr_dataset *d, const struct tr_folds *f)
{
    int64_t *n = xcalloc((size_t)(d->images.classes * f->k), sizeof(*n));

    for (int k = 0; k < f->k; k++)
        for (int64_t i = f->start[k]; i < f->start[k + 1]; i++)
            n[d->images.labels[f->index[i]] * f->k + k]++;
    return n;
}

void data_print(const struct tr_dataset *d, const struct tr_folds *folds, struct str *ret)
{
    int64_t *n = folds ? count_folds(d, folds) : NULL;
    float mean[3], std[3];
    int width = 5;

    tr_dataset_stats(d, NULL, d->images.n, mean, std);
    str_addf(ret, "images     %" PRId64 ", as %d x %d pixels", d->images.n, d->images.w, d->images.h);
    if (d->n_bad)
        str_addf(ret, "; %d left out", d->n_bad);
    str_addf(ret, "\nmean       %.4f %.4f %.4f  (red green blue, 0 to 1)\n", mean[0], mean[1], mean[2]);
    str_addf(ret, "deviation  %.4f %.4f %.4f\n", std[0], std[1], std[2]);
    for (int c = 0; c < d->images.classes; c++)
        if (table_text_width(d->class_names[c]) > width && table_text_width(d->class_names[c]) < 40)
            width = table_text_width(d->class_names[c]);
    str_addf(ret, "classes    %d\n\n  %-*s  %8s", d->images.classes, width, "class", "images");
    for (int f = 0; folds && f < folds->k; f++)
        str_addf(ret, f < 10 ? "    fold %d" : "   fold %d", f);
    str_addc(ret, '\n');
    for (int c = 0; c < d->images.classes; c++) {
        str_add(ret, "  ");
        add_name(ret, d->class_names[c], width);
        str_addf(ret, "  %8" PRId64, d->class_counts[c]);
        for (int f = 0; folds && f < folds->k; f++)
            str_addf(ret, "  %8" PRId64, n[c * folds->k + f]);
        str_addc(ret, '\n');
    }
    for (int i = 0; i < d->n_bad; i++) {
        str_add(ret, i ? "left out: " : "\nleft out: ");
        add_name(ret, d->bad[i].path, 0);
        str_addf(ret, ": %s\n", d->bad[i].reason);
    }
    free(n);
}

cJSON *data_json(const struct tr_dataset *d, const struct tr_folds *folds)
{
    cJSON *j = cJSON_CreateObject(), *classes, *bad, *m, *s;
    int64_t *n = folds ? count_folds(d, folds) : NULL;
    float mean[3], std[3];

    tr_dataset_stats(d, NULL, d->images.n, mean, std);
    json_put_number(j, "images", (double)d->images.n);
    json_put_number(j, "image_size", d->images.w);
    m = cJSON_AddArrayToObject(j, "mean");
    s = cJSON_AddArrayToObject(j, "std");
    for (int c = 0; c < 3; c++) {
        cJSON_AddItemToArray(m, json_number((double)mean[c]));
        cJSON_AddItemToArray(s, json_number((double)std[c]));
    }
    classes = cJSON_AddArrayToObject(j, "classes");
    for (int c = 0; c < d->images.classes; c++) {
        cJSON *o = cJSON_CreateObject(), *a;

        json_put_string(o, "name", d->class_names[c]);
        json_put_number(o, "images", (double)d->class_counts[c]);
        if (folds) {
            a = cJSON_AddArrayToObject(o, "folds");
            for (int f = 0; f < folds->k; f++)
                cJSON_AddItemToArray(a, json_number((double)n[c * folds->k + f]));
        }
        cJSON_AddItemToArray(classes, o);
    }
    bad = cJSON_AddArrayToObject(j, "left_out");
    for (int i = 0; i < d->n_bad; i++) {
        cJSON *o = cJSON_CreateObject();

        json_put_string(o, "path", d->bad[i].path);
        json_put_string(o, "reason", d->bad[i].reason);
        cJSON_AddItemToArray(bad, o);
    }
    json_put_string(j, "digest", d->digest);
    free(n);
    return j;
}
