/* libFuzzer: a CSV manifest. What it lists is checked against what it promises. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/data/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void check_path(const char *p)
{
    check(*p && *p != '/');
    while (*p) {
        size_t part = strcspn(p, "/");

        check(part > 0 && !(part == 2 && p[0] == '.' && p[1] == '.'));
        p += part + (p[part] == '/');
    }
}

static void check_box(const struct tr_list *l, const struct tr_box *b)
{
    if (!b->w) {
        check(!b->x && !b->y && !b->h);
        return;
    }
    check(l->has_boxes && b->x >= 0 && b->y >= 0 && b->w > 0 && b->h > 0);
    check(b->x + b->w > b->x && b->y + b->h > b->y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct tr_list l = {0};
    struct hpo_err err = {0};

    if (tr_manifest_parse((const char *)data, n, "train.csv", "/nowhere", &l, &err)) {
        check(err.rc == HPO_ECONFIG && *err.msg && strlen(err.msg) < sizeof(err.msg));
        return 0;
    }
    check(l.n > 0 && l.n_classes > 0);
    for (int64_t i = 0; i < l.n; i++) {
        check_path(l.sample[i].path);
        check(l.sample[i].label >= 0 && l.sample[i].label < l.n_classes);
        check(l.has_groups ? l.sample[i].group >= 0 && l.sample[i].group < l.n_groups
                           : l.sample[i].group == -1);
        check(l.sample[i].fold >= -1 && l.sample[i].fold < (l.n_folds ? l.n_folds : 1));
        check_box(&l, &l.sample[i].box);
        check(l.sample[i].line > 1);
    }
    for (int c = 1; c < l.n_classes; c++)
        check(strcmp(l.classes[c - 1], l.classes[c]) != 0);
    tr_list_release(&l);
    return 0;
}
