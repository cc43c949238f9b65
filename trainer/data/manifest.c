#include "trainer/data/manifest.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "trainer/data/csv.h"
#include "trainer/data/intern.h"
#include "trainer/data/mistakes.h"

enum { PATH, LABEL, GROUP, COLUMNS };
static const char *const column_name[COLUMNS] = {"path", "label", "group"};

struct manifest {
    const char *file, *root;
    char real_root[PATH_MAX]; /* "" when the root does not exist */
    int root_fd;
    struct csv csv;
    int column[COLUMNS]; /* the field, or -1 */
    int n_columns;
    struct tr_list list;
    struct intern path, label, group, folder;
    struct arena scratch; /* of folder */
    int64_t *line;        /* of each path */
    bool *folder_inside;  /* of each folder */
    int64_t cap, folder_cap;
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
        WRONG(m, "%s; the first line names the columns: path,label[,group]",
              found == CSV_END ? "the file is empty" : c->wrong);
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

            WRONG(m, "unknown column '%s'%s%s%s; allowed: path, label, group%s",
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
            WRONG(m, "column '%s' is missing; the first line names the columns: path,label[,group]",
                  column_name[k]);
    return m->mistakes.n == before;
}

/* "./a//b.jpg" -> "a/b.jpg", so that one file has one name. NULL, or what is wrong. */
static const char *clean_path(const char *s, size_t n, char *ret)
{
    char *to = ret;

    if (!n)
        return "the path is empty";
    if (n > TR_MANIFEST_MAX_PATH)
        return "the path is longer than 4095 bytes";
    if (*s == '/')
        return "an absolute path; paths are relative to the manifest's folder";
    while (*s) {
        size_t part = strcspn(s, "/");

        if (part == 2 && s[0] == '.' && s[1] == '.')
            return "'..' in a path; paths stay in the manifest's folder";
        if (part && !(part == 1 && *s == '.')) {
            if (to != ret)
                *to++ = '/';
            memcpy(to, s, part);
            to += part;
        }
        s += part + (s[part] == '/');
    }
    *to = 0;
    return to == ret ? "the path names a folder" : NULL;
}

/* What does not exist does not lead out; that it is missing is found when it is opened. */
static bool is_inside(const struct manifest *m, const char *path)
{
    char full[PATH_MAX + TR_MANIFEST_MAX_PATH + 2], real[PATH_MAX];
    size_t n = strlen(m->real_root);

    snprintf(full, sizeof(full), "%s/%s", m->real_root, path);
    if (!realpath(full, real))
        return true;
    if (n == 1) /* the root of the file system */
        return true;
    return !strncmp(real, m->real_root, n) && (real[n] == '/' || !real[n]);
}

/* Links are resolved once a folder, and for the files that are links themselves. */
static bool stays_inside(struct manifest *m, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct stat st;

    if (!*m->real_root)
        return true;
    if (slash) {
        bool is_new;
        int32_t id = intern_get(&m->folder, path, (size_t)(slash - path), &is_new);

        if (id >= m->folder_cap) {
            m->folder_cap = m->folder_cap ? m->folder_cap * 2 : 64;
            m->folder_inside = xrealloc(m->folder_inside, (size_t)m->folder_cap * sizeof(bool));
        }
        if (is_new)
            m->folder_inside[id] = is_inside(m, m->folder.name[id]);
        if (!m->folder_inside[id])
            return false;
    }
    if (fstatat(m->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) || !S_ISLNK(st.st_mode))
        return true;
    return is_inside(m, path);
}

static void add_row(struct manifest *m, const char *path, int32_t label, int32_t group)
{
    char word[MISTAKES_WORD];
    bool is_new;
    int32_t id = intern_get(&m->path, path, strlen(path), &is_new);

    if (!is_new) {
        WRONG(m, "'%s' is already on line %lld", mistakes_word(word, path), (long long)m->line[id]);
        return;
    }
    if (id >= m->cap) {
        m->cap = m->cap ? m->cap * 2 : 256;
        m->line = xrealloc(m->line, (size_t)m->cap * sizeof(*m->line));
        m->list.sample = xrealloc(m->list.sample, (size_t)m->cap * sizeof(*m->list.sample));
    }
    m->line[id] = m->csv.at;
    m->list.sample[id] = (struct tr_sample){m->path.name[id], label, group};
}

static void read_row(struct manifest *m)
{
    char path[TR_MANIFEST_MAX_PATH + 1], word[MISTAKES_WORD];
    const struct csv *c = &m->csv;
    int label = m->column[LABEL], group = m->column[GROUP];
    int32_t label_id, group_id = -1;
    const char *what;
    bool is_new;

    if (c->n_fields != m->n_columns) {
        WRONG(m, "%d fields, the first line names %d columns", c->n_fields, m->n_columns);
        return;
    }
    what = clean_path(c->field[m->column[PATH]], c->len[m->column[PATH]], path);
    if (what) {
        WRONG(m, "%s: '%s'", what, mistakes_word(word, c->field[m->column[PATH]]));
        return;
    }
    if (!c->len[label] || c->len[label] > TR_MANIFEST_MAX_LABEL) {
        WRONG(m, "the label %s", c->len[label] ? "is longer than 256 bytes" : "is empty");
        return;
    }
    if (group >= 0 && (!c->len[group] || c->len[group] > TR_MANIFEST_MAX_LABEL)) {
        WRONG(m, "the group %s", c->len[group] ? "is longer than 256 bytes" : "is empty");
        return;
    }
    if (!stays_inside(m, path)) {
        WRONG(m, "'%s' is a link that leaves the manifest's folder", mistakes_word(word, path));
        return;
    }
    label_id = intern_get(&m->label, c->field[label], c->len[label], &is_new);
    if (group >= 0)
        group_id = intern_get(&m->group, c->field[group], c->len[group], &is_new);
    add_row(m, path, label_id, group_id);
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
        if (m->path.n > TR_LIST_MAX_SAMPLES) {
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

static void manifest_init(struct manifest *m, const char *text, size_t n)
{
    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        n -= 3;
    }
    m->csv =
        (struct csv){.p = text, .end = text + n, .line = 1, .max_record = TR_MANIFEST_MAX_LINE};
    m->csv.buf = xmalloc(TR_MANIFEST_MAX_LINE + 1);
    m->path.arena = m->label.arena = &m->list.arena;
    m->group.arena = m->folder.arena = &m->scratch;
    if (!realpath(m->root, m->real_root))
        *m->real_root = 0;
    m->root_fd = open(m->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void manifest_release(struct manifest *m)
{
    intern_release(&m->path);
    intern_release(&m->label);
    intern_release(&m->group);
    intern_release(&m->folder);
    arena_release(&m->scratch);
    mistakes_release(&m->mistakes);
    tr_list_release(&m->list);
    free(m->csv.buf);
    free(m->line);
    free(m->folder_inside);
    if (m->root_fd >= 0)
        close(m->root_fd);
}

int tr_manifest_parse(const char *text, size_t n, const char *file, const char *root,
                      struct tr_list *ret, struct hpo_err *err)
{
    struct manifest *m = xcalloc(1, sizeof(*m));
    struct tr_sample *sample;
    int rc;

    m->file = file;
    m->root = root;
    manifest_init(m, text, n);
    if (read_header(m) && read_rows(m) && !m->path.n && !m->mistakes.n)
        mistakes_add(&m->mistakes, "%s: lists no images", file);
    sample = m->list.sample;
    m->list.sample = NULL;
    rc = mistakes_fail(&m->mistakes, HPO_ECONFIG, "", err);
    if (!rc) {
        m->list.n = m->path.n;
        m->list.sample = arena_dup(&m->list.arena, sample, (size_t)m->path.n * sizeof(*sample));
        m->list.root = arena_strdup(&m->list.arena, root);
        m->list.has_groups = m->column[GROUP] >= 0;
        sort_classes(m);
        *ret = m->list;
        m->list = (struct tr_list){0};
    }
    free(sample);
    manifest_release(m);
    free(m);
    return rc;
}
