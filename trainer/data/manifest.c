#include "trainer/data/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "trainer/data/csv.h"
#include "trainer/data/folds.h"
#include "trainer/data/image.h"
#include "trainer/data/intern.h"
#include "trainer/data/manifest_path.h"
#include "trainer/data/mistakes.h"

enum { PATH, LABEL, GROUP, FOLD, X, Y, W, H, COLUMNS };
static const char *const column_name[COLUMNS] = {"path", "label", "group", "fold",
                                                 "x",    "y",     "w",     "h"};
#define FIRST_LINE "the first line names the columns: path,label[,group][,fold][,x,y,w,h]"

struct manifest {
    const char *file;
    struct manifest_root root;
    struct csv csv;
    int column[COLUMNS]; /* the field, or -1 */
    int n_columns;
    struct tr_list list;
    struct intern row, label, group; /* row: "x,y,w,h/path", or "/path" without a box */
    bool fold_seen[TR_MAX_FOLDS];
    int64_t cap;
    struct mistakes mistakes;
};

#define WRONG(m, fmt, ...) \
    mistakes_add(&(m)->mistakes, "%s:%lld: " fmt, (m)->file, (long long)(m)->csv.at, __VA_ARGS__)

static bool read_header(struct manifest *m)
{
    struct csv *c = &m->csv;
    char word[MISTAKES_WORD];
    int64_t before = m->mistakes.n;
    enum csv_found found = csv_next(c);

    if (found == CSV_END)
        c->at = 1;
    if (found != CSV_RECORD) {
        WRONG(m, "%s; " FIRST_LINE, found == CSV_END ? "the file is empty" : c->wrong);
        return false;
    }
    m->n_columns = c->n_fields;
    for (int k = 0; k < COLUMNS; k++)
        m->column[k] = -1;
    for (int f = 0; f < c->n_fields && f < CSV_MAX_FIELDS; f++) {
        int k = 0;

        while (k < COLUMNS && strcmp(c->field[f], column_name[k]))
            k++;
        if (k == COLUMNS) {
            const char *near = str_nearest(c->field[f], column_name, COLUMNS);

            WRONG(m, "unknown column '%s'%s%s%s; allowed: path, label, group, fold, x, y, w, h%s",
                  mistakes_word(word, c->field[f]), near ? ", did you mean '" : "",
                  near ? near : "", near ? "'?" : "",
                  strpbrk(c->field[f], ";\t") ? ", with commas between them" : "");
        } else if (m->column[k] >= 0) {
            WRONG(m, "column '%s' is named twice", column_name[k]);
        } else {
            m->column[k] = f;
        }
    }
    for (int k = PATH; k <= LABEL; k++)
        if (m->column[k] < 0)
            WRONG(m, "column '%s' is missing; " FIRST_LINE, column_name[k]);
    for (int k = X; k <= H; k++)
        if (m->column[k] < 0 &&
            (m->column[X] >= 0 || m->column[Y] >= 0 || m->column[W] >= 0 || m->column[H] >= 0))
            WRONG(m, "column '%s' is missing: x, y, w and h make a box together", column_name[k]);
    return m->mistakes.n == before;
}

/* -1: an image that always trains. */
static bool read_fold(struct manifest *m, int32_t *ret)
{
    const char *text = m->csv.field[m->column[FOLD]];
    char word[MISTAKES_WORD];
    int64_t fold = -1;

    if (*text && (!str_to_int(text, &fold) || fold < -1 || fold >= TR_MAX_FOLDS)) {
        WRONG(m,
              "the fold is '%s': allowed is 0 to %d, and -1 or nothing for an image that always "
              "trains",
              mistakes_word(word, text), TR_MAX_FOLDS - 1);
        return false;
    }
    if (fold >= 0)
        m->fold_seen[fold] = true;
    *ret = (int32_t)fold;
    return true;
}

