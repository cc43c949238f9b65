#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/str.h"

static int fail_errno(struct hpo_err *err, const char *path, const char *what)
{
    int rc = errno == ENOENT || errno == ENOTDIR ? HPO_EMISSING
             : errno == ENOMEM                   ? HPO_ENOMEM
                                                 : HPO_EIO;

    return hpo_fail(err, rc, "%s: %s%s%s", path, what, *what ? ": " : "", strerror(errno));
}

/* Everything that is left to read; the file may not know its size (guess 0). */
static int read_rest(int fd, const char *path, size_t guess, size_t max, char **ret, size_t *ret_n,
                     struct hpo_err *err)
{
    size_t n = 0, cap = guess ? guess + 1 : 4096;
    char *buf = malloc(cap + 1), *more;
    int rc;

    for (;;) {
        ssize_t got;

        if (!buf)
            return hpo_fail(err, HPO_ENOMEM, "%s: out of memory (%zu bytes)", path, cap);
        got = read(fd, buf + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            rc = fail_errno(err, path, "");
            break;
        }
        if (got == 0) {
            buf[n] = 0;
            *ret = buf;
            *ret_n = n;
            return 0;
        }
        n += (size_t)got;
        if (n > max) {
            rc = hpo_fail(err, HPO_EFORMAT, "%s: is too large (at most %zu bytes)", path, max);
            break;
        }
        if (n == cap) {
            cap *= 2;
            more = realloc(buf, cap + 1);
            if (!more)
                free(buf);
            buf = more;
        }
    }
    free(buf);
    return rc;
}

int file_read(const char *path, size_t max, char **ret, size_t *ret_n, struct hpo_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
    struct stat st;

    if (fd < 0)
        return fail_errno(err, path, "");
    if (fstat(fd, &st))
        rc = fail_errno(err, path, "");
    else if (S_ISDIR(st.st_mode))
        rc = hpo_fail(err, HPO_EFORMAT, "%s: is a folder, not a file", path);
    else if (st.st_size > 0 && (uint64_t)st.st_size > max)
        rc = hpo_fail(err, HPO_EFORMAT, "%s: is too large (%lld bytes, at most %zu)", path,
                      (long long)st.st_size, max);
    else
        rc = read_rest(fd, path, (size_t)st.st_size, max, ret, ret_n, err);
    close(fd);
    return rc;
}

