#include "trainer/data/manifest_path.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trainer/data/manifest.h"

void manifest_root_init(struct manifest_root *r, const char *path)
{
    *r = (struct manifest_root){0};
    r->folder.arena = &r->scratch;
    if (!realpath(path, r->real))
        *r->real = 0;
    r->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void manifest_root_release(struct manifest_root *r)
{
    intern_release(&r->folder);
    arena_release(&r->scratch);
    free(r->inside);
    if (r->fd >= 0)
        close(r->fd);
}

const char *manifest_path_clean(const char *s, size_t n, char *ret)
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
static bool is_inside(const struct manifest_root *r, const char *path)
{
    char full[PATH_MAX + TR_MANIFEST_MAX_PATH + 2], real[PATH_MAX];
    size_t n = strlen(r->real);

    snprintf(full, sizeof(full), "%s/%s", r->real, path);
    if (!realpath(full, real))
        return true;
    if (n == 1) /* the root of the file system */
        return true;
    return !strncmp(real, r->real, n) && (real[n] == '/' || !real[n]);
}

/* Links are resolved once a folder, and for the files that are links themselves. */
bool manifest_path_stays(struct manifest_root *r, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct stat st;

    if (!*r->real)
        return true;
    if (slash) {
        bool is_new;
        int32_t id = intern_get(&r->folder, path, (size_t)(slash - path), &is_new);

        if (id >= r->cap) {
            r->cap = r->cap ? r->cap * 2 : 64;
            r->inside = xrealloc(r->inside, (size_t)r->cap * sizeof(bool));
        }
        if (is_new)
            r->inside[id] = is_inside(r, r->folder.name[id]);
        if (!r->inside[id])
            return false;
    }
    if (fstatat(r->fd, path, &st, AT_SYMLINK_NOFOLLOW) || !S_ISLNK(st.st_mode))
        return true;
    return is_inside(r, path);
}