/* Four empty fields: the whole image. */
static bool read_box(struct manifest *m, struct tr_box *ret)
{
    char word[MISTAKES_WORD];
    int64_t v[4] = {0};
    int n = 0;

    for (int i = 0; i < 4; i++)
        n += m->csv.len[m->column[X + i]] > 0;
    if (!n)
        return true;
    for (int i = 0; i < 4; i++) {
        const char *text = m->csv.field[m->column[X + i]];

        if (!*text) {
            WRONG(m, "the box has no %s: x, y, w and h belong together", column_name[X + i]);
            return false;
        }
        if (!str_to_int(text, &v[i])) {
            WRONG(m, "%s is '%s': a box is in whole pixels", column_name[X + i],
                  mistakes_word(word, text));
            return false;
        }
    }
    if (v[2] < 1 || v[3] < 1) {
        WRONG(m, "the box is empty: its size is %lld x %lld", (long long)v[2], (long long)v[3]);
        return false;
    }
    for (int i = 0; i < 4; i++) {
        if (v[i] < 0 || v[i] > TR_IMAGE_MAX_SIDE) {
            WRONG(m, "the box reaches outside of every image: %s is %lld", column_name[X + i],
                  (long long)v[i]);
            return false;
        }
    }
    *ret = (struct tr_box){(int32_t)v[0], (int32_t)v[1], (int32_t)v[2], (int32_t)v[3]};
    return true;
}

static void add_row(struct manifest *m, const struct tr_sample *sample)
{
    char word[MISTAKES_WORD], key[TR_MANIFEST_MAX_PATH + 64];
    const struct tr_box *b = &sample->box;
    int head = b->w ? snprintf(key, sizeof(key), "%d,%d,%d,%d", b->x, b->y, b->w, b->h) : 0;
    bool is_new;
    int32_t id;

    snprintf(key + head, sizeof(key) - (size_t)head, "/%s", sample->path);
    id = intern_get(&m->row, key, strlen(key), &is_new);
    if (!is_new) {
        WRONG(m, "'%s' is already on line %lld%s", mistakes_word(word, sample->path),
              (long long)m->list.sample[id].line, b->w ? ", with the same box" : "");
        return;
    }
    if (id >= m->cap) {
        m->cap = m->cap ? m->cap * 2 : 256;
        m->list.sample = xrealloc(m->list.sample, (size_t)m->cap * sizeof(*m->list.sample));
    }
    m->list.sample[id] = *sample;
    m->list.sample[id].path = strchr(m->row.name[id], '/') + 1;
    m->list.has_boxes = m->list.has_boxes || b->w;
}

/* A label or a group. */
static bool check_name(struct manifest *m, int column)
{
    size_t n = m->csv.len[m->column[column]];

    if (!n || n > TR_MANIFEST_MAX_LABEL)
        WRONG(m, "the %s %s", column_name[column], n ? "is longer than 256 bytes" : "is empty");
    return n && n <= TR_MANIFEST_MAX_LABEL;
}

static void read_row(struct manifest *m)
{
    char path[TR_MANIFEST_MAX_PATH + 1], word[MISTAKES_WORD];
    const struct csv *c = &m->csv;
    int label = m->column[LABEL], group = m->column[GROUP];
    struct tr_sample s = {.path = path, .group = -1, .fold = -1, .line = c->at};
    const char *what;
    bool is_new;

    if (c->n_fields != m->n_columns) {
        WRONG(m, "%d fields, the first line names %d columns", c->n_fields, m->n_columns);
        return;
    }
    what = manifest_path_clean(c->field[m->column[PATH]], c->len[m->column[PATH]], path);
    if (what) {
        WRONG(m, "%s: '%s'", what, mistakes_word(word, c->field[m->column[PATH]]));
        return;
    }
    if (!check_name(m, LABEL) || (group >= 0 && !check_name(m, GROUP)) ||
        (m->column[FOLD] >= 0 && !read_fold(m, &s.fold)) ||
        (m->column[X] >= 0 && !read_box(m, &s.box)))
        return;
    if (!manifest_path_stays(&m->root, path)) {
        WRONG(m, "'%s' is a link that leaves the manifest's folder", mistakes_word(word, path));
        return;
    }
    s.label = intern_get(&m->label, c->field[label], c->len[label], &is_new);
    if (group >= 0)
        s.group = intern_get(&m->group, c->field[group], c->len[group], &is_new);
    add_row(m, &s);
}

/* false: no point in reading on. */
static bool read_rows(struct manifest *m)
{
    for (;;) {
        switch (csv_next(&m->csv)) {
        case CSV_END:
            return true;
        case CSV_WRONG:
            WRONG(m, "%s", m->csv.wrong);
            break;
        case CSV_RECORD:
            read_row(m);
            break;
        }
        if (m->label.n > TR_LIST_MAX_CLASSES) {
            WRONG(m, "more than %d different labels; is 'label' the right column?",
                  TR_LIST_MAX_CLASSES);
            return false;
        }
        if (m->row.n > TR_LIST_MAX_SAMPLES) {
            WRONG(m, "more than %d images", TR_LIST_MAX_SAMPLES);
            return false;
        }
    }
}