int file_write_all(int fd, const void *bytes, size_t n, const char *path, struct hpo_err *err)
{
    const char *p = bytes;

    while (n) {
        ssize_t put = write(fd, p, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_errno(err, path, "writing");
        p += put;
        n -= (size_t)put;
    }
    return 0;
}

static int sync_folder_of(const char *path, struct hpo_err *err)
{
    char *copy = xstrdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

    /* EINVAL: a file system that cannot sync folders; there is nothing more to be had from it. */
    if (fd < 0 || (fsync(fd) && errno != EINVAL))
        rc = fail_errno(err, path, "syncing its folder");
    if (fd >= 0)
        close(fd);
    free(copy);
    return rc;
}

int file_atomic_open(struct file_atomic *f, const char *path, struct hpo_err *err)
{
    struct str temp = {0};

    *f = (struct file_atomic){.fd = -1};
    /* Not the process id: two containers may share a cache folder, and number theirs alike. */
    do {
        uint64_t unique = (uint64_t)(clock_monotonic() * 1e9);

        if (getrandom(&unique, sizeof(unique), GRND_NONBLOCK) != (ssize_t)sizeof(unique))
            unique ^= (uint64_t)gettid() << 40; /* early in boot: the clock has to do */
        str_clear(&temp);
        str_addf(&temp, "%s.tmp-%016llx", path, (unsigned long long)unique);
        f->fd = open(temp.s, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (f->fd < 0 && errno == EEXIST);
    if (f->fd < 0) {
        int rc = fail_errno(err, path, "writing");

        str_release(&temp);
        return rc;
    }
    f->temp = temp.s;
    f->path = xstrdup(path);
    return 0;
}

int file_atomic_commit(struct file_atomic *f, struct hpo_err *err)
{
    int rc = 0;

    if (fsync(f->fd))
        rc = fail_errno(err, f->path, "syncing");
    if (close(f->fd) && !rc)
        rc = fail_errno(err, f->path, "closing");
    f->fd = -1;
    if (!rc && rename(f->temp, f->path))
        rc = fail_errno(err, f->path, "renaming");
    if (!rc) {
        free(f->temp);
        f->temp = NULL;
        rc = sync_folder_of(f->path, err);
    }
    file_atomic_abort(f);
    return rc;
}

void file_atomic_abort(struct file_atomic *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->temp)
        unlink(f->temp);
    free(f->temp);
    free(f->path);
    *f = (struct file_atomic){.fd = -1};
}

int file_replace(const char *path, const void *bytes, size_t n, struct hpo_err *err)
{
    struct file_atomic f;
    int rc = file_atomic_open(&f, path, err);

    if (!rc)
        rc = file_write_all(f.fd, bytes, n, path, err);
    if (!rc)
        return file_atomic_commit(&f, err);
    file_atomic_abort(&f);
    return rc;
}

int file_mkdirs(const char *path, struct hpo_err *err)
{
    char *copy;
    int rc = 0;

    if (!*path)
        return hpo_fail(err, HPO_EMISSING, "a folder without a name cannot be made");
    copy = xstrdup(path);
    for (char *p = copy + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char was = *p;

        *p = 0;
        if (mkdir(copy, 0777) && errno != EEXIST) {
            rc = fail_errno(err, copy, "making the folder");
            break;
        }
        *p = was;
        if (!was)
            break;
    }
    if (!rc && !file_is_dir(path))
        rc = hpo_fail(err, HPO_EIO, "%s: is not a folder", path);
    free(copy);
    return rc;
}

int file_remove_tree(const char *path, struct hpo_err *err)
{
    struct dirent *e;
    struct stat top;
    int rc = 0;
    DIR *d;

    /* A link to a folder is a link: what it points at is not ours to remove. */
    if (lstat(path, &top))
        return errno == ENOENT || errno == ENOTDIR ? 0 : fail_errno(err, path, "removing");
    if (!S_ISDIR(top.st_mode))
        return unlink(path) && errno != ENOENT ? fail_errno(err, path, "removing") : 0;
    d = opendir(path);
    if (!d)
        return errno == ENOENT ? 0 : fail_errno(err, path, "removing");
    while (!rc && (e = readdir(d))) {
        struct str child = {0};
        struct stat st;

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        str_addf(&child, "%s/%s", path, e->d_name);
        if (lstat(child.s, &st) == 0 && S_ISDIR(st.st_mode))
            rc = file_remove_tree(child.s, err);
        else if (unlink(child.s) && errno != ENOENT)
            rc = fail_errno(err, child.s, "removing");
        str_release(&child);
    }
    closedir(d);
    if (!rc && rmdir(path) && errno != ENOENT)
        rc = fail_errno(err, path, "removing");
    return rc;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int file_map_open(struct file_map *m, const char *path, struct hpo_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
    struct stat st;
    void *p;

    if (fd < 0)
        return fail_errno(err, path, "");
    if (fstat(fd, &st)) {
        rc = fail_errno(err, path, "");
    } else if (!S_ISREG(st.st_mode) || st.st_size == 0) {
        rc = hpo_fail(err, HPO_EFORMAT, "%s: is empty or not a file", path);
    } else {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            rc = fail_errno(err, path, "mapping");
        else
            *m = (struct file_map){p, (size_t)st.st_size};
    }
    close(fd);
    return rc;
}

void file_map_close(struct file_map *m)
{
    if (m->p)
        munmap((void *)(uintptr_t)m->p, m->n);
    *m = (struct file_map){0};
}

int file_lock(struct file_lock *l, const char *path, struct hpo_err *err)
{
    char owner[256] = "", host[128] = "", when[32];
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    time_t now = time(NULL);
    struct tm tm;
    ssize_t n;

    if (fd < 0)
        return fail_errno(err, path, "opening the lock");
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK) {
            int rc = fail_errno(err, path, "locking");

            close(fd);
            return rc;
        }
        n = pread(fd, owner, sizeof(owner) - 1, 0);
        owner[n > 0 ? n : 0] = 0;
        owner[strcspn(owner, "\n")] = 0;
        close(fd);
        return hpo_fail(err, HPO_EBUSY, "%s", *owner ? owner : "another process");
    }
    gethostname(host, sizeof(host) - 1);
    localtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
    n = snprintf(owner, sizeof(owner), "pid %ld on %s since %s\n", (long)getpid(), host, when);
    if (ftruncate(fd, 0) || pwrite(fd, owner, (size_t)n, 0) != n) {
        /* The line is only for people; the lock itself is held. */
    }
    l->fd = fd;
    return 0;
}

bool file_is_locked(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;

    if (fd >= 0)
        close(fd);
    return locked;
}

void file_unlock(struct file_lock *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

static double seconds_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double clock_monotonic(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

double clock_wall(void)
{
    return seconds_of(CLOCK_REALTIME);
}
