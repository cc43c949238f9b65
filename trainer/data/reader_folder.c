/* A folder a class, as torchvision's ImageFolder: root/class/any/name.jpg. Links are followed:
 * whoever made the folder made them (the manifest reader, which takes paths from a text, is
 * stricter). */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "trainer/data/mistakes.h"
#include "trainer/data/reader.h"

#define MAX_DEPTH 16 /* below a class; a link to its own parent ends here */

struct names {
    const char **item;
    int64_t n, cap;
};

static void names_add(struct names *l, const char *name)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 256;
        l->item = xrealloc(l->item, (size_t)l->cap * sizeof(*l->item));
    }
    l->item[l->n++] = name;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void names_sort(struct names *l)
{
    if (l->n > 1)
        qsort(l->item, (size_t)l->n, sizeof(*l->item), by_bytes);
}

static bool is_image(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot &&
           (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg") || !strcasecmp(dot, ".png"));
}

/* DT_DIR, DT_REG or DT_UNKNOWN (neither), asking the file system only when readdir did not tell. */
static int type_of(int dir, const struct dirent *e)
{
    struct stat st;

    if (e->d_type != DT_LNK && e->d_type != DT_UNKNOWN)
        return e->d_type;
    /* A link that leads nowhere is listed, to be reported with the images that cannot be read. */
    if (fstatat(dir, e->d_name, &st, 0))
        return DT_REG;
    return S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

struct walk {
    struct arena *arena;
    const char *root;
    struct names *found;
};

static int fail_folder(struct hpo_err *err, const struct walk *w, const char *path)
{
    return hpo_fail(err, errno == ENOENT ? HPO_EMISSING : HPO_EIO, "%s%s%s: %s", w->root,
                    *path ? "/" : "", path, strerror(errno));
}

/* Everything under root/path (path "" is the root itself, whose folders are the classes). */
static int walk_folder(struct walk *w, int parent, const char *name, const char *path, int depth,
                       struct hpo_err *err)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!d) {
        rc = fail_folder(err, w, path);
        if (fd >= 0)
            close(fd);
        return rc;
    }
    while (!rc && (errno = 0, e = readdir(d))) {
        int type;

        /* What macOS adds to a zip beside the folders: metadata under the images' names. */
        if (e->d_name[0] == '.' || !strcmp(e->d_name, "__MACOSX"))
            continue;
        type = type_of(fd, e);
        if (type == DT_DIR && depth < 0) {
            names_add(w->found, arena_strdup(w->arena, e->d_name));
        } else if (type == DT_DIR && depth == MAX_DEPTH) {
            rc = hpo_fail(err, HPO_ECONFIG,
                          "%s/%s: folders are nested more than %d deep (a link to its own parent?)",
                          w->root, path, MAX_DEPTH);
        } else if (type == DT_DIR) {
            rc = walk_folder(w, fd, e->d_name, arena_printf(w->arena, "%s/%s", path, e->d_name),
                             depth + 1, err);
        } else if (type == DT_REG && depth >= 0 && is_image(e->d_name)) {
            if (w->found->n >= TR_LIST_MAX_SAMPLES)
                rc = hpo_fail(err, HPO_ECONFIG, "%s: more than %d images", w->root,
                              TR_LIST_MAX_SAMPLES);
            else
                names_add(w->found, arena_printf(w->arena, "%s/%s", path, e->d_name));
        }
    }
    if (!rc && errno)
        rc = fail_folder(err, w, path);
    closedir(d);
    return rc;
}

static int list_classes(struct walk *w, struct names *classes, struct hpo_err *err)
{
    int rc;

    w->found = classes;
    rc = walk_folder(w, AT_FDCWD, w->root, "", -1, err);
    if (rc)
        return rc;
    if (!classes->n)
        return hpo_fail(
            err, HPO_ECONFIG,
            "%s: has no class folders: the images of each class belong into a folder of "
            "its own, such as %s/cat/1.jpg",
            w->root, w->root);
    if (classes->n > TR_LIST_MAX_CLASSES)
        return hpo_fail(err, HPO_ECONFIG, "%s: has %lld folders, at most %d classes are allowed",
                        w->root, (long long)classes->n, TR_LIST_MAX_CLASSES);
    names_sort(classes);
    return 0;
}

static int list_images(struct walk *w, const struct names *classes, struct names *images,
                       int64_t *start, struct hpo_err *err)
{
    int root = open(w->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    struct mistakes empty = {0};

    if (root < 0)
        return fail_folder(err, w, "");
    w->found = images;
    for (int64_t c = 0; c < classes->n && !rc; c++) {
        struct names one = {0};

        start[c] = images->n;
        rc = walk_folder(w, root, classes->item[c], classes->item[c], 0, err);
        if (images->n > start[c])
            one = (struct names){images->item + start[c], images->n - start[c], 0};
        names_sort(&one);
        if (!rc && !one.n)
            mistakes_add(&empty, "%s/%s: has no images (.jpg, .jpeg, .png); each folder is a class",
                         w->root, classes->item[c]);
    }
    start[classes->n] = images->n;
    if (!rc)
        rc = mistakes_fail(&empty, HPO_ECONFIG, "", err);
    mistakes_release(&empty);
    close(root);
    return rc;
}

static bool folder_accepts(const char *path)
{
    return file_is_dir(path);
}

static int folder_list(const char *path, struct tr_list *ret, struct hpo_err *err)
{
    struct tr_list l = {0};
    struct names classes = {0}, images = {0};
    struct walk w = {.arena = &l.arena, .root = path};
    int64_t *start = NULL;
    int rc = list_classes(&w, &classes, err);

    if (rc)
        goto out;
    start = xcalloc((size_t)classes.n + 1, sizeof(*start));
    rc = list_images(&w, &classes, &images, start, err);
    if (rc)
        goto out;
    l.root = arena_strdup(&l.arena, path);
    l.n = images.n;
    l.n_classes = (int)classes.n;
    l.classes = arena_dup(&l.arena, classes.item, (size_t)classes.n * sizeof(*classes.item));
    l.sample = ARENA_ARRAY(&l.arena, struct tr_sample, l.n);
    for (int32_t c = 0; c < l.n_classes; c++)
        for (int64_t i = start[c]; i < start[c + 1]; i++)
            l.sample[i] = (struct tr_sample){
                .path = images.item[i], .label = c, .group = -1, .fold = -1};
    *ret = l;
    l = (struct tr_list){0};
out:
    tr_list_release(&l);
    free(classes.item);
    free(images.item);
    free(start);
    return rc;
}

const struct reader_ops reader_folder = {
    .plugin = {.name = "folder", .help = "a folder with a folder of JPEG and PNG files a class"},
    .accepts = folder_accepts,
    .list = folder_list,
};