struct class_name {
    const char *name;
    int64_t number;
    int32_t id;
};

static int by_bytes(const void *pa, const void *pb)
{
    const struct class_name *a = pa, *b = pb;

    return strcmp(a->name, b->name);
}

static int by_number(const void *pa, const void *pb)
{
    const struct class_name *a = pa, *b = pb;

    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return strcmp(a->name, b->name); /* "1" and "01" */
}

static void sort_classes(struct manifest *m)
{
    struct tr_list *l = &m->list;
    int n = m->label.n;
    struct class_name *c = xcalloc((size_t)n, sizeof(*c));
    int32_t *rank = xcalloc((size_t)n, sizeof(*rank));
    bool numbers = true;

    for (int i = 0; i < n; i++) {
        c[i] = (struct class_name){.name = m->label.name[i], .id = i};
        numbers = numbers && str_to_int(c[i].name, &c[i].number);
    }
    qsort(c, (size_t)n, sizeof(*c), numbers ? by_number : by_bytes);
    l->classes = ARENA_ARRAY(&l->arena, const char *, n);
    l->n_classes = n;
    for (int i = 0; i < n; i++) {
        l->classes[i] = c[i].name;
        rank[c[i].id] = i;
    }
    for (int64_t i = 0; i < l->n; i++)
        l->sample[i].label = rank[l->sample[i].label];
    free(rank);
    free(c);
}

static void check_folds(struct manifest *m)
{
    int n = TR_MAX_FOLDS;

    while (n && !m->fold_seen[n - 1])
        n--;
    m->list.n_folds = n;
    if (!n)
        mistakes_add(&m->mistakes, "%s: column 'fold': no image has a fold, so none would validate",
                     m->file);
    for (int k = 0; k < n; k++)
        if (!m->fold_seen[k])
            mistakes_add(&m->mistakes, "%s: column 'fold': no image is of fold %d, the last is %d",
                         m->file, k, n - 1);
}

static void manifest_init(struct manifest *m, const char *text, size_t n, const char *root)
{
    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        n -= 3;
    }
    m->csv =
        (struct csv){.p = text, .end = text + n, .line = 1, .max_record = TR_MANIFEST_MAX_LINE};
    m->csv.buf = xmalloc(TR_MANIFEST_MAX_LINE + 1);
    m->row.arena = m->label.arena = m->group.arena = &m->list.arena;
    manifest_root_init(&m->root, root);
}

static void manifest_release(struct manifest *m)
{
    intern_release(&m->row);
    intern_release(&m->label);
    intern_release(&m->group);
    manifest_root_release(&m->root);
    mistakes_release(&m->mistakes);
    tr_list_release(&m->list);
    free(m->csv.buf);
}

int tr_manifest_parse(const char *text, size_t n, const char *file, const char *root,
                      struct tr_list *ret, struct hpo_err *err)
{
    struct manifest *m = xcalloc(1, sizeof(*m));
    struct tr_list *l = &m->list;
    struct tr_sample *sample;
    int rc;

    m->file = file;
    manifest_init(m, text, n, root);
    if (read_header(m) && read_rows(m) && !m->mistakes.n) {
        if (!m->row.n)
            mistakes_add(&m->mistakes, "%s: lists no images", file);
        else if (m->column[FOLD] >= 0)
            check_folds(m);
    }
    sample = l->sample;
    l->sample = NULL;
    rc = mistakes_fail(&m->mistakes, HPO_ECONFIG, "", err);
    if (!rc) {
        l->n = m->row.n;
        l->sample = arena_dup(&l->arena, sample, (size_t)l->n * sizeof(*sample));
        l->root = arena_strdup(&l->arena, root);
        l->file = arena_strdup(&l->arena, file);
        l->has_groups = m->column[GROUP] >= 0;
        l->n_groups = m->group.n;
        l->groups =
            arena_dup(&l->arena, m->group.name, (size_t)m->group.n * sizeof(*m->group.name));
        sort_classes(m);
        *ret = *l;
        *l = (struct tr_list){0};
    }
    free(sample);
    manifest_release(m);
    free(m);
    return rc;
}
