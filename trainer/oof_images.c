#include "trainer/oof_images.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "trainer/oof_file.h"

const char *oof_images_path(const char *folder, const char *digest, struct arena *a)
{
    return arena_printf(a, "%s/images-%.12s.tsv", folder, digest);
}

/* ---------------------------------------------------------------- writing */

static void add_escaped(struct str *s, const char *text)
{
    static const char special[] = "\t\n\r\\", letter[] = "tnr\\";

    for (;;) {
        size_t plain = strcspn(text, special);

        str_addn(s, text, plain);
        text += plain;
        if (!*text)
            return;
        str_addc(s, '\\');
        str_addc(s, letter[strchr(special, *text++) - special]);
    }
}

static void add_list(const struct tr_dataset *d, struct str *s)
{
    const struct kn_images *m = &d->images;

    str_addf(s, "images\t1\t%s\t%" PRId64 "\t%d\n", d->digest, (int64_t)m->n, m->classes);
    for (int i = 0; i < m->classes; i++) {
        str_add(s, "class\t");
        add_escaped(s, d->class_names[i]);
        str_addc(s, '\n');
    }
    for (int64_t i = 0; i < m->n; i++) {
        str_addf(s, "%d\t", (int)m->labels[i]);
        add_escaped(s, d->paths[i]);
        str_addc(s, '\n');
    }
}

/* Images that were renamed make another list of the same content: it is written again. */
int oof_images_write(const char *folder, const struct tr_dataset *d, struct hpo_err *err)
{
    struct arena a = {0};
    struct str list = {0};
    const char *path = oof_images_path(folder, d->digest, &a);
    char *old = NULL;
    size_t n = 0;
    int rc = 0;

    add_list(d, &list);
    if (file_read(path, list.n, &old, &n, NULL) || n != list.n || memcmp(old, list.s, n)) {
        rc = file_mkdirs(folder, err);
        if (!rc)
            rc = file_replace(path, list.s, list.n, err);
    }
    free(old);
    str_release(&list);
    arena_release(&a);
    return rc;
}

/* ---------------------------------------------------------------- reading */

struct reader {
    char *at;
    const char *name;
    int64_t line;
    struct hpo_err *err;
};

static int broken(const struct reader *r, const char *what)
{
    return hpo_fail(r->err, HPO_EFORMAT, "%s:%" PRId64 ": %s", r->name, r->line, what);
}

/* The next field, which ends in `end`; *ret_len: its length. NULL: there is none. */
static char *field(struct reader *r, char end, size_t *ret_len)
{
    char *from = r->at;
    size_t n = strcspn(from, "\t\n");

    if (from[n] != end)
        return NULL;
    r->at = from + n + 1;
    from[n] = 0;
    *ret_len = n;
    r->line += end == '\n';
    return from;
}

static char *unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        char c = *from;

        if (c == '\\') {
            c = *++from;
            c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
            if (!c)
                return NULL;
        }
        *to++ = c;
    }
    *to = 0;
    return text;
}

static int64_t number(struct reader *r, char end, int64_t most)
{
    size_t len;
    const char *text = field(r, end, &len);
    int64_t v;

    return text && str_to_int(text, &v) && v >= 0 && v <= most ? v : -1;
}

static int read_head(struct reader *r, size_t bytes, struct oof_images *o)
{
    size_t len = 0;
    const char *word = field(r, '\t', &len), *digest = NULL;
    int64_t classes;

    if (!word || strcmp(word, "images") || number(r, '\t', 1) != 1)
        return broken(r, "is no list of images");
    digest = field(r, '\t', &len);
    if (!digest || len >= sizeof(o->digest))
        return broken(r, "has no digest");
    memcpy(o->digest, digest, len + 1);
    o->n = number(r, '\t', OOF_MAX_IMAGES);
    classes = number(r, '\n', OOF_MAX_CLASSES);
    /* A line each, of two bytes at least: what is allocated stays near what was read. */
    if (o->n < 1 || classes < 1 || (uint64_t)o->n + (uint64_t)classes > bytes / 2)
        return broken(r, "does not say how many images and classes there are");
    o->classes = (int)classes;
    return 0;
}

static int read_lines(struct reader *r, struct oof_images *o)
{
    size_t len;

    for (int i = 0; i < o->classes; i++) {
        const char *word = field(r, '\t', &len);
        char *name = word && !strcmp(word, "class") ? field(r, '\n', &len) : NULL;

        o->class_names[i] = name ? unescape(name) : NULL;
        if (!o->class_names[i])
            return broken(r, "is not a class");
    }
    for (int64_t i = 0; i < o->n; i++) {
        int64_t label = number(r, '\t', o->classes - 1);
        char *path = label >= 0 ? field(r, '\n', &len) : NULL;

        o->labels[i] = (int32_t)label;
        o->paths[i] = path ? unescape(path) : NULL;
        if (!o->paths[i])
            return broken(r, "is not a label and a path");
    }
    return *r->at ? broken(r, "is one line too many") : 0;
}

int oof_images_parse(char *text, size_t n, const char *name, struct oof_images *ret,
                     struct hpo_err *err)
{
    struct reader r = {.at = text, .name = name, .line = 1, .err = err};
    struct oof_images o = {0};
    int rc = strlen(text) == n ? 0 : broken(&r, "has a NUL in it");

    if (!rc)
        rc = read_head(&r, n, &o);
    if (!rc) {
        o.class_names = calloc((size_t)o.classes, sizeof(*o.class_names));
        o.paths = calloc((size_t)o.n, sizeof(*o.paths));
        o.labels = calloc((size_t)o.n, sizeof(*o.labels));
        rc = o.class_names && o.paths && o.labels
                 ? read_lines(&r, &o)
                 : hpo_fail(err, HPO_ENOMEM, "%s: out of memory for %" PRId64 " images", name, o.n);
    }
    if (rc) {
        oof_images_release(&o);
        return rc;
    }
    o.text = text;
    *ret = o;
    return 0;
}

int oof_images_read(const char *path, struct oof_images *ret, struct hpo_err *err)
{
    char *text = NULL;
    size_t n = 0;
    int rc = file_read(path, OOF_IMAGES_MAX_BYTES, &text, &n, err);

    if (!rc)
        rc = oof_images_parse(text, n, path, ret, err);
    if (rc)
        free(text);
    return rc;
}

void oof_images_release(struct oof_images *o)
{
    free(o->text);
    free(o->class_names);
    free(o->paths);
    free(o->labels);
    *o = (struct oof_images){0};
}
